"""Odd fields and bodies of tests/unit/ingest/odd_mails.py, read as a person would read them."""

import json
from typing import Any

import pytest
from postroom_ingest.domain.mail import parse_mail

from tests.unit.ingest import odd_mails
from tests.unit.ingest.test_parse_mail import seen

TABLES = {
    "from": odd_mails.FROM,
    "to": odd_mails.TO,
    "date": odd_mails.DATE,
    "auto": odd_mails.AUTO,
    "body": odd_mails.BODY,
    "quoted-printable": odd_mails.QUOTED_PRINTABLE,
    "base64": odd_mails.BASE64,
    "content-type": odd_mails.CONTENT_TYPE,
}
ROWS = [pytest.param(raw, want, id=f"{table}-{name}") for table, rows in TABLES.items() for name, raw, want in rows]


@pytest.mark.parametrize(("raw", "expected"), ROWS)
def test_odd_field_reads_as_a_person_would_read_it(raw: bytes, expected: dict[str, Any]) -> None:
    found = json.loads(json.dumps(seen(parse_mail(raw))))
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(("fields", "filename"), [pytest.param(f, n, id=i) for i, f, n in odd_mails.NAME])
def test_attachment_is_called_as_a_person_would_call_it(fields: bytes, filename: str) -> None:
    text = b"--B\nContent-Type: text/plain; charset=utf-8\n\nHello.\n"
    mail = parse_mail(
        b'Content-Type: multipart/mixed; boundary="B"\n\n' + text + b"--B\n" + fields + b"\n\n%PDF-1.4\n--B--\n"
    )
    assert [part.filename for part in mail.attachments] == [filename]
    assert mail.text == "Hello."
