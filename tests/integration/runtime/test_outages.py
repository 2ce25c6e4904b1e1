"""Kafka or MongoDB away under load: nothing is lost, nothing has its effect twice, the process stays ready and says so.

A MongoDB that was killed is away for a minute, the others for 16 s; POSTROOM_TEST_OUTAGE_SECONDS is for all of them.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from postroom_contracts.topics import CONVERSATION_COMMANDS
from postroom_local.kafka import KafkaServer
from postroom_local.mongo import MongoServer
from postroom_runtime.errors import InfrastructureError

from tests.integration.runtime.support import (
    Bench,
    Process,
    check_log,
    publisher,
    settings_for,
    until,
    until_states,
)
from tests.integration.runtime.test_rebalance import spread

pytestmark = [pytest.mark.connected, pytest.mark.timeout(300)]
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
_ASKED = os.environ.get("POSTROOM_TEST_OUTAGE_SECONDS")
OUTAGE_SECONDS = float(_ASKED or "16")
MINUTE = float(_ASKED or "60")


async def feed(bench: Bench, notes: list[Any], pause_seconds: float) -> None:
    async with publisher(bench.settings) as out:
        for start in range(0, len(notes), 20):
            while True:
                try:
                    await out.publish_events(CONVERSATION_COMMANDS, notes[start : start + 20])
                    break
                except InfrastructureError:
                    await asyncio.sleep(0.5)  # sent again, as every publisher of ours does: some stand there twice
            await asyncio.sleep(pause_seconds)


@asynccontextmanager
async def on_its_own(kafka_bootstrap: str, server: MongoServer, topic_prefix: str) -> AsyncIterator[Bench]:
    bench = Bench(settings_for(kafka_bootstrap, server.uri, topic_prefix, "t_", mongo_timeout_seconds=3))
    try:
        await bench.make_topics()
        yield bench
    finally:
        bench.close()


async def _during(process: Process) -> None:
    """What must be seen while a server is away."""
    await until(
        lambda: process.metric("postroom_consumer_waiting", group="toy") == 1, "the waiting metric shows it", 40
    )
    assert process.ready(), f"readiness does not depend on servers: {process.conditions()}"
    assert process.get("/livez").status_code == 200


async def test_mongodb_away_is_waited_for(
    kafka_bootstrap: str, mongo_server: Callable[..., MongoServer], topic_prefix: str
) -> None:
    """One that was killed, and beside it one that hangs; each has a process of its own."""
    killed, hanging = await asyncio.to_thread(mongo_server), await asyncio.to_thread(mongo_server)
    async with (
        on_its_own(kafka_bootstrap, killed, f"{topic_prefix}killed-") as one,
        on_its_own(kafka_bootstrap, hanging, f"{topic_prefix}hanging-") as other,
    ):
        await asyncio.gather(
            _mongodb_away(one, killed, "killed", MINUTE), _mongodb_away(other, hanging, "hanging", OUTAGE_SECONDS)
        )


async def _mongodb_away(bench: Bench, server: MongoServer, how: str, away_seconds: float) -> None:
    notes, expected = spread(1200, 60)
    process = await bench.start().until_ready()
    feeding = asyncio.create_task(feed(bench, notes, away_seconds / 60))
    await until(lambda: bool(bench.states()), "the first are handled")
    assert server.pid is not None
    if how == "killed":
        server.kill()
    else:
        os.kill(server.pid, signal.SIGSTOP)
    await _during(process)
    await asyncio.sleep(away_seconds)
    await until(lambda: process.metric("postroom_consumer_lag_records", group="toy") > 0, "the lag rises meanwhile")
    await _during(process)
    if how == "killed":
        await asyncio.to_thread(server.start)
    else:
        os.kill(server.pid, signal.SIGCONT)
    await feeding
    await until_states(bench, expected, 60)
    await until(lambda: process.metric("postroom_consumer_waiting", group="toy") == 0, "it waits no more")
    await until(lambda: process.metric("postroom_consumer_lag_records", group="toy") == 0, "no lag is left")
    assert process.metric("postroom_dead_letters_total") == 0
    assert await process.terminate() == 0  # what is saved is published after it: who stops has done both
    check_log(await bench.effects(), expected)


async def test_broker_that_dies_under_load_is_waited_for(
    kafka_server: Callable[..., KafkaServer], mongo_uri: str, database_prefix: str
) -> None:
    server = kafka_server()
    bench = Bench(settings_for(server.bootstrap, mongo_uri, "t-", database_prefix, session_timeout_ms=6000))
    await bench.make_topics()
    try:
        notes, expected = spread(1200, 60)
        process = await bench.start(TOY_DELAY="0.05").until_ready()
        feeding = asyncio.create_task(feed(bench, notes, 0.05))
        await until(lambda: bool(bench.states()), "the first are handled")
        server.kill()
        await _during(process)
        await asyncio.sleep(OUTAGE_SECONDS / 2)
        await _during(process)
        await asyncio.to_thread(server.start)
        await asyncio.wait_for(feeding, 90)
        await until_states(bench, expected, 90)
        await until(lambda: process.metric("postroom_consumer_waiting", group="toy") == 0, "it waits no more")
        assert process.metric("postroom_dead_letters_total") == 0
        assert await process.terminate() == 0
        check_log(await bench.effects(), expected)
    finally:
        bench.close()
