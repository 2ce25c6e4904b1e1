"""Whatever strangers and agents call themselves, a header stays one header."""

import string
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_notifier.domain.headers import base_subject, mail_address, mailbox, message_ids, one_line, subject
from postroom_notifier.domain.mime import File, build, safe_filename

HOSTILE = st.text(
    st.one_of(st.sampled_from('\r\n\0\x0b\x0c\x1c\x85\u2028\u2029:<>@",;=?()\\ \t'), st.characters()), max_size=300
)
AT = datetime(2026, 3, 6, 14, 2, 12, tzinfo=UTC)


def names(body: bytes) -> list[str]:
    """Return the header names as a server that knows nothing of Python would split them."""
    head = body.split(b"\r\n\r\n", 1)[0]
    assert b"\n" not in head.replace(b"\r\n", b"")
    assert b"\r" not in head.replace(b"\r\n", b"")
    return [line.split(b":")[0].decode() for line in head.split(b"\r\n") if not line.startswith(b" ")]


@given(HOSTILE, HOSTILE, st.lists(HOSTILE, max_size=4))
def test_hostile_values_add_no_header(name: str, text: str, ids: list[str]) -> None:
    references = " ".join(message_ids(ids))
    headers = [("From", mailbox(name, "a@b.test")), ("Subject", subject(text))]
    headers += [("References", references)] if references else []
    body = build(headers, AT, "text")
    expected = ["From", "Subject", *(["References"] if references else []), "Date", "MIME-Version"]
    assert names(body) == [*expected, "Content-Type", "Content-Transfer-Encoding"]
    assert all(len(line) <= 998 for line in body.split(b"\r\n"))


@given(HOSTILE)
def test_a_display_name_never_becomes_an_address(name: str) -> None:
    parsed = message_from_bytes(build([("From", mailbox(name, "a@b.test"))], AT, "text"), policy=default)
    assert [a.addr_spec for a in parsed["From"].addresses] == ["a@b.test"]


@given(HOSTILE)
def test_what_counts_as_an_address_is_one_word_with_one_at(text: str) -> None:
    address = mail_address(text)
    assert address is None or (address.count("@") == 1 and not set(address) & set('\r\n\0 \t<>",;:()\\'))


@given(HOSTILE, HOSTILE)
def test_hostile_attachment_names_add_no_header(filename: str, content_type: str) -> None:
    body = build([], AT, "text", None, [File(filename, content_type, b"x", content_id=filename)])
    part = body.split(b"\r\n\r\n", 1)[1].split(b"--=_")[2].partition(b"\r\n")[2]
    allowed = ["Content-Type", "Content-Transfer-Encoding", "Content-Disposition"]
    assert names(part) in (allowed, [*allowed, "Content-ID"])


def test_line_end_that_was_not_made_safe_is_refused() -> None:
    with pytest.raises(ValueError, match="line end"):
        build([("Subject", "a\r\nBcc: everybody@example.test")], AT, "text")


def test_long_ids_are_written_as_they_are() -> None:
    long_id = f"<{'c' * 36}.{'d' * 36}.{'m' * 26}@acme.test>"
    body = build([("Message-ID", long_id), ("References", f"<a@b> {long_id}")], AT, "text")
    assert f"Message-ID: {long_id}\r\n".encode() in body
    assert f"References: <a@b>\r\n {long_id}\r\n".encode() in body


@given(st.text(string.printable + "äöü日本語🚲\u200d", max_size=200).filter(lambda t: bool(one_line(t, 250))))
def test_subject_is_read_as_it_was_written(text: str) -> None:
    parsed = message_from_bytes(build([("Subject", subject(text))], AT, "x"), policy=default)
    assert " ".join(str(parsed["Subject"]).split()) == one_line(text, 250)


@pytest.mark.parametrize(
    ("given_subject", "expected"),
    [
        ("Re: Order", "Order"),
        ("AW: Re: WG: Bestellung", "Bestellung"),
        ("RE[2]: Order", "Order"),
        ("回复：订单", "订单"),
        ("Regarding: Order", "Regarding: Order"),
        ("Re:", ""),
    ],
)
def test_answer_prefixes_are_dropped(given_subject: str, expected: str) -> None:
    assert base_subject(given_subject) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ana.Ruiz+tag@Example.TEST", "Ana.Ruiz+tag@example.test"),
        ("ana@käse.test", "ana@xn--kse-qla.test"),
        ("用户@example.test", "用户@example.test"),
        ('"ana ruiz"@example.test', None),
        ("ana@[127.0.0.1]", None),
        ("ana", None),
        ("a..b@example.test", None),
        ("ana@example.test\r\nRCPT TO:<x@y>", None),
        ("ana@-", None),
    ],
)
def test_addresses(text: str, expected: str | None) -> None:
    assert mail_address(text) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("C:\\temp\\..\\a.pdf", "a.pdf"), ("../../etc/passwd", "passwd"), ("..", "attachment"), ("", "attachment")],
)
def test_file_names(name: str, expected: str) -> None:
    assert safe_filename(name) == expected
