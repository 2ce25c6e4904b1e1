"""Kafka or MongoDB away under load: nothing is lost, nothing has its effect twice, the process stays ready and says so.

A MongoDB that was killed is away for a minute, the others for 16 s; POSTROOM_TEST_OUTAGE_SECONDS is for all of them.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
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


@pytest.fixture
async def own_mongo(
    kafka_bootstrap: str, mongo_server: Callable[..., MongoServer], topic_prefix: str
) -> AsyncIterator[tuple[Bench, MongoServer]]:
    server = mongo_server()
    settings = settings_for(kafka_bootstrap, server.uri, topic_prefix, "t_", mongo_timeout_seconds=3)
    bench = Bench(settings)
    await bench.make_topics()
    yield bench, server
    bench.close()


async def _during(process: Process) -> None:
    """What must be seen while a server is away."""
    await until(
        lambda: process.metric("postroom_consumer_waiting", group="toy") == 1, "the waiting metric shows it", 40
    )
    assert process.ready(), f"readiness does not depend on servers: {process.conditions()}"
    assert process.get("/livez").status_code == 200


@pytest.mark.parametrize("how", ["killed", "hanging"])
async def test_mongodb_away_is_waited_for(own_mongo: tuple[Bench, MongoServer], how: str) -> None:
    bench, server = own_mongo
    away_seconds = MINUTE if how == "killed" else OUTAGE_SECONDS
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
    check_log(await bench.effects(), expected)
    assert process.metric("postroom_dead_letters_total") == 0
    assert await process.terminate() == 0


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
        check_log(await bench.effects(), expected)
        assert process.metric("postroom_dead_letters_total") == 0
        assert await process.terminate() == 0
    finally:
        bench.close()
