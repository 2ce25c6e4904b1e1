"""Members come and go while records are handled: each has its effect once, in order, without a gap."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
from postroom_contracts.topics import CONVERSATION_COMMANDS
from postroom_runtime.fold import Fold
from postroom_runtime.service import Runtime

from tests.integration.runtime.support import Bench, check_log, publisher, until, until_states
from tests.integration.runtime.toy import GROUP, Toy, note

pytestmark = pytest.mark.connected
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def spread(count: int, keys: int) -> tuple[list[Any], dict[str, list[str]]]:
    """Return notes over `keys` conversations, and what must come of them."""
    expected: dict[str, list[str]] = {}
    notes = []
    for n in range(count):
        expected.setdefault(f"c{n % keys}", []).append(f"m{n}")
        notes.append(note(f"c{n % keys}", f"m{n}", NOW))
    return notes, expected


async def test_member_that_joins_while_a_handler_runs_waits_for_it(bench: Bench) -> None:
    notes, expected = spread(300, 30)
    await bench.publish(notes)
    slow = Toy(delay_seconds=2.0)
    async with bench.member(slow):
        await until(lambda: bool(slow.decider.batches), "the first batch is at work")
        async with bench.member() as second:
            (consumer,) = second.consumers
            await until(lambda: len(consumer._handle.assignment()) == 4, "the second member got its half")
            await until_states(bench, expected)
    assert check_log(await bench.effects(), expected) == 0, (
        "no batch was handled twice: the first member was waited for"
    )


async def test_batch_that_outlasts_the_rebalance_is_cancelled_and_handled_once(bench: Bench) -> None:
    notes, expected = spread(120, 12)
    await bench.publish(notes)
    slow = Toy(delay_seconds=30.0)
    impatient = bench.settings.model_copy(update={"rebalance_timeout_ms": 5000})
    async with bench.member(slow, impatient):
        await until(lambda: bool(slow.decider.batches), "the first batch is at work")
        slow.decider.delay_seconds = 0.0
        async with bench.member(settings=impatient):
            await until_states(bench, expected)
    check_log(await bench.effects(), expected)


async def test_members_come_and_go_under_load(bench: Bench) -> None:
    notes, expected = spread(2400, 60)
    done = asyncio.Event()

    async def feed() -> None:
        async with publisher(bench.settings) as out:
            for start in range(0, len(notes), 40):
                await out.publish_events(CONVERSATION_COMMANDS, notes[start : start + 40])
                await asyncio.sleep(0.15)
        done.set()

    async with bench.member(Toy(delay_seconds=0.05)), AsyncExitStack() as last:
        feeding = asyncio.create_task(feed())
        while not done.is_set():
            async with bench.member(Toy(delay_seconds=0.1)):
                await asyncio.sleep(0.7)
                async with bench.member():
                    await asyncio.sleep(0.7)
        await feeding
        await last.enter_async_context(bench.member())
        await until_states(bench, expected)
    check_log(await bench.effects(), expected)


async def test_two_members_at_work_on_the_same_records_have_one_effect(bench: Bench) -> None:
    """As after a pause of the process that the group did not wait for."""
    notes, expected = spread(60, 6)
    await bench.publish(notes)
    records = await bench.records(CONVERSATION_COMMANDS.name)
    toys = [Toy(decides=False), Toy(decides=False)]
    barrier = asyncio.Barrier(2)
    async with bench.member(toys[0]) as one, bench.member(toys[1]) as two:
        folds: list[Fold[Any, Any]] = []
        for toy, runtime in zip(toys, (one, two), strict=True):
            fold = toy.fold(runtime)
            prepare = toy.decider.prepare

            async def together(batch: Any, documents: Any, prepare: Any = prepare) -> None:
                await prepare(batch, documents)
                if not barrier.broken and len(batch) > 1:
                    await barrier.wait()

            toy.decider.prepare = together  # type: ignore[method-assign]
            folds.append(fold)
        works = [_work(fold, runtime) for fold, runtime in zip(folds, (one, two), strict=True)]
        await asyncio.gather(*(work.carry_out(records) for work in works))
    assert bench.states() == expected
    check_log(await bench.effects(), expected)


def _work(fold: Fold[Any, Any], runtime: Runtime) -> Any:
    """Return what carries out batches of the toy's group, without a consumer."""
    from postroom_runtime.batch import BatchWork
    from postroom_runtime.breaker import Breaker
    from postroom_runtime.parking import Parking

    return BatchWork(
        group=GROUP.name,
        handler=fold,
        parking=Parking(GROUP.name, runtime.database, runtime.publisher, runtime.clock),
        breaker=Breaker(),
        topic_ids={runtime.settings.topic(CONVERSATION_COMMANDS.name): "0" * 32},
        committed={},
        ignored_types=frozenset(),
    )


async def test_batch_of_an_earlier_assignment_is_neither_handled_nor_sought_forward_to(bench: Bench) -> None:
    notes, expected = spread(40, 4)
    await bench.publish(notes)
    records = await bench.records(CONVERSATION_COMMANDS.name)
    partition = records[-1].partition
    stale = [r for r in records if r.partition == partition][-3:]

    toy = Toy()
    async with bench.member(toy) as runtime:
        (consumer,) = runtime.consumers
        await until_states(bench, expected)
        here = {tp.partition: tp for tp in consumer._handle.assignment() if tp.topic == bench.commands}[partition]
        consumer._handle.pause(here)
        consumer._handle.seek(here, 0)  # as a new assignment does: in front of what is undone
        toy.decider.batches.clear()
        await consumer(stale)
        assert toy.decider.batches == []
        assert await consumer._handle.position(here) == 0
    check_log(await bench.effects(), expected)
