"""The fold of one conversation: what each fact makes of the view."""

from typing import Any

import pytest
from postroom_contracts import facts as f
from postroom_contracts.events import Data, new_event
from postroom_contracts.registry import BY_TYPE
from postroom_contracts.values import Actor, Channel, Status
from postroom_desk.domain.apply import apply
from postroom_desk.domain.positions import LogPosition
from postroom_desk.domain.view import ConversationView

from tests.component.desk.facts import ANA, CONVERSATION, assigned, at, queued, received, replied

CUSTOMER = Actor(kind="customer", id="carla")


def fold(*facts: Data) -> ConversationView:
    """Return the view after facts at 15:00, 15:01, ..."""
    view = None
    numbers: dict[str, int] = {}
    for n, fact in enumerate(facts):
        source = f"/postroom/{BY_TYPE[type(fact).type_name()].producers[0]}"
        numbers[source] = numbers.get(source, 0) + 1
        event = new_event(
            fact, source=source, cause_id=f"c{n}", subject=CONVERSATION, time=at(f"15:{n:02}"), sequence=numbers[source]
        )
        view = apply(view, event, LogPosition(2, n))
    assert view is not None
    return view


def test_a_first_message_opens_a_turn() -> None:
    view = fold(received(time="14:59"))
    assert (view.status, view.waiting_since, view.opened_at) == (Status.OPEN, at("14:59"), at("14:59"))
    assert (view.received, view.sent, view.router_sequence, view.position) == (1, 0, 1, "2:0")
    assert view.contact_ids == ["carla"]


def test_a_second_message_does_not_start_the_wait_anew() -> None:
    assert fold(received(), received("m2", "15:20")).waiting_since == at("15:00")


def test_an_agents_reply_ends_the_turn_and_the_next_message_opens_another() -> None:
    answered = fold(received(), replied())
    assert (answered.turn_open, answered.sent, answered.messages[1].delivery) == (False, 1, "accepted")
    assert fold(received(), replied(), received("m2", "16:00")).waiting_since == at("16:00")


def test_a_rules_reply_answers_nobody() -> None:
    assert fold(received(), replied(actor=Actor(kind="rule", id="thanks"))).turn_open


@pytest.mark.parametrize("change", [{"automatic": "auto-reply"}, {"message_kind": "bounce"}, {"status": Status.SPAM}])
def test_what_nobody_waits_for_opens_no_turn(change: dict[str, Any]) -> None:
    assert not fold(received(**change)).turn_open


def test_a_status_callback_is_no_message() -> None:
    assert len(fold(received(), received("s1", message_kind="status")).messages) == 1


def test_the_highest_epoch_wins_whatever_the_order() -> None:
    view = fold(received(), assigned("ben", epoch=2), assigned("ana", epoch=1), queued(epoch=1))
    assert (view.owner_id, view.epoch) == ("ben", 2)


def test_a_queued_conversation_keeps_its_place() -> None:
    view = fold(received(), queued(1), queued(2))
    assert (view.owner_id, view.queued_at, view.epoch) == (None, at("15:01"), 2)
    assert fold(received(), queued(1), assigned(epoch=2)).queued_at is None


def test_resolving_ends_the_turn_and_a_message_opens_it_again() -> None:
    resolved = f.ConversationResolved(actor=ANA, previous=Status.OPEN, resolved_at=at("15:05"))
    view = fold(received(), resolved)
    assert (view.status, view.turn_open, view.resolved_at) == (Status.RESOLVED, False, at("15:05"))
    again = fold(received(), resolved, received("m2", "16:00", reopened=True))
    assert (again.status, again.waiting_since, again.resolved_at) == (Status.OPEN, at("16:00"), None)


def test_archiving_an_open_one_resolves_it() -> None:
    view = fold(
        received(),
        f.ConversationArchived(actor=ANA, previous=Status.OPEN, archived_at=at("15:05"), resolved=True),
    )
    assert (view.archived, view.status, view.turn_open) == (True, Status.RESOLVED, False)


