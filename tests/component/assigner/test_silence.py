"""A silent owner: who gives no answer for a policy's `reassign_after_seconds` after a missed target loses it to the queue."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from postroom_contracts import commands as c
from postroom_contracts import facts as f
from postroom_contracts.commands import AssignFromQueue
from postroom_contracts.events import new_event

from tests.component.assigner.deadline_world import DeadlineWorld, Line, told
from tests.component.assigner.test_deadlines import EVERY_DAY, LATER, START, customer, fact, reply
from tests.component.assigner.world import agent, publisher_of

ANN = {"kind": "agent", "id": "ann"}
PEOPLE = ("ann", "bob", "cyd")


def configured(**changes: Any) -> Line:
    """A first response in 10 minutes and 15 more of silence, by a calendar that closes at 09:00 and opens at 14:00."""
    strict = {"id": "strict", "first_response_seconds": 600, "warn_percent": 100, "reassign_after_seconds": 900}
    hours = changes.pop("hours", {d: ["00:00-24:00"] for d in EVERY_DAY})
    return {
        "configuration": {
            "policies": [strict | changes],
            "teams": [
                {"id": "care", "name": "Care", "members": ["ann", "bob"], "assignment": "round_robin"},
                {"id": "office", "name": "Office", "members": ["cyd"]},
            ],
            "inboxes": [
                {"id": "support", "name": "S", "account": "a", "address": "s@example.org", "teams": ["care", "office"]}
            ],
            "agents": [{"id": a, "first_name": a, "email": f"{a}@example.org"} for a in PEOPLE],
            "company": {"name": "Example", "default_calendar": "usual"},
            "calendars": [{"id": "usual", "time_zone": "UTC", "hours": hours}],
        }
    }


OPENED = customer(0, policy="strict")
"""At 08:30; it is Ann's at once, due at 08:40, and hers until 08:55."""


async def played(*lines: Line, until: float = 24 * 60, **changes: Any) -> DeadlineWorld:
    return await told([configured(**changes), OPENED, *lines], START + timedelta(minutes=until))


def owners(world: DeadlineWorld) -> list[Any]:
    """Return what was told of owners and missed targets, in order."""
    return [
        (d.agent_id, d.reason)
        if isinstance(d, f.ConversationAssigned)
        else f"{d.previous_agent_id} lost it"
        if isinstance(d, f.ConversationUnassigned)
        else "queued"
        if isinstance(d, f.ConversationQueued)
        else "missed"
        for d in world.w.publisher.facts()
    ]


async def ask(world: DeadlineWorld, command: c.Command) -> None:
    """Put a request into the conversation's queue, now."""
    now = world.w.clock.now()
    cause = f"{type(command).__name__} {now}"
    await world.handle(
        new_event(command, source=publisher_of(command), cause_id=cause, subject="c1", time=now, sequence=None)
    )


GIVEN, MISSED, LOST, QUEUED = ("ann", "policy"), "missed", "ann lost it", "queued"


async def test_it_goes_back_once_with_what_was_missed_and_is_offered_to_others() -> None:
    world = await played(until=25)
    assert owners(world) == [GIVEN, MISSED]
    await world.fire(LATER)
    assert owners(world) == [GIVEN, MISSED, LOST, QUEUED]
    taken, queued = world.w.publisher.facts()[-2:]
    assert isinstance(taken, f.ConversationUnassigned)
    assert isinstance(queued, f.ConversationQueued)
    assert taken.unanswered is not None
    assert (taken.reason, taken.actor.kind, taken.unanswered.deadline) == ("released", "system", "first_response")
    assert taken.unanswered.breached_at == START + timedelta(minutes=10)
    assert (queued.reason, queued.team_id, queued.unanswered) == ("released", "care", taken.unanswered)
    assert queued.record.candidate("ann").excluded == ["silent"]  # type: ignore[union-attr]
    assert world.timer is None
    state = world.w.state("c1")
    await ask(world, AssignFromQueue(epoch=state.epoch, attempt=state.attempt, team_id="care"))
    given = world.w.publisher.facts()[-1]
    assert isinstance(given, f.ConversationAssigned)
    assert (given.agent_id, given.reason) == ("bob", "queue")
    assert given.record.candidate("ann").excluded == ["silent"]  # type: ignore[union-attr]
    await world.fire(LATER)
    assert owners(world)[4:] == [("bob", "queue")]
    assert world.in_figures() == world.breached()


