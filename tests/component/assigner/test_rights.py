"""Nobody owns a conversation of an inbox that they may not handle, in whatever way it comes to them."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import pytest
from postroom_assigner.domain.choose import recompute
from postroom_assigner.drain import Drain
from postroom_assigner.ports import QueueLength, WaitingConversation
from postroom_contracts import commands as c
from postroom_contracts import facts as f
from postroom_contracts.configuration import Configuration
from postroom_contracts.values import Status
from prometheus_client import REGISTRY

from tests.component.assigner.world import NOON, World, add_version, agent, company, received


def firm(*rights: tuple[str, list[str]], inboxes: int = 1, **more: Any) -> Configuration:
    """Return three agents of team front; in the first inbox each has the rights that are named, in others all do."""
    plain = company(3, **more).model_dump()
    first = plain["inboxes"][0] | {"access": [{"agent": who, "rights": given} for who, given in rights]}
    others = [plain["inboxes"][0] | {"id": f"other{n}", "address": f"o{n}@company.test"} for n in range(1, inboxes)]
    return Configuration.model_validate({**plain, "inboxes": [first, *others]})


READS = ("a0", ["full_access"])
SENDS = ("a1", ["send_as"])
BEHALF = ("a2", ["send_on_behalf"])


async def test_the_policy_chooses_among_those_who_may_and_the_record_says_who_may_not() -> None:
    world = World(firm(READS, SENDS))
    await world.tell(("k1", received(1)), ("k2", received(2)))
    given = [x for x in world.publisher.facts() if isinstance(x, f.ConversationAssigned)]
    assert [x.agent_id for x in given] == ["a1", "a1"]
    assert [recompute(x.record) for x in given] == ["a1", "a1"]
    assert {a.agent_id: a.excluded for a in given[0].record.candidates} == {
        "a0": ["no_right"],
        "a1": [],
        "a2": ["no_right"],
    }


async def test_where_nobody_of_the_team_may_it_waits_and_the_fact_says_why() -> None:
    world = World(firm(READS))
    await world.tell(("k1", received()))
    [queued] = world.publisher.facts()
    assert isinstance(queued, f.ConversationQueued)
    assert (queued.no_right, queued.reason) == (True, "nobody_on_duty")
    assert [a.excluded for a in queued.record.candidates] == [["no_right"]] * 3
    full = World(firm(SENDS, capacity=1))
    await full.tell(("k1", received(1)), ("k2", received(2)))
    waits = full.publisher.facts()[1]
    assert isinstance(waits, f.ConversationQueued)
    assert (waits.no_right, waits.reason) == (False, "everybody_full")


@pytest.mark.parametrize(
    "request_of",
    [
        pytest.param(c.ClaimConversation(actor=agent("a0"), agent_id="a0"), id="claims"),
        pytest.param(c.AssignConversation(actor=agent("a1"), agent_id="a0"), id="is-given"),
        pytest.param(c.AssignConversation(actor=agent("a1"), agent_id="a0", team_id="front"), id="is-given-in-a-team"),
    ],
)
async def test_who_may_not_handle_it_neither_takes_nor_is_given_it(request_of: c.Request) -> None:
    world = World(firm(READS, SENDS))
    await world.tell(("k1", received()), ("k1", request_of))
    refused = world.publisher.facts()[-1]
    assert isinstance(refused, f.ClaimRefused)
    assert (refused.reason, refused.agent_id, refused.owner_id) == ("not_assignable", "a0", "a1")


async def test_a_rule_and_an_earlier_owner_are_passed_over_who_may_not() -> None:
    world = World(firm(READS, SENDS))
    await world.tell(("k1", received(agent_id="a0")))
    [given] = [x for x in world.publisher.facts() if isinstance(x, f.ConversationAssigned)]
    assert given.agent_id == "a1"
    assert given.record.preferred is not None
    assert given.record.preferred.excluded == ["no_right"]
    resolved = f.ConversationResolved(actor=agent("a1"), previous=Status.OPEN, resolved_at=NOON)
    add_version(world.configurations, firm(READS, BEHALF))
    again = received(2, opened=False, reopened=True, configuration_version=2)
    await world.tell(("k1", resolved), ("k1", again))
    assert world.state("k1").owner == "a2"


async def test_a_conversation_that_is_moved_to_an_inbox_that_its_owner_may_not_handle_gets_another() -> None:
    world = World(firm(SENDS, inboxes=2))
    await world.tell(("k1", received(inbox_id="other1", agent_id="a0")))
    assert world.state("k1").owner == "a0"
    moved = f.ConversationRouted(
        actor=agent("a0"), inbox_id="support", previous_inbox_id="other1", team_id="front", configuration_version=1
    )
    await world.tell(("k1", moved))
    assert (world.state("k1").owner, world.loads.stored["a0"].count, world.loads.stored["a1"].count) == ("a1", 0, 1)


async def test_an_owner_whose_right_was_taken_away_loses_it_with_the_next_fact() -> None:
    world = World(firm(SENDS, BEHALF))
    await world.tell(("k1", received(agent_id="a1")))
    add_version(world.configurations, firm(BEHALF))
    await world.tell(("k1", received(2, opened=False, configuration_version=2)))
    assert world.state("k1").owner == "a2"


async def test_a_proposal_of_the_drain_is_given_to_nobody_who_may_not() -> None:
    world = World(firm(READS))
    await world.tell(("k1", received()))
    await world.tell(("k1", c.AssignFromQueue(epoch=1, attempt=0, team_id="front")))
    assert world.state("k1").queue is not None
    add_version(world.configurations, firm(READS, BEHALF))
    await world.tell(("k1", c.AssignFromQueue(epoch=1, attempt=1, team_id="front")))
    assert world.state("k1").owner == "a2"


class OneQueue:
    """A queue of one conversation in each of two inboxes, which keeps what the drain asked for."""

    def __init__(self) -> None:
        self.left_out: list[list[str]] = []
        self.team = "front"

    async def lengths(self) -> dict[str, QueueLength]:
        return {self.team: QueueLength(2, NOON)}

    async def first(
        self, team_id: str, limit: int, by: str | None, not_in: Sequence[str], besides: AbstractSet[str]
    ) -> list[WaitingConversation]:
        self.left_out.append(list(not_in))
        return []

    async def owned_by_others_than(
        self, agent_ids: Sequence[str], limit: int, besides: AbstractSet[str]
    ) -> list[WaitingConversation]:
        return []


class Holding:
    async def acquire(self, name: str, seconds: float) -> int:
        return 1


async def test_the_drain_passes_over_inboxes_that_nobody_who_is_free_may_handle() -> None:
    world, queue = World(firm(READS, SENDS, inboxes=2, capacity=1)), OneQueue()
    drain = Drain(queue, world.loads, world.versions.company, world.publisher, Holding(), world.clock)  # type: ignore[arg-type]
    await drain.turn()
    await world.tell(("k1", received()))  # a1, who alone may, is full
    await drain.turn()
    assert queue.left_out == [[], ["support"]]


async def test_a_team_that_was_taken_out_waits_for_nobody_once_its_queue_is_empty() -> None:
    world, queue = World(firm(READS, SENDS)), OneQueue()
    drain = Drain(queue, world.loads, world.versions.company, world.publisher, Holding(), world.clock)  # type: ignore[arg-type]

    def shown() -> float | None:
        return REGISTRY.get_sample_value("postroom_oldest_unassigned_seconds", {"team": "taken-out"})

    queue.team = "taken-out"
    await drain.turn()
    assert shown() is not None
    queue.team = "front"
    await drain.turn()
    assert shown() is None
