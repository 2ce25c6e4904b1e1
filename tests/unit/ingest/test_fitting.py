"""No mail is too large to be stored or published: one that is would stop its whole account."""

import base64

import pytest
from bson import encode
from postroom_contracts.events import encode_body, encode_headers
from postroom_contracts.inbound import InboundReceived
from postroom_ingest.domain.inbound import Intake, mail_intake
from postroom_ingest.domain.mail import parse_mail

from tests.unit.ingest.test_guards_are_stored import ACCOUNT, NOW, OFFICE

HEAD = b"From: a@b.test\r\nMessage-ID: <x@y.test>\r\nMIME-Version: 1.0\r\n"
MOST_OF_A_RECORD = 950_000
"""`AcceptMessage` carries the record once more, with a little of its own; 1,000,000 bytes are published at most."""


def taken(raw: bytes) -> Intake:
    return mail_intake(parse_mail(raw), raw, account=ACCOUNT, configuration=OFFICE, received_at=None, now=NOW)


def word(text: bytes) -> bytes:
    return b"=?utf-8?b?" + base64.b64encode(text) + b"?="


def attached(count: int, label: bytes, name: bytes) -> bytes:
    part = (
        b"--B\r\nContent-Type: application/" + label + b"\r\nContent-ID: <" + label + b">\r\n"
        b"Content-Disposition: attachment; filename*=utf-8''" + name + b"\r\n\r\nx\r\n"
    )
    return part * count


def people(header: bytes, name: bytes, local: bytes, count: int = 100) -> bytes:
    return header + b": " + b",\r\n ".join(word(name) + b" <%s%d@b.test>" % (local, n) for n in range(count)) + b"\r\n"


TEXT = b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
ADDRESSES = b"".join(people(h, "𝔄".encode() * 300, b"l" * 250) for h in (b"To", b"Cc", b"Reply-To"))
MIXED = b"Content-Type: multipart/mixed; boundary=B\r\n\r\n"
HUGE = {
    "a text of 20 MB": HEAD + TEXT + b"one more line\r\n" * 1_350_000,
    "HTML of 20 MB": HEAD + b"Content-Type: text/html\r\n\r\n" + b"<p>one more line</p>\r\n" * 900_000,
    "labels of attachments of 60 kB each": HEAD + MIXED + attached(190, b"x" * 60_000, b"a.txt") + b"--B--",
    "one sender's name of 400 kB": HEAD.replace(b"a@b.test", word(b"\\" * 370_000) + b" <a@b.test>") + TEXT + b"hi",
    "one address of 400 kB": HEAD + b"To: " + b"a" * 400_000 + b"@b.test\r\n" + TEXT + b"hi",
    "control characters": HEAD + TEXT + b"\x01" * 200_000,
    "everything at once": HEAD
    + ADDRESSES
    + b"References: "
    + b" ".join(b"<%s%d@b.test>" % (b"r" * 970, n) for n in range(60))
    + b"\r\n"
    + MIXED
    + b"--B\r\n"
    + TEXT
    + b"\x01" * 3_000_000
    + b"\r\n"
    + attached(190, b"x" * 99, b"%F0%9D%94%84" * 200)
    + b"--B--",
}


@pytest.mark.parametrize("name", HUGE)
def test_fits_a_record_of_kafka_and_documents_of_mongodb_and_is_kept_whole(name: str) -> None:
    raw = HUGE[name]
    intake = taken(raw)
    (event,) = intake.events
    (document,) = intake.documents
    assert isinstance(event.data, InboundReceived)
    headers = sum(len(n) + len(v or b"") for n, v in encode_headers(event))
    assert len(encode_body(event.data)) + headers < MOST_OF_A_RECORD
    assert len(encode(document)) < 15 * 1024 * 1024
    assert intake.blobs[document["raw_blob_id"]] == raw


def test_an_ordinary_mail_is_not_cut() -> None:
    raw = HEAD + people(b"To", b"Ann", b"ann", 3) + TEXT + b"Hello\r\n" * 5_000
    (event,) = taken(raw).events
    assert isinstance(event.data, InboundReceived)
    assert [(a.name, a.address) for a in event.data.to] == [("Ann", f"ann{n}@b.test") for n in range(3)]
    assert event.data.text == "\n".join(["Hello"] * 5_000)
    assert not event.data.text_truncated
