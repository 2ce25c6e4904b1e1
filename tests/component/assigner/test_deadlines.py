"""Deadlines of policies: told of once as near and once as missed, the same that the figures show, whatever happens."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from postroom_contracts import facts as f
from postroom_contracts.events import Event

from tests.component.assigner.deadline_world import DeadlineWorld, Line, played, told
from tests.component.assigner.world import received

EVERY_DAY = ("mon", "tue", "wed", "thu")
POLICIES = [
    {"id": "gold", "first_response_seconds": 600, "next_response_seconds": 300, "resolution_seconds": 3600},
    {"id": "silver", "first_response_seconds": 1800, "next_response_seconds": 1200, "resolution_seconds": 7200},
    {"id": "up", "first_response_seconds": 600, "escalate_to_team": "office", "warn_percent": 100},
]
CONFIGURATION: Line = {
    "configuration": {
        "policies": POLICIES,
        "teams": [
            {"id": "care", "name": "Care", "members": ["ann"]},
            {"id": "office", "name": "Office", "members": ["bob"], "calendar": "office"},
        ],
        "inboxes": [
            {"id": "support", "name": "S", "account": "a", "address": "s@example.org", "teams": ["care", "office"]}
        ],
        "agents": [
            {"id": "ann", "first_name": "Ann", "email": "ann@example.org"},
            {"id": "bob", "first_name": "Bob", "email": "bob@example.org", "calendar": "always"},
        ],
        "company": {"name": "Example", "default_calendar": "always"},
        "calendars": [
            {"id": "always", "time_zone": "UTC", "hours": {d: ["00:00-24:00"] for d in EVERY_DAY}},
            {"id": "office", "time_zone": "UTC", "hours": {"tue": ["09:00-10:00", "14:00-15:00"]}},
        ],
    }
}
START = datetime(2026, 3, 3, 8, 30, tzinfo=UTC)
LATER = START + timedelta(days=30)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def clock(minutes: float) -> str:
    return (START + timedelta(minutes=minutes)).isoformat()


def fact(kind: str, minutes: float, **data: Any) -> Line:
    return {"type": kind, "time": clock(minutes), "data": {k: v for k, v in data.items() if v is not None}}


def customer(minutes: float, policy: str | None = "gold", team: str = "care", **data: Any) -> Line:
    return fact("MessageReceived", minutes, team_id=team, policy_id=policy, opened=minutes == 0, **data)


def reply(minutes: float, message: str = "r", after: float = 0.0, result: str = "MessageSent") -> list[Line]:
    sent = {"sent_at": clock(minutes + after)} if result == "MessageSent" else {}
    accepted = fact("ReplyAccepted", minutes, message_id=message)
    return [accepted, fact(result, minutes + after, message_id=message, **sent)]


@pytest.mark.parametrize(
    ("name", "warned", "breached"),
    [
        # 4 h of business time from Thu 11:30: 30 min before lunch, 3 h 30 after it; four fifths of it are 3 h 12 min.
        ("08", ["2026-04-30T15:42:00+02:00"], ["2026-04-30T16:30:00+02:00"]),
        ("08-breached", ["2026-04-30T15:42:00+02:00"], ["2026-04-30T16:30:00+02:00"]),
        ("08-met", ["2026-04-30T15:42:00+02:00"], []),
        ("08-end-of-day", ["2026-04-30T16:06:00+02:00"], []),
        ("08-lunch", [], []),
        ("07c-forward", ["2026-03-29T01:42:00+00:00"], ["2026-03-29T02:30:00+00:00"]),
        ("07c-back", ["2026-10-25T00:42:00+00:00"], ["2026-10-25T01:30:00+00:00"]),
    ],
)
async def test_worked_examples_of_the_metrics(name: str, warned: list[str], breached: list[str]) -> None:
    world = await played(name, utc("2026-12-01T00:00:00+00:00"))
    assert world.breached() == [("first_response", utc(at)) for at in breached]
    assert len(world.warned()) == len(warned)
    assert [c.due_at for c in world.fired][: len(warned)] == [utc(at) for at in warned]
    assert world.in_figures() == world.breached()


async def test_each_target_is_told_of_once_however_often_its_timer_comes() -> None:
    world = await told([CONFIGURATION, customer(0)], START + timedelta(minutes=9))
    assert world.warned() == [("first_response", START + timedelta(minutes=10))]
    again = await world.fire(START + timedelta(minutes=11))
    for incoming in again:  # redelivered
        await world.w.handle([incoming])
    assert world.breached() == [("first_response", START + timedelta(minutes=10))]
    await world.fire(LATER)
    assert [kind for kind, _ in world.warned()] == ["first_response", "resolution"]
    assert [kind for kind, _ in world.breached()] == ["first_response", "resolution"]
    assert world.timer is None


async def test_the_warning_says_what_is_due_for_whom_and_since_when() -> None:
    world = await told([CONFIGURATION, customer(0)], START + timedelta(minutes=9))
    [warning] = [d for d in world.w.publisher.facts() if isinstance(d, f.DeadlineWarned)]
    assert warning == f.DeadlineWarned(
        href="/api/v1/conversations/c1",
        deadline="first_response",
        due_at=START + timedelta(minutes=10),
        generation=1,
        policy_id="gold",
        agent_id="ann",
        started_at=START,
    )


async def test_what_is_answered_in_time_is_not_told_of() -> None:
    world = await told([CONFIGURATION, customer(0), *reply(5), *[fact("ConversationResolved", 6)]], LATER)
    assert (world.warned(), world.breached(), world.timer) == ([], [], None)


async def test_a_late_answer_that_is_known_before_the_timer_came_is_told_of_at_once_as_missed() -> None:
    world = await told([CONFIGURATION, customer(0), *reply(11)], START + timedelta(minutes=11), punctual=False)
    assert world.breached() == [("first_response", START + timedelta(minutes=10))]


async def test_a_reply_accepted_in_time_whose_sending_is_told_of_late_meets_the_deadline() -> None:
    in_time = reply(9.9)[0], fact("MessageSent", 10.5, message_id="r", sent_at=clock(9.95))
    world = await told([CONFIGURATION, customer(0), *in_time], START + timedelta(minutes=20))
    assert world.breached() == []


async def test_a_reply_that_is_never_sent_holds_a_breach_up_for_a_minute_only() -> None:
    world = await told([CONFIGURATION, customer(0), reply(9.9)[0]], START + timedelta(minutes=10.9))
    assert world.breached() == []
    await world.fire(START + timedelta(minutes=11.1))
    assert world.breached() == [("first_response", START + timedelta(minutes=10))]


async def test_another_policy_cancels_what_was_due_and_sets_its_own() -> None:
    moved = fact("ConversationRouted", 5, policy_id="silver", team_id="care")
    world = await told([CONFIGURATION, customer(0), moved], START + timedelta(minutes=29))
    assert world.breached() == []
    await world.fire(START + timedelta(minutes=31))
    assert world.breached() == [("first_response", START + timedelta(minutes=30))]


async def test_a_check_of_a_timer_that_was_set_anew_does_nothing() -> None:
    world = await told([CONFIGURATION, customer(0)], START)
    old = world.timer
    assert old is not None
    moved = await told([CONFIGURATION, customer(0), fact("ConversationRouted", 1, policy_id="silver")], START)
    current = moved.timer
    assert current is not None
    assert (old.generation, current.generation) == (1, 2)
    assert old.due_at == START + timedelta(minutes=8)
    assert current.due_at == START + timedelta(minutes=24)


async def test_a_pause_extends_a_resolution_and_spam_and_the_bin_hold_everything() -> None:
    waiting = fact("ConversationWaiting", 10)
    world = await told([CONFIGURATION, customer(0), *reply(5), waiting], START + timedelta(minutes=300))
    assert (world.warned(), world.timer) == ([], None)
    again = customer(200, status="open")
    world = await told([CONFIGURATION, customer(0), *reply(5), waiting, again, *reply(201)], LATER)
    assert world.breached() == [("resolution", START + timedelta(minutes=250))]  # 60 min net, 190 of pause
    world = await told([CONFIGURATION, customer(0), fact("ConversationMarkedSpam", 5)], LATER)
    assert (world.warned(), world.breached()) == ([], [])
    world = await told([CONFIGURATION, customer(0), fact("ConversationDeleted", 5)], LATER)
    assert (world.warned(), world.breached()) == ([], [])


async def test_a_missed_target_goes_to_the_team_that_its_policy_names() -> None:
    world = await told([CONFIGURATION, customer(0, policy="up")], LATER)
    facts = [d for d in world.w.publisher.facts() if isinstance(d, f.DeadlineBreached | f.ConversationAssigned)]
    assert [type(d).__name__ for d in facts] == ["ConversationAssigned", "DeadlineBreached", "ConversationAssigned"]
    taken = facts[2]
    assert isinstance(taken, f.ConversationAssigned)
    assert (taken.agent_id, taken.previous_agent_id, taken.team_id) == ("bob", "ann", "office")
    assert world.w.state("c1").slot == "bob"
    assert world.warned() == []  # its policy warns of nothing


async def test_facts_of_which_only_some_are_followed_wait_for_no_missing_number() -> None:
    accepted, sent = reply(5)
    world = await told([CONFIGURATION, customer(0), accepted, sent | {"sequence": 7}], START)
    parked = await told([CONFIGURATION, customer(0), accepted], START)
    lost = replace(parked.w.incoming("c1", received()), event=None, skipped_source="/postroom/notifier")
    await parked.w.handle([replace(lost, skipped_sequence=7)])
    assert (world.w.store.stored["c1"]["ahead"], parked.w.store.stored["c1"]["ahead"]) == ([], [])
    await world.fire(START + timedelta(minutes=20))
    assert world.breached() == []


async def test_a_company_without_a_policy_keeps_no_clocks() -> None:
    without = {"configuration": {k: v for k, v in CONFIGURATION["configuration"].items() if k != "policies"}}
    world = await told([without, customer(0, policy=None), *reply(1)], LATER)
    assert world.w.state("c1").clocks is None


# --- the same as the figures ---------------------------------------------------------------------------------------

Step = tuple[float, str]
STEPS = st.lists(
    st.tuples(
        st.sampled_from([0.2, 1.1, 3.0, 7.0, 11.0, 40.0, 100.0, 300.0]),
        st.sampled_from(
            [
                *(
                    "customer",
                    "customer",
                    "sent",
                    "sent",
                    "slow",
                    "scheduled",
                    "failed",
                    "crossed",
                    "resolve",
                    "reopen",
                ),
                *("wait", "snooze", "gold", "silver", "spam", "unspam", "delete", "restore", "echo"),
            ]
        ),
    ),
    max_size=12,
)


def lines_of(steps: list[Step], team: str) -> Iterator[Line]:  # noqa: PLR0912 - one case for each kind of step
    """Yield a log that a router and a notifier could have written."""
    now, status, policy = 0.0, "open", "gold"
    yield CONFIGURATION
    yield customer(0, policy, team)
    for n, (gap, step) in enumerate(steps):
        now += gap
        match step:
            case "customer" | "echo":
                kind = "message" if step == "customer" else "echo"
                status = "open" if status != "spam" else status
                agent = "ann" if step == "echo" else None
                yield customer(now, policy, team, message_kind=kind, from_agent=agent, status=status)
            case "sent":
                yield from reply(now, f"r{n}")
            case "slow" | "failed":
                result = "MessageSent" if step == "slow" else "MessageFailed"
                yield from reply(now, f"r{n}", 0.7, result)
                now += 0.7
            case "scheduled":
                yield from reply(now, f"r{n}", 90, "MessageSent")
                now += 90
            case "crossed":
                accepted, sent = reply(now, f"r{n}", 0.6, "MessageFailed" if n % 2 else "MessageSent")
                yield from (accepted, customer(now + 0.3, policy, team), sent)
                now += 0.6
                status = "open"
            case "resolve" if status == "open":
                status = "resolved"
                yield fact("ConversationResolved", now)
            case "reopen" if status == "resolved":
                status = "open"
                yield fact("ConversationReopened", now, previous="resolved")
            case "wait" if status == "open":
                yield fact("ConversationWaiting", now)
            case "snooze" if status == "open":
                yield fact("ConversationSnoozed", now, until=clock(now + 45))
            case "gold" | "silver":
                policy = step
                yield fact("ConversationRouted", now, policy_id=policy, team_id=team)
            case "spam" | "delete" if status == "open":
                status = "spam" if step == "spam" else "deleted"
                yield fact("ConversationMarkedSpam" if step == "spam" else "ConversationDeleted", now)
            case "unspam" | "restore" if status == ("spam" if step == "unspam" else "deleted"):
                status = "open"
                kind = "ConversationUnmarkedSpam" if step == "unspam" else "ConversationRestored"
                yield fact(kind, now, status="open")
            case _:
                pass


@pytest.mark.parametrize("punctual", [True, False], ids=["timers-in-time", "timers-late"])
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS, team=st.sampled_from(["care", "office"]))
@example(steps=[(11.0, "sent"), (3.0, "customer"), (40.0, "silver"), (100.0, "sent")], team="care")
async def test_what_is_told_of_as_missed_is_what_the_figures_show_as_missed(
    punctual: bool, steps: list[Step], team: str
) -> None:
    world: DeadlineWorld = await told(lines_of(steps, team), LATER, punctual=punctual)
    assert sorted(world.breached()) == sorted(world.in_figures())
    ids = [e.id for e in world.log if isinstance(e, Event)]
    assert len(set(ids)) == len(ids)
