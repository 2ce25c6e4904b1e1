"""SIGTERM while a handler runs: what is at work is finished if there is time, and nothing is lost if there is none."""

import asyncio
from datetime import UTC, datetime

import pytest
from postroom_runtime import service
from postroom_runtime.service import Runtime

from tests.integration.runtime.support import Bench, check_log, until, until_states
from tests.integration.runtime.test_rebalance import spread
from tests.integration.runtime.toy import Toy

pytestmark = pytest.mark.connected
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


async def test_stop_during_a_batch_finishes_it(bench: Bench) -> None:
    notes, expected = spread(100, 10)
    process = await bench.start(TOY_DELAY="2").until_ready()
    await bench.publish(notes)
    await until(lambda: "at work" in process.log, "a batch is at work")
    assert await process.terminate() == 0
    assert "cancelled" not in process.log
    done = bench.states()
    assert done, "the batch in flight was finished"
    committed = sum((await bench.committed()).values())
    assert committed == sum(len(ids) for ids in done.values()), "what was finished is committed"
    again = await bench.start().until_ready()
    await until_states(bench, expected)
    assert await again.terminate() == 0  # what is saved is published after it: who stops has done both
    assert check_log(await bench.effects(), expected) == 0, "nothing was done twice"


async def test_stop_lets_a_background_loop_end_what_it_has_in_hand_before_connections_close(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the notifier's: a mail that is being sent has to be marked, or it would be sent once more."""
    monkeypatch.setattr(service, "CLOSE_SECONDS", 0.2)
    begun = asyncio.Event()

    class Sending(Toy):
        async def build(self, runtime: Runtime) -> None:
            await super().build(runtime)

            async def send() -> None:
                try:
                    begun.set()
                    await asyncio.Event().wait()
                finally:
                    await asyncio.sleep(1.0)  # a server that takes its time
                    await runtime.database["sent"].insert_one({"_id": "marked"})

            runtime.background("sender", send)

    async with bench.member(Sending()):
        await asyncio.wait_for(begun.wait(), 20)
    assert list(bench.notes("sent")) == ["marked"]


async def test_stop_with_a_handler_slower_than_the_timeout_loses_nothing(bench: Bench) -> None:
    notes, expected = spread(100, 10)
    bench.settings = bench.settings.model_copy(update={"graceful_timeout_seconds": 1.0})
    process = await bench.start(TOY_DELAY="30").until_ready()
    await bench.publish(notes)
    await until(lambda: "at work" in process.log, "a batch is at work")
    assert await process.terminate(25) == 0
    assert "batch cancelled between steps" in process.log
    assert await bench.committed() == {}
    bench.settings = bench.settings.model_copy(update={"graceful_timeout_seconds": 20.0})
    again = await bench.start().until_ready()
    await until_states(bench, expected)
    assert await again.terminate() == 0
    check_log(await bench.effects(), expected)


async def test_stop_while_starting_ends_at_once(bench: Bench) -> None:
    bench.settings = bench.settings.model_copy(update={"kafka_bootstrap": "127.0.0.1:1"})
    process = bench.start()
    await until(lambda: "waiting to start" in process.log, "it waits for Kafka")
    assert process.conditions() == {"started": False}
    assert await process.terminate(60) == 0


async def test_topics_that_are_made_late_are_waited_for_and_consumed_once(bench: Bench) -> None:
    bench.settings = bench.settings.model_copy(update={"topic_prefix": f"{bench.settings.topic_prefix}late-"})
    process = bench.start()
    await until(lambda: "topics do not exist" in process.log, "it says which topics are missing")
    await bench.make_topics()
    await process.until_ready()
    notes, expected = spread(50, 5)
    await bench.publish(notes)
    await until_states(bench, expected)
    assert await process.terminate() == 0
    assert check_log(await bench.effects(), expected) == 0
