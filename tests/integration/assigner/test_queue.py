"""Queues on real servers: they drain by priority and age when a shift starts; releases go to those who wait."""

import asyncio
from datetime import timedelta

import pytest
from postroom_contracts.facts import ConversationAssigned, ConversationQueued, ConversationResolved
from postroom_contracts.values import Priority, Status
from postroom_runtime.clock import ManualClock

from tests.component.assigner.world import NOON, agent, company, received
from tests.integration.assigner.company_on_servers import check_records, most_at_once, on_servers, owners, until

pytestmark = pytest.mark.connected
ORDER = [Priority.LOW, Priority.NORMAL, Priority.URGENT, Priority.HIGH, Priority.URGENT, Priority.NORMAL]


async def test_a_queue_drains_by_priority_then_age_when_a_shift_starts_past_what_is_on_hold(
    kafka_bootstrap: str, mongo_uri: str, topic_prefix: str, database_prefix: str
) -> None:
    shift = {"start_at": NOON + timedelta(minutes=10), "end_at": NOON + timedelta(hours=8)}
    firm = company([{"id": "a0", "capacity": 4, "shifts": [shift]}])
    async with on_servers(kafka_bootstrap, mongo_uri, topic_prefix, database_prefix, partitions=1) as servers:
        await servers.apply(firm)
        clock = ManualClock(NOON)
        runtime = await servers.replica(clock)
        try:
            async with servers.follow() as log:

                async def waiting() -> bool:
                    return await log.count(ConversationQueued) == len(ORDER)

                async def four_owned() -> bool:
                    return await log.count(ConversationAssigned) == 4

                await servers.tell([(f"k{n}", received(n, priority=priority)) for n, priority in enumerate(ORDER)])
                await until(waiting, "all wait")
                await runtime.database["holds"].insert_one({"_id": "assigner|k4", "group": "assigner", "key": "k4"})
                clock.advance(599)
                await asyncio.sleep(2.5)  # the drain turns twice and must find nobody
                assert await log.count(ConversationAssigned) == 0
                clock.advance(1)
                await until(four_owned, "the shift takes four", 20)
        finally:
            await runtime.stop()
        events = await servers.log()
    assert {key for key, owner in owners(events).items() if owner == "a0"} == {"k2", "k3", "k1", "k5"}
    given = [e.data for e in events if isinstance(e.data, ConversationAssigned)]
    assert {(g.reason, g.waited_since) for g in given} == {("queue", NOON)}
    assert check_records(events) == 4


async def test_what_is_freed_goes_to_those_who_wait_and_nobody_ever_has_too_many(
    kafka_bootstrap: str, mongo_uri: str, topic_prefix: str, database_prefix: str
) -> None:
    """Three replicas, 4 agents of 5 places, 200 conversations that are resolved as soon as they have an owner."""
    async with on_servers(kafka_bootstrap, mongo_uri, topic_prefix, database_prefix) as servers:
        await servers.apply(company(4, capacity=5))
        replicas = [await servers.replica() for _ in range(3)]
        try:
            async with servers.follow() as log:
                await servers.tell([(f"k{n}", received(n)) for n in range(200)])
                resolved: set[str] = set()

                async def all_resolved() -> bool:
                    owned = {
                        e.key: e.data.agent_id
                        for e in (await log.read()).values()
                        if isinstance(e.data, ConversationAssigned)
                    }
                    new = [(key, _resolved(a)) for key, a in owned.items() if key not in resolved]
                    await servers.tell(new)
                    resolved.update(key for key, _ in new)
                    return len(resolved) == 200

                await until(all_resolved, "all have had an owner", 120)
        finally:
            for runtime in replicas:
                await runtime.stop()
        events = await servers.log()
    assert max(most_at_once(events).values()) == 5
    assert check_records(events) >= 200
    assert all(owners(events).values())


def _resolved(agent_id: str) -> ConversationResolved:
    return ConversationResolved(actor=agent(agent_id), previous=Status.OPEN, resolved_at=NOON)