def test_what_is_restored_waits_since_it_waited_before() -> None:
    view = fold(
        received("m1", "14:00"),
        replied(),
        received("m2", "14:30"),
        f.ConversationDeleted(actor=ANA, previous=Status.OPEN, deleted_at=at("15:05")),
        f.ConversationRestored(actor=ANA, previous=Status.DELETED, status=Status.OPEN, restored_at=at("15:06")),
    )
    assert (view.status, view.waiting_since) == (Status.OPEN, at("14:30"))


def test_an_absorbed_turn_counts_from_its_own_start() -> None:
    view = fold(
        received("m1", "15:00"),
        f.ConversationAbsorbed(
            source_id="other",
            absorbed_at=at("15:10"),
            actor=ANA,
            message_ids=["o1"],
            contact_ids=["dora"],
            tags=["support", "brakes"],
            open_turn_started_at=at("14:20"),
            status=Status.OPEN,
        ),
    )
    assert (view.waiting_since, view.absorbed, view.contact_ids) == (at("14:20"), ["other"], ["carla", "dora"])


def test_a_delivery_shows_at_its_message() -> None:
    sent = f.MessageSent(message_id="r1", delivery_id="d1", sent_at=at("15:03"))
    failed = f.MessageFailed(message_id="r2", delivery_id="d2", failed_at=at("15:04"), reason="no_such_mailbox")
    view = fold(received(), replied("r1"), replied("r2"), sent, failed)
    assert [(m.delivery, m.delivery_reason) for m in view.messages] == [
        ("", ""),
        ("sent", ""),
        ("failed", "no_such_mailbox"),
    ]


def test_erased_messages_are_marked() -> None:
    view = fold(received(), received("m2"), f.ContentErased(contact_id="carla", message_ids=["m2"]))
    assert [m.erased for m in view.messages] == [False, True]


def test_a_refusal_for_an_unknown_conversation_makes_none() -> None:
    refused = f.RequestRefused(request_id="r", request_type="SendReply", actor=ANA, reason="not_found")
    event = new_event(
        refused, source="/postroom/router", cause_id="c", subject=CONVERSATION, time=at("15:00"), sequence=1
    )
    assert apply(None, event, LogPosition(0, 0)) is None


def test_an_agent_who_writes_first_owes_nothing() -> None:
    started = f.ConversationStarted(
        inbox_id="support", channel=Channel.EMAIL, actor=ANA, contact_ids=["dora"], configuration_version=1
    )
    view = fold(started, replied())
    assert (view.turn_open, view.sent, view.received, view.contact_ids) == (False, 1, 0, ["dora"])


def test_what_is_stored_reads_back_the_same() -> None:
    view = fold(received(), assigned(), replied(), queued(2))
    assert ConversationView.model_validate(view.model_dump(exclude_defaults=True)) == view


def test_imported_history_waits_for_nobody_and_stands_where_its_time_is() -> None:
    old = received(time="11:00", imported=True, status=Status.RESOLVED)
    view = fold(old)
    assert (view.status, view.turn_open, view.opened_at) == (Status.RESOLVED, False, at("11:00"))
    assert (view.last_activity_at, view.resolved_at) == (at("11:00"), at("11:00"))
    view = fold(received(time="14:59"), received("m0", "12:00", imported=True, opened=False))
    assert [m.message_id for m in view.messages] == ["m0", "m1"]
    assert (view.status, view.waiting_since) == (Status.OPEN, at("14:59"))
    assert (view.first_content_id, view.last_content_id) == (view.messages[0].content_id, view.messages[1].content_id)


def test_a_probe_is_in_no_folder_and_a_person_s_mail_in_its_thread_is() -> None:
    probe = received().model_copy(update={"probe": True, "imported": True, "status": Status.RESOLVED})
    events = [
        new_event(
            fact, source="/postroom/router", cause_id=f"c{n}", subject=CONVERSATION, time=at("15:00"), sequence=n + 1
        )
        for n, fact in enumerate((probe, received("m2", "15:01")))
    ]
    assert apply(None, events[0], LogPosition(0, 0)) is None
    view = apply(None, events[1], LogPosition(0, 1))
    assert view is not None
    assert [message.message_id for message in view.messages] == ["m2"]