async def test_who_was_silent_is_not_offered_it_at_once_but_may_claim_it() -> None:
    world = await played(fact("ConversationRouted", 1, team_id="office", policy_id="strict"))
    assert owners(world) == [GIVEN, ("cyd", "policy"), MISSED, "cyd lost it", QUEUED]
    state = world.w.state("c1")
    await ask(world, AssignFromQueue(epoch=state.epoch, attempt=state.attempt, team_id="office"))
    assert world.w.state("c1").owner is None
    await ask(world, c.ClaimConversation(agent_id="cyd", actor=agent("cyd")))
    assert (world.w.state("c1").owner, world.w.state("c1").silent) == ("cyd", False)


ENDING: dict[str, Sequence[Line]] = {
    "a reply": reply(20),
    "a reply that then could not be sent": reply(20, after=1, result="MessageFailed"),
    "an answer from the agent's own mail program": [customer(20, None, message_kind="echo", from_agent="ann")],
    "set to wait": [fact("ConversationWaiting", 20)],
    "snoozed": [fact("ConversationSnoozed", 20, until="2026-03-03T12:00:00Z")],
    "resolved": [fact("ConversationResolved", 20)],
    "spam": [fact("ConversationMarkedSpam", 20)],
    "merged": [fact("ConversationMerged", 20, target_id="c2", merged_at="2026-03-03T08:50:00Z")],
}


@pytest.mark.parametrize("name", ENDING)
async def test_silence_ends_with(name: str) -> None:
    world = await played(*ENDING[name])
    assert [o for o in owners(world) if o in (MISSED, QUEUED)] == [MISSED]
    assert world.w.state("c1").silence is None


async def test_a_note_of_the_owner_s_is_a_sign_of_life_and_a_colleague_s_is_none() -> None:
    note = fact("NoteAdded", 20, message_id="n", actor=ANN, content={"content_id": "n", "sha256": "0"})
    theirs = note | {"data": note["data"] | {"actor": {"kind": "agent", "id": "bob"}}}
    assert owners(await played(note, until=34.9)) == [GIVEN, MISSED]
    assert owners(await played(note, until=35.1)) == [GIVEN, MISSED, LOST, QUEUED]
    assert owners(await played(theirs, until=25.1)) == [GIVEN, MISSED, LOST, QUEUED]


async def test_another_owner_has_the_whole_time_too() -> None:
    world = await played(until=20)
    await ask(world, c.ClaimConversation(agent_id="bob", actor=agent("bob")))
    claimed = world.w.state("c1").silence
    assert claimed is not None
    assert claimed.due_at == claimed.since + timedelta(minutes=15)
    await world.fire(LATER)
    assert owners(world) == [GIVEN, MISSED, ("bob", "claim"), "bob lost it", QUEUED]


async def test_after_an_escalation_it_is_the_new_owner_s_silence_and_the_new_team_s_queue() -> None:
    world = await played(escalate_to_team="office", until=25.1)
    assert owners(world) == [GIVEN, MISSED, ("cyd", "policy"), "cyd lost it", QUEUED]
    queued = world.w.publisher.facts()[-1]
    assert isinstance(queued, f.ConversationQueued)
    assert queued.team_id == "office"


async def test_silence_is_counted_in_business_time() -> None:
    hours = {"tue": ["08:00-08:50", "14:00-15:00"]}
    assert owners(await played(hours=hours, until=334.9)) == [GIVEN, MISSED]  # 10 minutes to 08:50, 5 from 14:00
    assert LOST in owners(await played(hours=hours, until=335.1))


async def test_a_policy_without_it_leaves_it_where_it_is() -> None:
    assert owners(await played(reassign_after_seconds=None)) == [GIVEN, MISSED]


async def test_a_missed_resolution_counts_too() -> None:
    world = await played(first_response_seconds=None, resolution_seconds=600, until=25.1)
    assert owners(world) == [GIVEN, MISSED, LOST, QUEUED]
    answered = await played(*reply(20), first_response_seconds=None, resolution_seconds=600)
    assert owners(answered) == [GIVEN, MISSED]


async def test_a_repeated_check_takes_nothing_back_again() -> None:
    world = await played(until=12)
    again = await world.fire(START + timedelta(minutes=30))
    for incoming in again:
        await world.w.handle([incoming])
    assert owners(world) == [GIVEN, MISSED, LOST, QUEUED]
