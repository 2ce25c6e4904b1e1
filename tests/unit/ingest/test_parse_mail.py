# ruff: noqa: E501 - tables of mails read better in long lines
"""Odd mails, one per file in tests/data/mail, each with what a person would read in it, written by hand."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postroom_ingest.cli import described
from postroom_ingest.domain.mail import content_hash, dmarc_result, parse_mail
from postroom_ingest.domain.mail.addresses import Address, parse_addresses
from postroom_ingest.domain.mail.headers import decode_words, parse_parameters
from postroom_ingest.domain.mail.model import ParsedMail

CASES = sorted((Path(__file__).parents[2] / "data" / "mail").glob("*.eml"))
HEAD = b"From: a@x.test\r\nTo: b@x.test\r\nSubject: s\r\nMessage-ID: <1@x.test>\r\nDate: Mon, 2 Mar 2026 10:00:00 +0100\r\n"


def seen(mail: ParsedMail) -> dict[str, Any]:
    people = {"to": mail.to, "cc": mail.cc, "reply_to": mail.reply_to}
    return {
        "from": [mail.from_.email, mail.from_.name] if mail.from_ else None,
        **{name: [[one.email, one.name] for one in found] for name, found in people.items()},
        "message_id": mail.message_id,
        "in_reply_to": mail.in_reply_to,
        "references": list(mail.references),
        "subject": mail.subject,
        "date": mail.date.isoformat() if mail.date else None,
        "text": mail.text,
        "html": mail.html,
        "auto": mail.auto,
        "attachments": [[one.filename, one.content_type, one.size_bytes] for one in mail.attachments],
        "warnings": list(mail.warnings),
        "dsn": mail.dsn
        and [mail.dsn.recipient, mail.dsn.action, mail.dsn.status, mail.dsn.diagnostic, mail.dsn.original_message_id],
    }


BY_HAND = json.loads((Path(__file__).parents[2] / "data" / "mail" / "read-by-hand.json").read_text(encoding="utf-8"))
"""Mail to [sender, subject, first 60 characters of the text], read by a person beside the bytes."""


def test_there_are_cases() -> None:
    assert len(CASES) >= 200
    assert {case.stem for case in CASES} == set(BY_HAND)


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_sender_subject_and_first_words_are_what_a_person_reads(case: Path) -> None:
    mail = parse_mail(case.read_bytes())
    sender = f"{mail.from_.name} <{mail.from_.email}>".strip() if mail.from_ else ""
    assert [sender, mail.subject[:60], " ".join(mail.text.split())[:60]] == BY_HAND[case.stem]


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_odd_mail_reads_as_a_person_would_read_it(case: Path) -> None:
    expected = json.loads(case.with_suffix(".json").read_text(encoding="utf-8"))
    found = seen(parse_mail(case.read_bytes()))
    assert {name: found[name] for name in expected} == expected


@given(st.binary(max_size=3000))
@settings(max_examples=300, deadline=None)
def test_no_bytes_make_it_raise(raw: bytes) -> None:
    mail = parse_mail(raw)
    assert "\x00" not in mail.text + mail.subject


@pytest.mark.parametrize(
    "raw",
    [
        b"Content-Type: text/plain; charset=utf-7\n\n+2AA-x",
        b"Subject: =?utf-7?Q?+2AA-x?=\n\nx",
        b"Content-Type: text/plain; charset=utf-16le\n\n\x00\xd8x\x00",
        b"Content-Type: text/plain; charset=utf-8\n\n\xed\xa0\x80x",
        b"Content-Type: text/rtf\n\n{\\rtf1 \\u-10179?x}",
        b"Content-Type: text/html\n\n&#xd800;x",
    ],
)
def test_halves_of_characters_never_come_through(raw: bytes) -> None:
    mail = parse_mail(raw)
    assert (mail.text + mail.subject).encode().endswith(b"x")


TOKENS = [
    b"\r\n", b"\n", b"\r\n\r\n", b" ", b"\t", b"--B", b"--B--", b"--", b"From: ", b"To: ", b"Date: ", b"Subject: ", b"Content-Type: ",
    b"multipart/mixed; boundary=B", b"multipart/alternative", b"multipart/report; report-type=delivery-status; boundary=B",
    b"text/plain; charset=", b"text/html", b"message/rfc822", b"message/delivery-status", b"utf-8", b"iso-2022-jp", b"utf-7", b"hz",
    b"utf-16", b"idna", b"punycode", b"base64", b"Content-Transfer-Encoding: ", b"quoted-printable", b"uuencode", b"begin 644 a\n",
    b"#0V%T", b"end", b"`", b"=?", b"?=", b"?B?", b"?Q?", b"=?utf-8?B?4oCm", b"=?big5?Q?=A4", b"<", b">", b"(", b")", b'"', b",", b";", b":",
    b"@", b"a@b", b"\\", b"filename*0*=utf-8''%C3", b"filename*1=", b"name=", b"\x00", b"\xff\xfe", b"\x1b$B", b"\xe4", "ä".encode(), b"%",
    b"Final-Recipient: rfc822;", b"Status: 5.1.1", b"format=flowed; delsp=yes", b"text/calendar", b"text/rtf", b"{\\rtf1 \\u-9", b"application/ms-tnef", b"\x78\x9f\x3e\x22\x01\x00\x02\x02\x90\x06\x00",
    b"=ybegin name=a\n", b"=yend", b"mailer-daemon@x.test", b"undeliverable", b"utf-32", b"iso-2022-cn", b"+2AA-", b"\xed\xa0\x80", b"<script>", b"style='",
    b"Content-Disposition: attachment; ", b"9" * 30, b"<p", b"<!--",
]  # fmt: skip


@given(st.lists(st.sampled_from(TOKENS), max_size=60).map(b"".join))
@settings(max_examples=500, deadline=None)
def test_no_pieces_of_mail_make_it_raise(raw: bytes) -> None:
    mail = parse_mail(raw)
    assert mail == parse_mail(raw)
    told = json.loads(json.dumps(described(mail), ensure_ascii=False).encode())
    assert len({part["filename"] for part in told["attachments"]}) == len(told["attachments"])


def test_a_mail_above_the_limit_keeps_its_headers() -> None:
    too_large = parse_mail(HEAD + b"\r\n" + b"a" * 26 * 1024 * 1024)
    assert (too_large.subject, too_large.message_id, too_large.attachments) == ("s", "1@x.test", ())
    assert too_large.text == (
        "[Not all of this mail is shown: larger than 25 MiB, only its headers were read."
        " The whole is kept as the original mail.]"
    )


def test_a_note_stands_in_the_html_too() -> None:
    parts = b"--B\r\nContent-Type: text/html\r\n\r\n<p>x</p>\r\n" * 300
    mail = parse_mail(HEAD + b"Content-Type: multipart/mixed; boundary=B\r\n\r\n" + parts)
    assert mail.html is not None
    assert mail.html.endswith(
        "more than 200 parts, the rest was left out. The whole is kept as the original mail.]</p>"
    )


def body(encoding: str, content: bytes) -> bytes:
    return (
        HEAD
        + f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode()
        + content
    )


def test_content_hash_is_the_same_however_the_mail_travelled() -> None:
    plain = body("8bit", b"Hello\r\nworld\r\n")
    same = [
        b"Received: from mx.test\r\nX-Spam: no\r\n" + plain,
        plain.replace(b"\r\n", b"\n"),
        plain.replace(b"Subject: s", b"Subject:\r\n s"),
        body("base64", base64.b64encode(b"Hello\r\nworld\r\n")),
        plain.replace(b"Message-ID: <1@x.test>\r\n", b""),
    ]
    assert {content_hash(parse_mail(raw)) for raw in same} == {content_hash(parse_mail(plain))}


@pytest.mark.parametrize(
    ("old", "new"), [(b"world", b"World"), (b"Subject: s", b"Subject: t"), (b"a@x", b"c@x"), (b"10:00", b"10:01")]
)
def test_content_hash_differs_for_another_mail(old: bytes, new: bytes) -> None:
    plain = body("8bit", b"Hello\r\nworld\r\n")
    assert content_hash(parse_mail(plain)) != content_hash(parse_mail(plain.replace(old, new)))


def results(*values: str, sender: str = "Jane <jane@example.test>") -> ParsedMail:
    fields = "".join(f"Authentication-Results: {value}\r\n" for value in values)
    return parse_mail(f"{fields}From: {sender}\r\n\r\nx".encode())


PASS = "mx.acme.test; spf=pass smtp.mailfrom=example.test; dmarc=pass (p=reject) header.from=example.test"


@pytest.mark.parametrize(
    ("mail", "expected"),
    [
        pytest.param(results(PASS), "pass", id="pass"),
        pytest.param(results(PASS.replace("dmarc=pass", "dmarc=fail")), "fail", id="fail"),
        pytest.param(results(PASS.replace("mx.acme", "mx.evil")), None, id="untrusted server"),
        pytest.param(results("mx.acme.test; dmarc=none header.from=example.test", PASS), None, id="a forged one below ours"),
        pytest.param(results(PASS.replace("from=example.test", "from=other.test")), "fail", id="pass for another domain"),
        pytest.param(results(PASS, sender="jane@example.test, boss@acme.test"), "fail", id="several senders"),
        pytest.param(results("mx.acme.test; dmarc=pass;;; ((( header"), None, id="unreadable"),
        pytest.param(results("mx.acme.test; none"), None, id="nothing checked"),
        pytest.param(results(), None, id="no field"),
    ],
)  # fmt: skip
def test_dmarc_counts_only_from_the_topmost_field_of_a_trusted_server(mail: ParsedMail, expected: str | None) -> None:
    assert dmarc_result(mail, {"mx.acme.test"}) == expected


def test_two_from_fields_never_pass() -> None:
    mail = parse_mail(
        f"Authentication-Results: {PASS}\r\nFrom: jane@example.test\r\nFrom: boss@acme.test\r\n\r\nx".encode()
    )
    assert dmarc_result(mail, {"mx.acme.test"}) == "fail"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Jane <j@x.test>", [Address("j@x.test", "Jane")]),
        ("j@x.test", [Address("j@x.test")]),
        ("j@x.test (Jane D)", [Address("j@x.test", "Jane D")]),
        ("'Jane' <j@x.test>", [Address("j@x.test", "Jane")]),
        ('"J \\"X\\" D" <j@x.test>', [Address("j@x.test", 'J "X" D')]),
        ("j@x.test <j@x.test>", [Address("j@x.test", "j@x.test")]),
        ("<j@x.test>,, ,<k@x.test>,", [Address("j@x.test"), Address("k@x.test")]),
        ("undisclosed-recipients:;", []),
        ("", []),
        ("=?utf-8?Q?Jane_=3Cj=40x.test=3E?=", [Address("j@x.test", "Jane")]),
    ],
)
def test_addresses(raw: str, expected: list[Address]) -> None:
    assert list(parse_addresses(raw.encode())[0]) == expected


@given(st.text(alphabet='<>()",;:@\\ a=?', max_size=60))
@settings(max_examples=500, deadline=None)
def test_no_address_field_makes_it_raise(raw: str) -> None:
    found, cut = parse_addresses(raw.encode())
    assert not cut
    assert len(found) <= len(raw)


def test_words_and_parameters() -> None:
    assert decode_words("a =?utf-8*en?q?=C3=A4?= b") == "a ä b"
    assert decode_words("1 =? 2") == "1 =? 2"
    assert parse_parameters(b'Text/HTML; Charset="utf-8"; name=two words.txt; x') == (
        "text/html",
        {"charset": "utf-8", "name": "two words.txt"},
    )
