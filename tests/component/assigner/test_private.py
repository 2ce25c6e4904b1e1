"""What comes to a private inbox belongs to its owner: on duty or off, full or not, without a queue, and stays theirs."""

from typing import Any

from postroom_assigner.domain.choose import recompute
from postroom_contracts import commands as c
from postroom_contracts import facts as f
from postroom_contracts.configuration import Configuration
from postroom_contracts.values import Status

from tests.component.assigner.world import NOON, World, add_version, agent, company, received

CLOSED: dict[str, list[str]] = {"sun": ["00:00-24:00"]}


def private(configuration: Configuration) -> Configuration:
    """Return the company with an inbox of a0's own."""
    plain = configuration.model_dump()
    own = {"id": "own", "name": "O", "account": "m", "address": "o@company.test", "teams": [], "owner": "a0"}
    return Configuration.model_validate({**plain, "inboxes": [*plain["inboxes"], own]})


def mail(n: int, **changes: Any) -> f.MessageReceived:
    return received(n, **{"inbox_id": "own", "team_id": None, "agent_id": "a0"} | changes)


async def test_its_owner_has_it_off_duty_and_full_and_their_load_does_not_show_it() -> None:
    world = World(private(company(2, hours=CLOSED, capacity=1)))
    await world.tell(("k1", mail(1)), ("k2", mail(2)))
    facts = world.publisher.facts()
    assert [(type(x).__name__, x.agent_id, x.team_id) for x in facts] == [("ConversationAssigned", "a0", None)] * 2  # type: ignore[attr-defined]
    assert [recompute(x.record) for x in facts] == ["a0", "a0"]  # type: ignore[attr-defined]
    assert {a: load.count for a, load in world.loads.stored.items() if load.count} == {}
    assert world.state("k1").queue is None


async def test_nobody_takes_it_and_nobody_is_given_it() -> None:
    world = World(private(company(2)))
    await world.tell(("k1", mail(1)))
    await world.tell(
        ("k1", c.ClaimConversation(actor=agent("a1"), agent_id="a1")),
        ("k1", c.AssignConversation(actor=agent("a0"), agent_id="a1")),
        ("k1", c.AssignConversation(actor=agent("a0"), agent_id=None, team_id="front")),
    )
    refused = world.publisher.facts()[1:]
    assert [x.reason for x in refused] == ["not_assignable"] * 3  # type: ignore[attr-defined]
    assert world.state("k1").owner == "a0"


async def test_it_stays_theirs_when_it_is_resolved_and_comes_back() -> None:
    world = World(private(company(2)))
    await world.tell(("k1", mail(1)))
    resolved = f.ConversationResolved(actor=agent("a0"), previous=Status.OPEN, resolved_at=NOON)
    await world.tell(("k1", resolved), ("k1", mail(2, opened=False, reopened=True)))
    assert len(world.publisher.facts()) == 1
    assert world.state("k1").owner == "a0"


async def test_what_waits_in_an_inbox_that_becomes_private_goes_to_its_owner() -> None:
    world = World(company(2, assignment="manual"))
    await world.tell(("k1", received(1)))
    assert world.state("k1").queue is not None
    plain = world.configurations.latest.model_dump()
    plain["inboxes"][0] |= {"teams": [], "owner": "a1"}
    add_version(world.configurations, Configuration.model_validate(plain))
    await world.tell(("k1", c.AssignFromQueue(epoch=1, attempt=0, team_id="front")))
    assert (world.state("k1").owner, world.state("k1").queue, world.state("k1").slot) == ("a1", None, None)
