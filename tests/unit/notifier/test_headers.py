"""Whatever strangers and agents call themselves, a header stays one header."""

import string
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from postroom_contracts.configuration import Configuration
from postroom_notifier.domain.headers import base_subject, mail_address, mailbox, message_ids, one_line, subject
from postroom_notifier.domain.mime import File, OutgoingMail, build, safe_filename
from postroom_notifier.domain.notification_mail import notification_mail
from postroom_notifier.domain.reply_mail import CannotBeSentError, reply_mail

from tests.unit.notifier.company import KEY, configuration, customer_content, reply_content
from tests.unit.notifier.test_reply_mail import delivery

HOSTILE: st.SearchStrategy[str] = st.text(
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
        ("ana@straße.test", "ana@xn--strae-oqa.test"),
        ("ana@Bücher.Test", "ana@xn--bcher-kva.test"),
        ("ana@\u2488com", None),
        ("用户@example.test", "用户@example.test"),
        ('"ana ruiz"@example.test', None),
        ("ana@[127.0.0.1]", None),
        ("ana", None),
        ("a..b@example.test", None),
        ("ana@example.test\r\nRCPT TO:<x@y>", None),
        ("ana@-", None),
        ("ana\u200b@example.test", None),
        ("ana\u202e@example.test", None),
        ("ana\u2028@example.test", None),
        ("ana\udc8a@example.test", None),
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


REPLY_HEADERS = {
    "From", "To", "Cc", "Subject", "Message-ID", "In-Reply-To", "References", "Auto-Submitted",
    "X-Auto-Response-Suppress", "Date", "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
}  # fmt: skip
NOTIFICATION_HEADERS = (REPLY_HEADERS - {"Cc", "In-Reply-To"}) | {
    "Reply-To", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post",
}  # fmt: skip


def hostile_company(draw: st.DrawFn) -> Configuration:
    """Return the company with hostile text wherever the configuration lets text into a mail."""
    known = configuration()
    inbox = {name: draw(HOSTILE) for name in ("name", "sender_name", "signature")}
    agent = {name: draw(HOSTILE) for name in ("first_name", "last_name", "title")}
    changes: dict[str, Any] = {
        "company": known.company.model_copy(update={"name": draw(HOSTILE), "language": draw(HOSTILE)}),
        "inboxes": [known.inboxes[0].model_copy(update=inbox)],
        "agents": [a.model_copy(update=agent) for a in known.agents],
    }
    return known.model_copy(update=changes)


@st.composite
def hostile_reply(draw: st.DrawFn) -> tuple[Configuration, dict[str, Any], dict[str, Any], list[File]]:
    person = {"address": "carla@example.test", "name": draw(HOSTILE)}
    other = {"address": draw(HOSTILE), "name": draw(HOSTILE)}
    customer = customer_content(
        subject=draw(HOSTILE),
        text=draw(HOSTILE),
        html=draw(HOSTILE),
        external_id=draw(HOSTILE),
        references=draw(st.lists(HOSTILE, max_size=3)),
        **{"from": person},
    )
    reply = reply_content(text="x" + draw(HOSTILE), html=draw(HOSTILE), subject=draw(HOSTILE), cc=[other, person])
    files = [File(draw(HOSTILE), draw(HOSTILE), b"x", draw(HOSTILE), draw(st.booleans()))]
    return hostile_company(draw), reply, customer, files


def header_names_and_envelope(mail: OutgoingMail) -> set[str]:
    found = names(mail.body)
    assert len(found) == len(set(found)), "each header once"
    assert all(mail_address(r) == r for r in mail.recipients)
    assert not set("".join(mail.recipients) + mail.sender) & set("\r\n\0 <>")
    return set(found)


@given(hostile_reply(), st.booleans())
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_no_text_of_anybody_adds_a_header_to_a_reply(
    given_mail: tuple[Configuration, dict[str, Any], dict[str, Any], list[File]], automatic: bool
) -> None:
    company, reply, customer, files = given_mail
    try:
        mail = reply_mail(
            delivery(details={"author": "ana", "automatic": automatic}),
            company,
            reply,
            customer,
            files,
            "sent-1@acme.test",
        )
    except CannotBeSentError as error:
        assert error.reason in {"internal_content", "no_recipient"}  # noqa: PT017 - the reason is the point
        return
    assert header_names_and_envelope(mail) <= REPLY_HEADERS
    assert "carla@example.test" in mail.recipients


@given(st.data(), st.sampled_from(["assigned", "undelivered"]))
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_no_text_of_anybody_adds_a_header_to_a_notification(data: st.DataObject, kind: str) -> None:
    company, _, customer, _ = data.draw(hostile_reply())
    mail = notification_mail(
        delivery(kind=kind, receiver="ana", contents={"customer": "c"}, details={"reason": data.draw(HOSTILE)}),
        company,
        {"customer": customer},
        desk_url=data.draw(st.one_of(HOSTILE, HOSTILE.map(lambda t: f"https://{t}"))),
        message_id="sent-1@acme.test",
        now=AT,
        key=KEY,
    )
    assert header_names_and_envelope(mail) <= NOTIFICATION_HEADERS
    assert mail.recipients == ("ana@staff.acme.test",)
