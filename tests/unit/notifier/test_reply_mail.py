"""The mail to the customer, to the byte; and that nothing internal is in it."""

from typing import Any

import pytest
from postroom_contracts.answers import MARKER
from postroom_contracts.signed_ids import answer_key
from postroom_notifier.domain.delivery import Delivery
from postroom_notifier.domain.mime import File, OutgoingMail
from postroom_notifier.domain.reply_mail import CannotBeSentError, file_list, reply_mail

from tests.unit.notifier.company import (
    CONVERSATION,
    FRIDAY,
    KEY,
    NOTE_CANARY,
    configuration,
    customer_content,
    header,
    reply_content,
)

GOLDEN = b"""\
From: Acme Support <support@acme.test>
To: Carla Cruz <carla@example.test>
Subject: Re: Order 1234
Message-ID: <sent-1@acme.test>
In-Reply-To: <question-1@example.test>
References: <start@example.test> <question-1@example.test>
Date: Fri, 06 Mar 2026 14:02:12 +0000
MIME-Version: 1.0
Content-Type: text/plain; charset="utf-8"
Content-Transfer-Encoding: quoted-printable

It left today.

--=20
Your Acme team
""".replace(b"\n", b"\r\n")


def delivery(**changes: Any) -> Delivery:
    fields: dict[str, Any] = {
        "id": "delivery-1",
        "kind": "reply",
        "receiver": "customer",
        "conversation_id": CONVERSATION,
        "order_key": CONVERSATION,
        "number": 1,
        "due_at": FRIDAY,
        "cause_id": "cause",
        "cause_at": FRIDAY,
        "inbox_id": "support",
        "configuration_version": 1,
    }
    return Delivery.model_validate(fields | changes)


def mail(reply: Any = None, answered: Any = None, files: Any = (), **changes: Any) -> OutgoingMail:
    return reply_mail(
        delivery(**changes),
        configuration(),
        reply or reply_content(),
        answered or customer_content(),
        files,
        "sent-1@acme.test",
    )


def test_plain_reply_to_the_byte() -> None:
    sent = mail()
    assert sent.body == GOLDEN
    assert (sent.sender, sent.recipients, sent.utf8) == ("support@acme.test", ("carla@example.test",), False)


def test_the_same_delivery_gives_the_same_bytes() -> None:
    files = [File("a.pdf", "application/pdf", b"x" * 500)]
    reply = reply_content(html="<p>It left today.</p>")
    assert mail(reply, files=files).body == mail(reply, files=files).body


def test_reply_to_of_the_customer_goes_before_from() -> None:
    answered = customer_content(reply_to=[{"address": "desk@example.test"}])
    assert mail(answered=answered).recipients == ("desk@example.test",)


def test_reply_to_that_is_ours_is_passed_over() -> None:
    answered = customer_content(reply_to=[{"address": "Help+x@acme.test"}])
    assert mail(answered=answered).recipients == ("carla@example.test",)


def test_recipients_and_subject_of_the_desk_go_first() -> None:
    reply = reply_content(
        to=[{"address": "dora@example.test", "name": "Dora, D."}],
        cc=[{"address": "emil@example.test"}, {"address": "dora@example.test"}, {"address": "support@acme.test"}],
        subject="New subject",
    )
    sent = mail(reply)
    assert sent.recipients == ("dora@example.test", "emil@example.test")
    assert header(sent.body, "To") == '"Dora, D." <dora@example.test>'
    assert header(sent.body, "Cc") == "emil@example.test"
    assert header(sent.body, "Subject") == "New subject"


def test_nobody_left_to_send_to_is_a_failure() -> None:
    answered = customer_content(**{"from": {"address": "support@acme.test"}})
    with pytest.raises(CannotBeSentError, match="no_recipient"):
        mail(answered=answered)


def test_only_those_put_off_are_tried_again() -> None:
    reply = reply_content(to=[{"address": "a@example.test"}, {"address": "b@example.test"}])
    sent = mail(reply, remaining=["b@example.test"])
    assert sent.recipients == ("b@example.test",)
    assert header(sent.body, "To") == "a@example.test, b@example.test"


def test_html_has_the_signature_escaped_and_a_text_beside_it() -> None:
    body = mail(reply_content(html="<p>It <b>left</b> today.</p>")).body
    assert b"multipart/alternative" in body
    assert b"<p>It <b>left</b> today.</p><p>-- <br>Your Acme team</p>" in body
    assert b"It left today.\r\n\r\n--=20\r\nYour Acme team" in body


def test_answer_by_mail_carries_its_text_and_nothing_else_of_the_agents_mail() -> None:
    keyed = f"answers+{answer_key(CONVERSATION, 1, 'ana', FRIDAY, KEY)}@acme.test"
    answer = {
        "kind": "answer",
        "text": "It left today.",
        "html": f"<p>It left today.</p><blockquote>{NOTE_CANARY}</blockquote>",
        "subject": "[Canary internal inbox] Order 1234",
        "from": {"address": "ana@staff.acme.test", "name": "Ana Ruiz"},
        "to": [{"address": keyed}],
        "cc": [{"address": "ben@staff.acme.test"}],
        "attachments": [{"filename": "logo.png"}],
    }
    assert file_list(answer) == []
    assert mail(answer).body == GOLDEN


@pytest.mark.parametrize("via", ["reply", "answer", "start"])
def test_no_canary_reaches_the_customer(via: str) -> None:
    """The inbox's internal name, agents' names and addresses, the answer address, notes: none of it is in the mail."""
    html = None if via == "answer" else "<p>It left today.</p>"
    body = mail(reply_content(kind=via, html=html), details={"actor": "ana", "reason": "canary"}).body.lower()
    for canary in (
        b"canary",
        b"staff.acme.test",
        b"answers",
        b"ruiz",
        MARKER.encode().lower(),
        b"workshop",
        b"desk.acme",
        b"conversations/",
        NOTE_CANARY.encode(),
    ):
        assert canary not in body


@pytest.mark.parametrize(
    "text",
    [MARKER, "write to Answers+abc@acme.test", f"see https://desk.acme.test/conversations/{CONVERSATION}"],
    ids=["marker", "keyed-address", "link"],
)
def test_text_with_our_own_tools_in_it_is_not_sent(text: str) -> None:
    with pytest.raises(CannotBeSentError, match="internal_content"):
        mail(reply_content(text=f"Hello\n{text}\nBye"))


def test_reply_of_a_rule_says_that_it_is_automatic() -> None:
    assert header(mail(details={"automatic": True}).body, "Auto-Submitted") == "auto-replied"
    assert header(mail().body, "Auto-Submitted") is None


def test_address_beyond_ascii_needs_smtputf8() -> None:
    sent = mail(answered=customer_content(**{"from": {"address": "用户@example.test"}}))
    assert sent.utf8
    assert "To: 用户@example.test".encode() in sent.body


def test_erased_recipients_are_not_sought_anew() -> None:
    with pytest.raises(CannotBeSentError, match="content_erased"):
        mail(remaining=[], details={"erased": True})
