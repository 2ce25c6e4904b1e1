"""The mail to an agent."""

from typing import Any

import pytest
from postroom_contracts.answers import MARKER
from postroom_contracts.signed_ids import answer_key, read_unsubscribe_token, unsubscribe_token
from postroom_notifier.domain.delivery import Delivery
from postroom_notifier.domain.notification_mail import notification_mail, thread_id
from postroom_notifier.domain.reply_mail import CannotBeSentError

from tests.unit.notifier.company import (
    CONVERSATION,
    FRIDAY,
    KEY,
    configuration,
    customer_content,
    header,
    note_content,
    reply_content,
)

WHY = {"reason": "policy", "policy": "least_loaded", "load": 3, "capacity": 20}


def mail(
    documents: dict[str, Any] | None = None,
    settings: Any = None,
    desk_url: str = "https://desk.acme.test/",
    **changes: Any,
) -> bytes:
    found = {"customer": customer_content()} if documents is None else documents
    fields: dict[str, Any] = {
        "id": "delivery-1",
        "kind": "assigned",
        "receiver": "ana",
        "conversation_id": CONVERSATION,
        "order_key": "x",
        "number": 1,
        "due_at": FRIDAY,
        "cause_id": "cause",
        "cause_at": FRIDAY,
        "inbox_id": "support",
        "team_id": "workshop",
        "configuration_version": 1,
        "router_sequence": 7,
        "contents": {role: role for role in found},
        "details": WHY,
    }
    return notification_mail(
        Delivery.model_validate(fields | changes),
        settings or configuration(),
        found,
        desk_url=desk_url,
        message_id="sent-1@acme.test",
        now=FRIDAY,
        key=KEY,
    ).body


def test_assigned_to_the_byte() -> None:
    key = answer_key(CONVERSATION, 7, "ana", FRIDAY, KEY)
    token = unsubscribe_token("ana", "assigned", KEY)
    expected = f"""\
From: Acme <answers@acme.test>
To: Ana Ruiz <ana@staff.acme.test>
Subject: [Canary internal inbox] Order 1234
Message-ID: <sent-1@acme.test>
References: <{thread_id(CONVERSATION, "ana", "acme.test")}>
Auto-Submitted: auto-generated
X-Auto-Response-Suppress: All
Reply-To: answers+{key}@acme.test
List-Id: <assigned.notifications.acme.test>
List-Unsubscribe: <https://desk.acme.test/u/{token}>
List-Unsubscribe-Post: List-Unsubscribe=One-Click
Date: Fri, 06 Mar 2026 14:02:12 +0000
MIME-Version: 1.0
Content-Type: text/plain; charset="utf-8"
Content-Transfer-Encoding: quoted-printable

##- Please type your answer above this line -##
What you write above that line is sent to the customer.

Ana, this conversation is yours now.
Among those on duty of Workshop you had the fewest open conversations (you =
had 3 of 20 open).

--- The customer ---
From: Carla Cruz <carla@example.test>
My order 1234 is late.
Where is it?

https://desk.acme.test/conversations/{CONVERSATION}

No more mails of this kind: https://desk.acme.test/u/{token[:22]}=
{token[22:]}
"""
    assert mail() == expected.encode().replace(b"\n", b"\r\n")


def test_all_of_a_conversation_are_one_thread_for_one_agent() -> None:
    first, second = mail(), mail(kind="replied", id="delivery-2")
    assert header(first, "References") == header(second, "References")
    assert header(first, "Subject") == header(second, "Subject")
    assert header(mail(receiver="ben"), "References") != header(first, "References")


def test_refused_answer_says_why_and_gives_the_text_back() -> None:
    contents = {"refused": reply_content(), "colleague": reply_content(text="I did."), "customer": customer_content()}
    details = {"reason": "stale", "changed": ["message_received", "reply_accepted"]}
    text = mail(contents, kind="refused", details=details).decode().replace("=\r\n", "").replace("\r\n", "\n")
    assert "Ana, your answer was NOT sent to the customer.\nWhy: the conversation changed after" in text
    assert "Since the mail that you answered: the customer wrote again, a colleague answered." in text
    assert "--- Your text ---\nIt left today." in text
    assert "--- Your colleague's answer ---\nI did." in text


@pytest.mark.parametrize(
    ("details", "sentence"),
    [
        ({"reason": "manual", "actor": "ben"}, "Assigned to you by Ben."),
        ({"reason": "queue", "load": 0}, "It waited in the queue of Workshop and you were free (you had 0 open)."),
        ({"reason": "rule"}, "A rule names you for mail like this."),
        ({"reason": "policy", "policy": "round_robin"}, "Among those on duty of Workshop it was your turn."),
        ({"reason": "policy", "because": "previous_owner"}, "It was yours before."),
    ],
    ids=lambda value: value["reason"] if isinstance(value, dict) else "",
)
def test_why(details: dict[str, Any], sentence: str) -> None:
    assert sentence in mail(details=details).decode().replace("=\r\n", "")


