"""Which fact rings for whom."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from postroom_contracts import facts as f
from postroom_contracts.configuration import Configuration
from postroom_contracts.events import Data, new_event
from postroom_contracts.values import Actor, Status, Unanswered
from postroom_desk.domain.apply import apply
from postroom_desk.domain.notifications import Notification, Ring, told
from postroom_desk.domain.positions import LogPosition
from postroom_desk.domain.ringing import rings_of
from postroom_desk.domain.view import ConversationView

from tests.component.desk.facts import ANA, CONVERSATION, assigned, at, received, replied
from tests.integration.desk.office import company

BEN = Actor(kind="agent", id="ben")
NOW = at("15:30")


def house(**notifications: Any) -> Configuration:
    plain = company().model_dump()
    plain["agents"].append({"id": "lea", "first_name": "Lea", "email": "lea@velo.test", "role": "lead"})
    team = next(t for t in plain["teams"] if t["id"] == "workshop")
    team["members"].append("lea")
    return Configuration.model_validate(plain | {"notifications": notifications})


def rung(*facts: Data, time: datetime = NOW) -> list[Ring]:
    """Return what the last of these facts rings."""
    view: ConversationView | None = None
    found: tuple[Ring, ...] = ()
    for n, fact in enumerate(facts):
        source = f"/postroom/{'assigner' if isinstance(fact, f.ConversationAssigned) else 'router'}"
        event = new_event(fact, source=source, cause_id=f"cause-{n}", subject=CONVERSATION, time=time, sequence=n + 1)
        before, view = view, apply(view, event, LogPosition(0, n))
        assert view is not None
        found = rings_of(before, view, event)
    return list(found)


def heard(*facts: Data, configuration: Configuration | None = None, **more: Any) -> list[tuple[str, str, str | None]]:
    notifications = told(rung(*facts, **more), configuration or house(), NOW)
    return [(n.kind, n.agent_id, n.actor_id) for n in notifications]


def by(fact: f.ConversationAssigned, actor: Actor) -> f.ConversationAssigned:
    return fact.model_copy(update={"actor": actor, "reason": "manual"})


def unassigned(reason: Any = "released", actor: Actor = BEN) -> f.ConversationUnassigned:
    return f.ConversationUnassigned(
        previous_agent_id="ana", team_id="workshop", epoch=2, reason=reason, actor=actor, unassigned_at=NOW
    )


SILENT = unassigned(actor=Actor(kind="system", id="assigner")).model_copy(
    update={"unanswered": Unanswered(deadline="first_response", policy_id="p", breached_at=at("15:00"))}
)


def note(*mentions: str) -> f.NoteAdded:
    return f.NoteAdded(message_id="n1", actor=ANA, content=received("n1").content, mentions=list(mentions))


def deadline(model: type[Any], **more: Any) -> Data:
    return model.model_validate({"deadline": "first_response", "generation": 1, **more})  # type: ignore[no-any-return]


WARNED = deadline(f.DeadlineWarned, due_at=at("16:00"))
BREACHED = deadline(f.DeadlineBreached, breached_at=at("15:29"))
FAILED = f.MessageFailed(message_id="r1", delivery_id="d", failed_at=NOW, reason="refused", attempts=1)
BOUNCED = f.MessageBounced(message_id="r1", delivery_id="d", bounced_at=NOW, permanent=True)
PUT_OFF = BOUNCED.model_copy(update={"permanent": False})
WOKEN = f.ConversationWoken(actor=Actor(kind="timer", id="snooze"), woken_at=NOW, generation=1, previous=Status.SNOOZED)
REFUSED = f.RequestRefused(request_id="r", request_type="send-reply", actor=ANA, reason="stale", via="mail")
UNTOLD = f.NotificationFailed(
    notification="refused", agent_id="ana", delivery_id="d", cause_id="c", failed_at=NOW, reason="loop_limit"
)
OWNED = (received(), assigned("ana"))
CASES: dict[str, tuple[tuple[Data, ...], list[tuple[str, str, str | None]]]] = {
    "a new conversation rings for nobody": ((received(),), []),
    "assigned by the policy": (OWNED, [("assigned", "ana", None)]),
    "taken by oneself": ((received(), by(assigned("ana"), ANA)), []),
    "given by a colleague": ((received(), by(assigned("ana"), BEN)), [("assigned", "ana", "ben")]),
    "given to another by a third": (
        (*OWNED, by(assigned("ben", 2), Actor(kind="agent", id="lea"))),
        [("assigned", "ben", "lea"), ("unassigned", "ana", "lea")],
    ),
    "taken from one": ((*OWNED, by(assigned("ben", 2), BEN)), [("unassigned", "ana", "ben")]),
    "given away by oneself": ((*OWNED, by(assigned("ben", 2), ANA)), [("assigned", "ben", "ana")]),
    "the same owner again": ((*OWNED, by(assigned("ana", 2), BEN)), []),
    "an older epoch": ((received(), assigned("ana", 3), by(assigned("ben", 2), BEN)), []),
    "released by a colleague": ((*OWNED, unassigned()), [("unassigned", "ana", "ben")]),
    "released by oneself": ((*OWNED, unassigned(actor=ANA)), []),
    "lost for giving no answer: who had it, and the team's leads": (
        (*OWNED, SILENT),
        [("deadline_breached", "ana", None), ("deadline_breached", "lea", None)],
    ),
    "unassigned because it is resolved": ((*OWNED, unassigned("resolved")), []),
    "the customer writes again": ((*OWNED, received("m2")), [("replied", "ana", None)]),
    "to who watches, too": (
        (*OWNED, received("m2", watchers=["ben", "ana"])),
        [("replied", "ana", None), ("replied", "ben", None)],
    ),
    "history that comes in late": ((*OWNED, received("m2", imported=True)), []),
    "spam": ((*OWNED, received("m2", status=Status.SPAM)), []),
    "a delivery report": ((*OWNED, received("m2", message_kind="bounce")), []),
    "mentioned, not oneself": ((*OWNED, note("ben", "ana", "ben")), [("mentioned", "ben", "ana")]),
    "mentioned who is not there": ((*OWNED, note("nobody")), []),
    "snooze over": ((*OWNED, WOKEN), [("woken", "ana", None)]),
    "snooze over, nobody's": ((received(watchers=["ben"]), WOKEN), [("woken", "ben", None)]),
    "near a deadline": ((*OWNED, WARNED), [("deadline_warned", "ana", None)]),
    "past a deadline that nobody owns: the team's leads": (
        (received(), BREACHED),
        [("deadline_breached", "lea", None)],
    ),
    "could not be sent": ((*OWNED, replied(), FAILED), [("undelivered", "ana", None)]),
    "came back": ((*OWNED, replied(), BOUNCED), [("undelivered", "ana", None)]),
    "was only put off": ((*OWNED, replied(), PUT_OFF), []),
    "a reply of a rule came back": ((*OWNED, replied(actor=Actor(kind="rule", id="r")), BOUNCED), []),
    "an answer by mail was refused": ((*OWNED, REFUSED), [("refused", "ana", None)]),
    "one in the desk was": ((*OWNED, REFUSED.model_copy(update={"via": "api"})), []),
    "no mail told that it was": ((*OWNED, UNTOLD), [("refused", "lea", None)]),
    "no mail told a lead": ((*OWNED, UNTOLD.model_copy(update={"agent_id": "lea"})), []),
    "no mail told of something else": ((*OWNED, UNTOLD.model_copy(update={"notification": "assigned"})), []),
    "approved by a colleague": ((*OWNED, replied(approved_by="ben")), [("draft_approved", "ana", "ben")]),
    "let go by oneself": ((*OWNED, replied(approved_by="ana")), []),
}


@pytest.mark.parametrize("name", CASES)
def test_who_hears_what(name: str) -> None:
    facts, expected = CASES[name]
    assert heard(*facts) == expected


def test_the_same_cause_gives_the_same_id_and_a_message_that_comes_back_twice_rings_once() -> None:
    def ids(*facts: Data) -> set[str]:
        return {n.id for n in told(rung(*facts), house(), NOW)}

    again = BOUNCED.model_copy(update={"bounced_at": at("15:20")})
    assert ids(*OWNED) == ids(*OWNED)
    assert ids(*OWNED, replied(), BOUNCED) == ids(*OWNED, replied(), FAILED) == ids(*OWNED, replied(), BOUNCED, again)


def test_nobody_hears_of_what_they_may_not_read_or_do_not_want() -> None:
    elsewhere = received(inbox_id="sales", team_id="sales", tags=[])
    assert heard(elsewhere, assigned("ana")) == []
    assert heard(*OWNED, configuration=house(preferences={"ana": {"ways": {"assigned": ["mail"]}}})) == []
    muted = house(preferences={"ana": {"muted_inboxes": ["support"]}})
    assert heard(*OWNED, configuration=muted) == []
    assert heard(*OWNED, replied(), BOUNCED, configuration=muted) == [("undelivered", "ana", None)]
    off = house(
        defaults={"assigned": ["mail"]}, preferences={"ana": {"inbox_ways": {"support": {"assigned": ["console"]}}}}
    )
    assert heard(*OWNED, configuration=off) == [("assigned", "ana", None)]


def test_what_is_read_days_late_rings_no_more() -> None:
    assert heard(*OWNED, time=NOW - timedelta(hours=71)) == [("assigned", "ana", None)]
    assert heard(*OWNED, time=NOW - timedelta(hours=73)) == []


def test_a_notification_holds_codes_and_no_text() -> None:
    (made,) = told(rung(*OWNED, WARNED), house(), NOW)
    assert isinstance(made, Notification)
    assert (made.details, made.conversation_id, made.inbox_id) == (
        {"deadline": "first_response"},
        CONVERSATION,
        "support",
    )


def test_that_somebody_could_not_be_told_rings_once_of_each_conversation() -> None:
    rings = [rung(*OWNED, UNTOLD.model_copy(update={"delivery_id": d}))[0] for d in ("d1", "d2")]
    other = rung(*OWNED, UNTOLD.model_copy(update={"agent_id": "ben"}))[0]
    ids = [n.id for ring in (*rings, other) for n in told([ring], house(), NOW)]
    assert len(ids) == 3
    assert len(set(ids)) == 2
