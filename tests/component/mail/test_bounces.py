# ruff: noqa: E501 - tables of mails read better in long lines
"""Bounces stand in the conversation of the mail that bounced, however much of it the report still names."""

import pytest

from tests.component.mail.way import CONVERSATION, FORGED, OURS, Way

HEAD = "Return-Path: <>\nFrom: Mail Delivery System <MAILER-DAEMON@mx.example.test>\nTo: support@acme.test\nMessage-ID: <b{n}@mx.example.test>\nSubject: Undelivered Mail Returned to Sender"
REPORT = f'{HEAD}\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary="b"'
STATUS = """--b

I'm sorry.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.test

Final-Recipient: rfc822; cleo@example.test
Action: failed
Status: 5.1.1
--b
"""
ORIGINAL = "From: Acme <support@acme.test>\nTo: cleo@example.test\nSubject: Re: Parcel\n"


def attached(headers: str, content_type: str = "text/rfc822-headers") -> str:
    return f"{STATUS}Content-Type: {content_type}\n\n{ORIGINAL}{headers}\n\nbody\n--b--"


QMAIL = """Hi. This is the qmail-send program at mx.example.test.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<cleo@example.test>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.

Return-Path: <support@acme.test>
"""


@pytest.mark.parametrize(
    ("head", "text", "delivery"),
    [
        pytest.param(REPORT, attached(f"Message-ID: <{OURS}>"), "delivery-1", id="our Message-ID"),
        pytest.param(REPORT, attached(f"Message-ID: <{OURS}>", "message/rfc822"), "delivery-1", id="the whole mail"),
        pytest.param(REPORT, attached("In-Reply-To: <one@example.test>"), None, id="no Message-ID, In-Reply-To"),
        pytest.param(REPORT, attached("Message-ID: <0101@provider.test>\nReferences: <zero@example.test>\n <one@example.test>"), None, id="a provider's Message-ID, References"),
        pytest.param(REPORT, attached(f"Message-ID: <0101@provider.test>\nReferences: <one@example.test> <{OURS}>"), None, id="a provider's Message-ID, a signed one of before"),
        pytest.param(f"{REPORT}\nIn-Reply-To: <{OURS}>", STATUS + "--b--", "delivery-1", id="nothing attached, the report answers it"),
        pytest.param(HEAD, f"{QMAIL}{ORIGINAL}Message-ID: <{OURS}>\n\nbody", "delivery-1", id="free form"),
        pytest.param(HEAD, f"{QMAIL}{ORIGINAL}In-Reply-To: <one@example.test>\nMessage-ID: <0101@provider.test>\n\nbody", None, id="free form, a provider's Message-ID"),
    ],
)  # fmt: skip
async def test_bounce_joins_the_mail_that_bounced(head: str, text: str, delivery: str | None) -> None:
    way = Way()
    await way.begin()
    fact = await way.received(head, text)
    assert fact.message_kind == "bounce"
    assert way.home(fact.message_id) == CONVERSATION
    assert fact.delivery_id == delivery
    assert (fact.opened, fact.reopened, fact.from_stranger) == (False, False, False)
    assert list(way.house.state(CONVERSATION).participants.values()) == ["cleo@example.test"]


@pytest.mark.parametrize(
    "text",
    [attached(f"Message-ID: <{FORGED}>"), attached("Message-ID: <elsewhere@provider.test>"), STATUS + "--b--"],
    ids=["forged", "unknown", "nothing named"],
)
async def test_bounce_of_nothing_that_we_know_opens_a_conversation_and_says_nothing_of_a_delivery(text: str) -> None:
    way = Way()
    await way.begin()
    fact = await way.received(REPORT, text)
    assert (fact.opened, fact.delivery_id) == (True, None)
    assert way.home(fact.message_id) != CONVERSATION