def test_note_is_shown_to_who_is_mentioned() -> None:
    contents = {"note": note_content(), "customer": customer_content()}
    text = mail(contents, kind="mentioned", receiver="ben", details={"actor": "ana"}).decode()
    assert "Ben, Ana Ruiz mentioned you in a note." in text
    assert "--- The note ---\r\n@ben look: canary-of-the-note" in text


def test_erased_content_is_said_to_be_erased() -> None:
    body = mail({}, contents={"customer": "customer-content"}).decode()
    assert "--- The customer ---\r\n(erased)" in body


def test_without_answer_address_there_is_no_marker_and_no_reply_to() -> None:
    company = configuration().company.model_copy(update={"answer_address": None})
    body = mail(settings=configuration().model_copy(update={"company": company}))
    assert header(body, "Reply-To") is None
    assert header(body, "From") == "Acme <support@acme.test>"
    assert MARKER.encode() not in body


def test_key_stands_in_reply_to_alone() -> None:
    body = mail()
    assert body.count(answer_key(CONVERSATION, 7, "ana", FRIDAY, KEY).encode()) == 1


def test_unknown_agent_is_a_failure() -> None:
    with pytest.raises(CannotBeSentError, match="unknown_agent"):
        mail(receiver="nobody")


def test_one_click_address_mutes_this_kind_for_this_agent() -> None:
    """RFC 8058: the address and the word that it may be posted to; only https may be."""
    body = mail(kind="replied", receiver="ben")
    address = (header(body, "List-Unsubscribe") or "").strip("<>")
    said = read_unsubscribe_token(address.rpartition("/")[2], [KEY])
    assert said is not None
    assert (said.agent_id, said.kind) == ("ben", "replied")
    assert header(body, "List-Unsubscribe-Post") == "List-Unsubscribe=One-Click"
    plain = mail(desk_url="http://127.0.0.1:8080")
    assert (header(plain, "List-Unsubscribe") or "").startswith("<http://127.0.0.1:8080/u/")
    assert header(plain, "List-Unsubscribe-Post") is None


@pytest.mark.parametrize("kind", ["refused", "undelivered"])
def test_what_says_that_a_customer_has_not_got_a_text_cannot_be_muted(kind: str) -> None:
    body = mail(kind=kind, details={"reason": "stale"})
    assert header(body, "List-Unsubscribe") is None
    assert b"No more mails" not in body


def test_undelivered_reply_says_why_to_whom_and_gives_the_text_back() -> None:
    contents = {"undelivered": reply_content(), "customer": customer_content()}
    refused = [{"address": "dora@example.test", "code": "5.1.1"}, {"address": "emil@example.test", "code": "5.7.26"}]
    body = mail(contents, kind="undelivered", details={"reason": "refused", "code": "5.1.1"}, refused=refused)
    text = body.decode().replace("=\r\n", "").replace("\r\n", "\n")
    assert (
        "Ana, your reply did NOT reach the customer.\n"
        "Why: the customer's mail server refused it (5.1.1: there is no such mailbox).\n"
        "Not reached: dora@example.test (5.1.1: there is no such mailbox), emil@example.test (5.7.26). "
        "Who is not named here has it.\n"
    ) in text
    assert "--- Your reply ---\nIt left today." in text


@pytest.mark.parametrize(
    ("details", "sentence"),
    [
        ({"reason": "too_large"}, "Why: it is larger than the mail server takes: send it with fewer"),
        ({"reason": "bounced", "code": "5.2.2"}, "Why: it was sent, and came back (5.2.2: the mailbox is full)."),
        ({"reason": "gave_up", "code": "451"}, "took it never (451)."),
        ({"reason": "something_new"}, "Why: it failed (something_new)."),
    ],
    ids=lambda value: value["reason"] if isinstance(value, dict) else "",
)
def test_why_undelivered(details: dict[str, Any], sentence: str) -> None:
    assert sentence in mail(kind="undelivered", details=details).decode().replace("=\r\n", "")


def test_address_that_a_report_names_is_shown_on_one_line() -> None:
    bounce = {"bounce": {"recipient": "dora@example.test\n--- Your reply ---", "status": "5.1.1"}}
    text = mail({"bounce": bounce}, kind="undelivered", details={"reason": "bounced"}).decode().replace("=\r\n", "")
    assert "\r\nThe report names: dora@example.test --- Your reply ---.\r\n" in text
