"""A timed run says which mail lacks what; what is all there lacks nothing."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from postroom_contracts import facts as f
from postroom_contracts.events import Data, Event
from postroom_contracts.example_facts import SAMPLES
from postroom_contracts.inbound import InboundReceived
from postroom_contracts.values import Address, Channel, ContentReference
from postroom_demo.feed import Sent
from postroom_demo.people import CUSTOMERS, GONE
from postroom_demo.tracker import Tracker, mail_key
from postroom_demo.verify import Evidence, counts, lacking_counts, lacks

AT = datetime(2026, 3, 8, 3, 0, tzinfo=UTC)
CONVERSATION = "3d1f7c52-8a0b-5e44-9c1d-6f2a7b90e311"
MESSAGE = "m-1"
WHO = CUSTOMERS[0]
SENT = Sent("id-1@mail.example", 5.0, WHO, "support", "first", "gmail", 0, "id-1@mail.example", "Gears slip")


def event(data: Data, event_id: str) -> Event:
    return Event(id=event_id, source="/postroom/x", data=data, subject=CONVERSATION, time=AT, key=CONVERSATION)


def fact(name: str, **changes: Any) -> f.Fact:
    """Return the golden example of a fact with some fields changed."""
    model: type[f.Fact] = getattr(f, name)
    return model.model_validate({**SAMPLES[name].value, **changes})


def inbound(external_id: str | None = SENT.message_id) -> InboundReceived:
    return InboundReceived(
        message_id=MESSAGE,
        ledger_id="l",
        account_id="support-mail",
        inbox_id="support",
        channel=Channel.EMAIL,
        external_id=external_id,
        sender=Address(address=WHO.address),
        subject="Gears slip",
        content=ContentReference(content_id="c", sha256="0"),
        received_at=AT,
        ingested_at=AT,
    )


FACTS: dict[str, tuple[Data, str]] = {
    "inbound": (inbound(), "e0"),
    "received": (fact("MessageReceived", message_id=MESSAGE), "e1"),
    "assigned": (fact("ConversationAssigned", agent_id="mira", epoch=1), "e2"),
    "notified": (fact("NotificationSent", agent_id="mira", cause_id="e2"), "e3"),
}
COMPLETE = Evidence(
    owners={CONVERSATION: "mira"},
    figures={CONVERSATION: {"first_response": {"wall_seconds": 3.0}, "next_response": []}},
    answered={WHO.address: {"id-1@mail.example", "Re: Gears slip"}},
)


def tracker(*left_out: str, **other: tuple[Data, str]) -> Tracker:
    made = Tracker()
    for name, (data, event_id) in {**FACTS, **other}.items():
        if name not in left_out:
            made.apply(event(data, event_id))
    return made


def test_a_mail_with_all_lacks_nothing() -> None:
    assert lacks(SENT, tracker(), COMPLETE) == []


@pytest.mark.parametrize(
    ("left_out", "missing"),
    [
        ("inbound", "a conversation"),
        ("received", "a conversation"),
        ("assigned", "an owner"),
        ("notified", "a notification"),
    ],
)
def test_what_never_happened_is_named(left_out: str, missing: str) -> None:
    assert lacks(SENT, tracker(left_out), COMPLETE) == [missing]


@pytest.mark.parametrize(
    ("field", "missing"),
    [
        ("owners", "its owner at the desk"),
        ("figures", "a response time"),
        ("answered", "an answer in the customer's mailbox"),
    ],
)
def test_what_only_the_log_says_is_not_enough(field: str, missing: str) -> None:
    assert lacks(SENT, tracker(), replace(COMPLETE, **{field: {}})) == [missing]


def test_another_owner_at_the_desk_is_named() -> None:
    assert lacks(SENT, tracker(), replace(COMPLETE, owners={CONVERSATION: "jonas"})) == ["its owner at the desk"]


def test_out_of_hours_the_queue_is_enough_and_elsewhere_it_is_not() -> None:
    queued = tracker("notified", assigned=(fact("ConversationQueued", epoch=1), "e2"))
    assert lacks(replace(SENT, inbox_id="billing"), queued, Evidence()) == []
    assert lacks(SENT, queued, Evidence()) == ["an owner"]


def test_a_reply_needs_a_response_of_its_own() -> None:
    assert lacks(replace(SENT, kind="reply"), tracker(), COMPLETE) == ["a response time"]


def test_answer_to_a_mailbox_that_is_gone_must_have_come_back() -> None:
    gone = replace(SENT, customer=GONE)
    assert lacks(gone, tracker(), COMPLETE) == ["the report that its answer came back"]
    assert lacks(gone, tracker(bounced=(fact("MessageBounced"), "e9")), COMPLETE) == []


def test_mail_without_message_id_is_found_by_sender_and_subject() -> None:
    nameless = replace(SENT, message_id=None, key=mail_key(None, WHO.address.upper(), "Gears  slip"))
    assert lacks(nameless, tracker(inbound=(inbound(None), "e0")), COMPLETE) == []


def test_after_a_merge_the_target_counts() -> None:
    merged = tracker(merged=(fact("ConversationMerged", target_id="other"), "e9"))
    found = merged.find(SENT.key)
    assert found is not None
    assert found.conversation_id == "other"


def test_counts_that_were_not_reached_are_named() -> None:
    found = counts([SENT, replace(SENT, kind="reply", client="outlook", files=1)], bounces=1)
    assert (found["mails"], found["replies"], found["replies by outlook"], found["with attachments"]) == (3, 1, 1, 1)
    lacking = lacking_counts(found)
    assert "3 mails, at least 60 were promised" in lacking
    assert not any("bounces" in line or "outlook" in line for line in lacking)
