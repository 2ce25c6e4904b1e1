"""Many agents claim the same conversations at once, before several replicas."""

import random

import pytest
from postroom_contracts.commands import ClaimConversation
from postroom_contracts.events import Event
from postroom_contracts.facts import ClaimRefused, ConversationAssigned, ConversationQueued

from tests.component.assigner.world import agent, company, received
from tests.integration.assigner.company_on_servers import (
    Log,
    Servers,
    check_records,
    most_at_once,
    on_servers,
    owners,
    until,
)

pytestmark = pytest.mark.connected
AGENTS = 20


@pytest.mark.parametrize(
    ("conversations", "capacity"),
    [
        pytest.param(500, 10, id="too-little-ten-thousand-claims"),
        pytest.param(100, 5, id="just-enough"),
        pytest.param(100, None, id="no-limit"),
    ],
)
async def test_of_many_claims_each_conversation_has_one_winner_and_nobody_too_many(
    kafka_bootstrap: str,
    mongo_uri: str,
    topic_prefix: str,
    database_prefix: str,
    conversations: int,
    capacity: int | None,
) -> None:
    async with on_servers(kafka_bootstrap, mongo_uri, topic_prefix, database_prefix) as servers:
        await servers.apply(company(AGENTS, assignment="manual", capacity=capacity))
        replicas = [await servers.replica() for _ in range(3)]
        try:
            async with servers.follow() as log:
                await _race(servers, log, conversations)
        finally:
            for runtime in replicas:
                await runtime.stop()
        events = await servers.log()
    won = [e for e in events if isinstance(e.data, ConversationAssigned)]
    refused = [e.data for e in events if isinstance(e.data, ClaimRefused)]
    expected = conversations if capacity is None else min(conversations, AGENTS * capacity)
    assert len(won) == len({e.key for e in won}) == expected
    assert len(refused) == AGENTS * conversations - expected
    assert {r.reason for r in refused} <= {"stale_epoch", "full"}
    assert len({e.causation_id for e in _answers(events)}) == AGENTS * conversations
    assert sum(owner is not None for owner in owners(events).values()) == expected
    if capacity is not None:
        assert max(most_at_once(events).values()) <= capacity
    assert check_records(events) == expected


async def _race(servers: Servers, log: Log, conversations: int) -> None:
    """Have everybody claim everything at the epoch at which it waits; return when each claim is answered."""
    keys = [f"k{n}" for n in range(conversations)]
    await servers.tell([(key, received(n)) for n, key in enumerate(keys)])

    async def all_wait() -> bool:
        return await log.count(ConversationQueued) == conversations

    await until(all_wait, "all conversations wait")
    claims = [(key, _claim(f"a{n}")) for n in range(AGENTS) for key in keys]
    random.Random(7).shuffle(claims)
    await servers.tell(claims)

    async def all_answered() -> bool:
        return await log.count(ConversationAssigned, ClaimRefused) == AGENTS * conversations

    await until(all_answered, "all claims are answered", 120)


def _claim(agent_id: str) -> ClaimConversation:
    return ClaimConversation(actor=agent(agent_id), agent_id=agent_id, epoch=1)


def _answers(events: list[Event]) -> list[Event]:
    return [e for e in events if isinstance(e.data, ConversationAssigned | ClaimRefused)]
