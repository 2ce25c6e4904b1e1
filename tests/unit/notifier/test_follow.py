"""Who is told of what."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from postroom_contracts.configuration import Configuration
from postroom_contracts.events import Event
from postroom_contracts.facts import ContentErased, ConversationUnassigned, MessageBounced, MessageFailed
from postroom_contracts.ids import derived_id
from postroom_contracts.values import Actor
from postroom_notifier.domain.conversation import Conversation
from postroom_notifier.domain.delivery import Delivery
from postroom_notifier.domain.follow import Surroundings, follow

from tests.unit.notifier.company import FRIDAY, Facts, configuration

HOUR = timedelta(hours=1)


def around(
    now: datetime = FRIDAY + HOUR, settings: Configuration | None = None, bounced: dict[str, Delivery] | None = None
) -> Surroundings:
    found = settings or configuration()
    return Surroundings(now, lambda _version: found, 1, bounced or {}, timedelta(hours=72))


def due(*events: Event, **surroundings: Any) -> list[Delivery]:
    state: Conversation | None = None
    for event in events:
        state = follow(state, event, around(**surroundings))
    assert state is not None
    return list(state.due)


def told(*events: Event, **surroundings: Any) -> list[tuple[str, str]]:
    return [(d.kind, d.receiver) for d in due(*events, **surroundings)]


def test_new_owner_is_told() -> None:
    f = Facts()
    first, second = f.received(), f.assigned()
    [delivery] = due(first, second)
    assert (delivery.kind, delivery.receiver) == ("assigned", "ana")
    assert delivery.id == derived_id("delivery", second.id, "assigned", "ana")
    assert delivery.contents == {"customer": "customer-content"}
    assert (delivery.router_sequence, delivery.due_at, delivery.account_id) == (1, second.time, "mail")


@pytest.mark.parametrize("reason", ["claim", "manual"])
def test_who_takes_it_themself_is_not_told(reason: str) -> None:
    f = Facts()
    assert told(f.received(), f.assigned(reason=reason, actor=Actor(kind="agent", id="ana"))) == []
    f = Facts()
    by_ben = f.assigned(reason=reason, actor=Actor(kind="agent", id="ben"))
    assert told(f.received(), by_ben) == [("assigned", "ana")]


def test_owner_is_told_of_further_messages_and_of_no_automatic_ones() -> None:
    f = Facts()
    events = [f.received(), f.assigned(), f.received("m2"), f.received("m3", message_kind="auto_reply")]
    assert told(*events) == [("assigned", "ana"), ("replied", "ana")]


def test_watchers_are_told_once_each() -> None:
    f = Facts()
    events = [f.received(), f.assigned(), f.received("m2", watchers=["ben", "ana"])]
    assert told(*events) == [("assigned", "ana"), ("replied", "ana"), ("replied", "ben")]


def test_late_news_of_an_earlier_epoch_changes_no_owner() -> None:
    f = Facts()
    gone = ConversationUnassigned(
        previous_agent_id="ana", epoch=1, reason="released", actor=Actor(kind="agent", id="ana"), unassigned_at=f.now
    )
    events = [f.received(), f.assigned("ben", epoch=2), f.assigned("ana", epoch=1), f.event(gone), f.received("m2")]
    assert told(*events) == [("assigned", "ben"), ("replied", "ben")]


def test_mentioned_are_told_but_not_the_author() -> None:
    f = Facts()
    assert told(f.received(), f.noted(["ben", "ana", "ben", "unknown"])) == [("mentioned", "ben")]


def test_refused_by_mail_is_told_but_not_by_api_and_not_to_machines() -> None:
    f = Facts()
    events = [f.refused(), f.refused(via="api"), f.refused("automatic")]
    assert told(f.received(), *events) == [("refused", "ana")]


def test_muted_and_disabled_are_not_told_but_of_refusals() -> None:
    f = Facts()
    events = [f.received(), f.assigned(), f.received("m2"), f.refused()]
    muted = configuration(muted={"ana": ["assigned"]})
    assert told(*events, settings=muted) == [("replied", "ana"), ("refused", "ana")]
    off = configuration(assigned=False, replied=False)
    assert told(*events, settings=off) == [("refused", "ana")]


def test_reply_names_its_contents_and_its_order() -> None:
    f = Facts()
    later = FRIDAY + HOUR
    first, second = f.replied(), f.replied("r2", send_at=later)
    one, two = due(f.received(), first, second)
    assert one.contents == {"reply": "reply-content", "answers": "customer-content"}
    assert (one.number, two.number, one.order_key == two.order_key) == (1, 2, True)
    assert (one.due_at, two.due_at, two.next_at) == (first.time, later, later)


def test_order_survives_a_clock_that_goes_back() -> None:
    f = Facts()
    first = f.replied()
    f.now -= timedelta(seconds=5)
    one, two = due(first, f.replied("r2"))
    assert (one.due_at, one.number) < (two.due_at, two.number)


def test_reply_that_no_channel_can_carry_fails_at_once() -> None:
    f = Facts()
    [delivery] = due(f.replied(channel="webhook"))
    fact = delivery.results[0].fact
    assert isinstance(fact, MessageFailed)
    assert (fact.reason, delivery.state, delivery.next_at) == ("no_reply_channel", "failed", None)


def test_bounce_names_the_delivery() -> None:
    f = Facts()
    [reply] = due(f.replied())
    bounce = f.received("m2", message_kind="bounce", delivery_id=reply.id, delivery_status="delayed")
    [delivery] = due(bounce, bounced={reply.id: reply})
    fact = delivery.results[0].fact
    assert isinstance(fact, MessageBounced)
    assert (fact.delivery_id, fact.message_id, fact.permanent) == (reply.id, reply.message_id, False)
    assert due(bounce) == [], "a delivery that is not ours"


def test_old_causes_are_skipped_but_scheduled_ones_are_not() -> None:
    f = Facts()
    events = [f.received(), f.assigned(), f.replied(), f.replied("r2", send_at=FRIDAY + 90 * HOUR)]
    states = [d.state for d in due(*events, now=FRIDAY + 73 * HOUR)]
    assert states == ["skipped_too_old", "skipped_too_old", "due"]
    assert [d.state for d in due(*events, now=FRIDAY + 71 * HOUR)] == ["due", "due", "due"]


def test_due_work_and_marks_are_never_stored_with_the_state() -> None:
    f = Facts()
    state = follow(follow(None, f.received(), around()), f.assigned(), around())
    state = follow(state, f.event(ContentErased(contact_id="c", message_ids=["m"])), around())
    assert state.due
    assert (state.erased, state.erased_messages) == (True, ("m",))
    stored = state.model_dump(exclude_defaults=True)
    assert {"due", "erased", "erased_messages"}.isdisjoint(stored)
    again = Conversation.model_validate(stored)
    assert again == state.after(due=(), erased=False, erased_messages=())


# --- machines and limits ---------------------------------------------------------------------------------------------

ASSIGNER = Actor(kind="system", id="assigner")
RULE = Actor(kind="rule", id="thanks")


def test_hand_that_gives_a_machines_conversation_to_somebody_tells_them() -> None:
    f = Facts()
    by_ben = f.assigned(reason="manual", actor=Actor(kind="agent", id="ben"))
    assert [d.state for d in due(f.received(message_kind="auto_reply"), by_ben)] == ["due"]


def test_person_who_writes_into_a_machines_conversation_is_told_of() -> None:
    f = Facts()
    alarm = f.received(message_kind="auto_reply", automatic="auto-generated")
    found = due(alarm, f.assigned(), f.received("m2"), f.assigned("ben", epoch=2))
    assert [(d.kind, d.receiver, d.state) for d in found] == [
        ("assigned", "ana", "skipped"),
        ("replied", "ana", "due"),
        ("assigned", "ben", "due"),
    ]


def test_mail_through_a_list_is_a_persons() -> None:
    f = Facts()
    assert [d.state for d in due(f.received(automatic="list"), f.assigned())] == ["due"]


@pytest.mark.parametrize(
    "came",
    [{"message_kind": "auto_reply", "automatic": "auto-reply"}, {"automatic": "list"}, {"message_kind": "bounce"}],
    ids=["auto-reply", "list", "bounce"],
)
def test_nothing_answers_a_machine_or_a_list_by_itself(came: dict[str, Any]) -> None:
    f = Facts()
    [delivery] = due(f.received(**came), f.replied(actor=RULE, via="rule"))
    assert (delivery.state, delivery.next_at, delivery.last_reason) == ("skipped", None, "automatic")
    assert [r.name for r in delivery.results] == ["MessageFailed"]
    f = Facts()
    [by_hand] = due(f.received(**came), f.replied())
    assert by_hand.state == "due"


def test_automatic_answer_to_a_person_goes_out() -> None:
    f = Facts()
    [delivery] = due(f.received(), f.replied(actor=RULE, via="rule"))
    assert (delivery.state, delivery.leaves_by_itself) == ("due", True)


def test_flood_is_cut_to_ten_in_ten_minutes_and_a_hundred_in_six_hundred() -> None:
    """A customer's machine that is taken for a person writes every 20 seconds; how many notifications leave, by the minute."""
    f = Facts()
    state = follow(follow(None, f.received(), around()), f.assigned(), around()).after(due=(), left_at=())
    begin = f.now
    total, left = 0, dict[int, int]()
    for n in range(600 * 3):
        f.now = begin + timedelta(seconds=20 * n)
        state = follow(state, f.received(f"x{n}"), around())
        total += sum(d.state == "due" for d in state.due)
        left[n // 3 + 1], state = total, state.after(due=())
    assert [left[minute] for minute in (1, 10, 30, 60, 180, 600)] == [3, 10, 15, 25, 50, 100]
    assert len(state.left_at) <= 100


def test_mails_to_others_do_not_keep_somebody_s_own_text_from_them_and_yet_that_has_a_limit_too() -> None:
    f = Facts()
    state = follow(follow(None, f.received(), around()), f.assigned(), around())
    for n in range(20):
        state = follow(state, f.received(f"x{n}"), around())
    assert [d.state for d in state.due].count("skipped") == 11
    state = state.after(due=())
    for _ in range(11):
        state = follow(state, f.refused(), around())
    assert [(d.kind, d.state, d.last_reason) for d in state.due] == [
        *[("refused", "due", None)] * 10,
        ("refused", "skipped", "loop_limit"),
    ]


def test_what_people_send_is_not_limited() -> None:
    f = Facts()
    found = due(f.received(), *(f.replied(f"r{n}") for n in range(30)))
    assert {d.state for d in found} == {"due"}


# --- what comes back -------------------------------------------------------------------------------------------------


def returned(code: str | None, status: str = "failed", author: str | None = "ana", times: int = 1) -> list[Delivery]:
    """Return what is due after a reply of `author` came back, without the reply itself."""
    f = Facts()
    state = follow(None, f.received(), around())
    actor = Actor(kind="agent", id=author) if author else RULE
    state = follow(state, f.replied(actor=actor), around())
    [reply] = state.due
    state = state.after(due=())
    for n in range(times):
        bounce = f.received(
            f"b{n}", message_kind="bounce", delivery_id=reply.id, delivery_status=status, delivery_status_code=code
        )
        state = follow(state, bounce, around(bounced={reply.id: reply}))
    return list(state.due)


def test_author_is_told_that_the_reply_came_back_with_its_text() -> None:
    bounce, told_of_it = returned("5.1.1")
    fact = bounce.results[0].fact
    assert isinstance(fact, MessageBounced)
    assert (fact.permanent, fact.undeliverable, bounce.details["undeliverable"]) == (True, True, True)
    assert (told_of_it.kind, told_of_it.receiver, told_of_it.state) == ("undelivered", "ana", "due")
    assert told_of_it.contents == {
        "undelivered": "reply-content",
        "customer": "customer-content",
        "bounce": "customer-content",
    }
    assert told_of_it.details == {"reason": "bounced", "code": "5.1.1"}


@pytest.mark.parametrize(
    ("code", "status", "permanent", "marked", "told_too"),
    [
        ("5.1.1", "failed", True, True, True),
        ("5.7.1", "failed", True, False, True),
        ("4.4.7", "failed", False, False, True),
        (None, "failed", True, False, True),
        ("4.4.1", "delayed", False, False, False),
    ],
    ids=["no-such-user", "policy", "expired", "no-code", "delayed"],
)
def test_only_5xx_marks_the_address(
    code: str | None, status: str, permanent: bool, marked: bool, told_too: bool
) -> None:
    found = returned(code, status)
    fact = found[0].results[0].fact
    assert isinstance(fact, MessageBounced)
    assert (fact.permanent, fact.undeliverable, len(found) == 2) == (permanent, marked, told_too)


def test_nobody_is_told_twice_or_of_what_nobody_wrote() -> None:
    assert [d.kind for d in returned("5.1.1", times=3)] == ["bounce", "undelivered", "bounce", "bounce"]
    assert [d.kind for d in returned("5.1.1", author=None)] == ["bounce"]


def test_notification_that_comes_back_is_told_to_nobody() -> None:
    f = Facts()
    state = follow(follow(None, f.received(), around()), f.assigned(), around())
    [notification] = state.due
    bounce = f.received(
        "b", message_kind="bounce", delivery_id=notification.id, delivery_status="failed", delivery_status_code="5.1.1"
    )
    state = follow(state.after(due=()), bounce, around(bounced={notification.id: notification}))
    assert [(d.kind, d.results[0].name) for d in state.due] == [("bounce", "NotificationFailed")]


def test_nobody_is_told_of_imported_history() -> None:
    f = Facts()
    assert told(f.received(imported=True, status="resolved", watchers=["ben"])) == []
    f = Facts()
    first, owned = f.received(watchers=["ben"]), f.assigned()
    assert told(first, owned, f.received("m2", imported=True, watchers=["ben"])) == [("assigned", "ana")]


def test_history_does_not_take_the_place_of_what_was_written_last() -> None:
    f = Facts()
    newest, older = f.received(), f.received("m0", "older-content", opened=False, imported=True)
    [delivery] = due(newest, older, f.assigned())
    assert delivery.contents == {"customer": "customer-content"}


class TestRights:
    """Who may not read an inbox is told nothing of it."""

    @staticmethod
    def private() -> Configuration:
        plain = configuration().model_dump()
        plain["inboxes"][0] |= {"teams": [], "owner": "ana"}
        return Configuration.model_validate(plain)

    def test_of_a_private_inbox_its_owner_alone_is_told(self) -> None:
        f = Facts()
        events = [f.received(watchers=["ben"]), f.assigned(), f.received("m2", watchers=["ben"]), f.noted(["ben"])]
        assert told(*events, settings=self.private()) == [("assigned", "ana"), ("replied", "ana")]

    def test_who_is_mentioned_without_a_right_to_read_is_not_told(self) -> None:
        plain = configuration().model_dump()
        plain["inboxes"][0]["access"] = [{"agent": "ana", "rights": ["send_as"]}]
        f = Facts()
        assert told(f.received(), f.noted(["ben"]), settings=Configuration.model_validate(plain)) == []

    def test_a_refusal_gives_back_their_own_text_and_nothing_that_they_may_not_read(self) -> None:
        f = Facts()
        received = f.received()
        [refusal] = due(received, f.refused("no_right", actor=Actor(kind="agent", id="ben")), settings=self.private())
        assert (refusal.receiver, refusal.contents) == ("ben", {"refused": "reply-content"})
