"""Behaviour of FastStream and aiokafka that the runtime is built on and that their documentation does not promise.

When an upgrade breaks one of these, the part of the runtime that it names has to be looked at again.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.params import NoCast
from postroom_runtime.subscription import _decode_batch, _parse_batch, make_broker

from tests.integration.runtime.support import Bench, until
from tests.integration.runtime.toy import note

pytestmark = pytest.mark.connected
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


class Member:
    """A bare subscriber as ours is, without our consumer behind it."""

    def __init__(self, bench: Bench, listener: ConsumerRebalanceListener | None = None) -> None:
        self.seen: list[list[bytes]] = []
        self.act: Callable[[Any], Any] | None = None
        self.broker: KafkaBroker = make_broker(bench.settings)
        self.subscriber = self.broker.subscriber(
            bench.commands,
            batch=True,
            group_id=f"{bench.settings.topic_prefix}foundations",
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
            parser=_parse_batch,
            decoder=_decode_batch,
            max_records=200,
            batch_timeout_ms=20,
            auto_offset_reset="earliest",
            partition_assignment_strategy=(RangePartitionAssignor,),
            session_timeout_ms=3000,
            heartbeat_interval_ms=300,
            listener=listener,
        )

        async def on_batch(records: NoCast[Any]) -> None:
            self.seen.append([r.value for r in records])
            if self.act is not None:
                await self.act(records)

        self.subscriber(on_batch)

    @property
    def consumer(self) -> Any:
        return self.subscriber.consumer

    @property
    def count(self) -> int:
        return sum(len(batch) for batch in self.seen)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Member"]:
        await self.broker.start()
        try:
            yield self
        finally:
            await self.broker.stop()


async def test_nothing_is_committed_by_itself(bench: Bench) -> None:
    await bench.publish([note("c1", f"m{n}", NOW) for n in range(5)])
    async with Member(bench).running() as member:
        await until(lambda: member.count == 5, "all were handled")
    assert await bench.committed("foundations") == {}
    async with Member(bench).running() as again:
        await until(lambda: again.count == 5, "all come again")


async def test_an_error_out_of_a_handler_brings_the_next_batch_and_no_redelivery(bench: Bench) -> None:
    """So the consumer must seek back before it returns."""
    async with Member(bench).running() as member:

        async def fail(_: Any) -> None:
            member.act = None
            raise ZeroDivisionError

        member.act = fail
        await bench.publish([note("c1", "m1", NOW)])
        await until(lambda: member.count == 1, "the first was handled")
        await bench.publish([note("c1", "m2", NOW)])
        await until(lambda: member.count == 2, "the second came")
        assert any(not task.done() for task in member.subscriber.tasks)


async def test_cancelled_error_out_of_a_handler_ends_the_loop_silently(bench: Bench) -> None:
    """So the work is a task of its own, and readiness looks at the loop."""
    async with Member(bench).running() as member:

        async def cancel(_: Any) -> None:
            raise asyncio.CancelledError

        member.act = cancel
        await bench.publish([note("c1", "m1", NOW)])
        await until(lambda: all(task.done() for task in member.subscriber.tasks), "the loop has ended")
        await bench.publish([note("c1", "m2", NOW)])
        await asyncio.sleep(0.5)
        assert member.count == 1


class Pausing(ConsumerRebalanceListener):
    """Notes what is paused when partitions are assigned, before and after pausing again."""

    def __init__(self) -> None:
        self.member: Member | None = None
        self.assignments = 0
        self.paused: list[set[Any]] = []
        self.again = False

    async def on_partitions_revoked(self, revoked: Any) -> None: ...

    async def on_partitions_assigned(self, assigned: Any) -> None:
        assert self.member is not None
        if self.member.consumer is not None:
            self.paused.append(set(self.member.consumer.paused()))
            if self.again:
                self.member.consumer.pause(*assigned)
        self.assignments += 1


@pytest.mark.parametrize("again", [False, True], ids=["forgotten", "kept when paused again"])
async def test_pauses_are_forgotten_in_a_rebalance(bench: Bench, again: bool) -> None:
    """So they are set anew at each assignment."""
    listener = Pausing()
    listener.member = first = Member(bench, listener)
    async with first.running():
        await until(lambda: listener.assignments == 1, "partitions are assigned, and the listener was told")
        first.consumer.pause(*first.consumer.assignment())
        listener.paused.clear()
        listener.again = again
        async with Member(bench).running():
            await until(lambda: bool(listener.paused), "the group was balanced anew")
            assert listener.paused[0] == set(), "forgotten"
            kept = set(first.consumer.paused()) == set(first.consumer.assignment())
            assert kept is again


async def test_stop_waits_for_the_handler_which_may_still_commit(bench: Bench) -> None:
    started = asyncio.Event()
    member = Member(bench)

    async def slow(records: Any) -> None:
        started.set()
        await asyncio.sleep(1)
        from aiokafka import TopicPartition

        last = records[-1]
        await member.consumer.commit({TopicPartition(last.topic, last.partition): last.offset + 1})

    member.act = slow
    async with member.running():
        await bench.publish([note("c1", "m1", NOW)])
        await asyncio.wait_for(started.wait(), 30)
    assert sum((await bench.committed("foundations")).values()) == 1
    assert member.consumer is None
