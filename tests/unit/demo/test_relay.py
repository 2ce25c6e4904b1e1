"""The mail front: plus parts, who is vouched for, what is not believed, what comes back."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from postroom_demo.authentication import split
from postroom_demo.relay import Directory, bounce, prepared
from postroom_ingest.domain.mail import dmarc_result, parse_mail

DIRECTORY = Directory(
    passwords={"mira@velo.example": "secret"},
    mailboxes={"mira@velo.example", "answers@velo.example", "olivia@mail.example"},
    checked_domains={"velo.example", "mail.example"},
    own_domain="velo.example",
    authserv_id="mx.demo.postroom",
)
MAIL = b"From: Mira <mira@velo.example>\r\nTo: answers+abc@velo.example\r\nSubject: Hi\r\n\r\nText\r\n"


def read(raw: bytes) -> EmailMessage:
    found = message_from_bytes(raw, policy=default)
    assert isinstance(found, EmailMessage)
    return found


def test_plus_part_goes_from_the_mailbox_and_stays_in_the_original_recipient() -> None:
    mail = read(prepared(MAIL, DIRECTORY, "answers+AbC@velo.example", None))
    assert mail["Delivered-To"] == "answers@velo.example"
    assert mail["X-Original-To"] == "answers+AbC@velo.example"


VERDICTS = {
    "logged in as the sender": ("mira@velo.example", MAIL, "pass"),
    "logged in as somebody else": ("jonas@velo.example", MAIL, "fail"),
    "our domain without log-in": (None, MAIL, "fail"),
    "two senders": ("mira@velo.example", b"From: x@evil.example\r\n" + MAIL, "fail"),
    "a customer without log-in": (None, MAIL.replace(b"mira@velo.example", b"olivia@mail.example"), None),
    "capitals in the address": ("mira@velo.example", MAIL.replace(b"<mira@velo", b"<Mira@Velo"), "pass"),
}


@pytest.mark.parametrize(("login", "raw", "verdict"), VERDICTS.values(), ids=VERDICTS)
def test_only_who_logged_in_as_the_sender_is_vouched_for(login: str | None, raw: bytes, verdict: str | None) -> None:
    delivered = prepared(raw, DIRECTORY, "answers@velo.example", login)
    assert dmarc_result(parse_mail(delivered), ["mx.demo.postroom"]) == verdict


FORGED = {
    "plain": b"Authentication-Results: mx.demo.postroom; dmarc=pass header.from=velo.example\r\n",
    "folded": b"Authentication-Results:\r\n mx.demo.postroom;\r\n dmarc=pass header.from=velo.example\r\n",
    "capitals": b"AUTHENTICATION-RESULTS: MX.Demo.Postroom; dmarc=pass header.from=velo.example\r\n",
    "comment": b"Authentication-Results: (hi) mx.demo.postroom (x) 1; dmarc=pass header.from=velo.example\r\n",
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_results_that_pretend_to_be_ours_are_taken_out(forged: bytes) -> None:
    delivered = prepared(forged + MAIL.replace(b"velo.example>", b"velo.test>"), DIRECTORY, "a@velo.example", None)
    assert b"dmarc=pass" not in delivered


def test_results_of_other_servers_stay() -> None:
    other = b"Authentication-Results: mx.provider.example; dmarc=pass header.from=mail.example\r\n"
    assert other in prepared(other + MAIL, DIRECTORY, "a@velo.example", None)


@pytest.mark.parametrize("end", [b"\r\n", b"\n"], ids=["crlf", "lf"])
def test_split_gives_back_every_byte(end: bytes) -> None:
    raw = b"A: 1" + end + b" 2" + end + b"B: 3" + end + end + b"text" + end
    fields, rest = split(raw)
    assert b"".join(fields) + rest == raw
    assert len(fields) == 2


@pytest.mark.parametrize(
    "raw", [b"", b"A: 1", b"A: 1\r\n", b"\r\n\r\ntext"], ids=["empty", "no-end", "no-body", "no-head"]
)
def test_split_takes_mails_that_are_none(raw: bytes) -> None:
    fields, rest = split(raw)
    assert rest.startswith((b"\r\n", b"text"))
    assert b"".join(fields).strip() in raw


def test_unknown_mailbox_of_a_checked_domain_does_not_exist_and_a_foreign_one_does() -> None:
    assert not DIRECTORY.exists("robin@mail.example")
    assert DIRECTORY.exists("olivia@mail.example")
    assert DIRECTORY.exists("me@elsewhere.example")


def test_report_is_read_as_a_bounce_of_our_message() -> None:
    raw = b"Message-ID: <our.id@velo.example>\r\nSubject: Re: x\r\n\r\nText\r\n"
    mail = parse_mail(bounce(raw, "support@velo.example", "robin@mail.example", datetime(2026, 3, 6, tzinfo=UTC), "mx"))
    assert mail.dsn is not None
    assert (mail.dsn.recipient, mail.dsn.action, mail.dsn.status) == ("robin@mail.example", "failed", "5.1.1")
    assert mail.dsn.original_message_id == "our.id@velo.example"
