"""Replicas as processes: one is killed in the middle, at each of the fold's steps in turn, and nothing is lost."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from postroom_contracts.facts import ConversationAssigned, ConversationQueued
from postroom_runtime import mongo

from tests.component.assigner.world import company, received
from tests.groups import bury
from tests.integration.assigner.company_on_servers import (
    Servers,
    check_records,
    most_at_once,
    on_servers,
    owners,
    until,
)

pytestmark = pytest.mark.connected
CONVERSATIONS = 600
CAPACITY = 20
AGENTS = 20


@pytest.mark.timeout(320)
@pytest.mark.parametrize(
    "step", ["fold.before_saved:2", "fold.saved:2", "fold.after_saved:3", "fold.published:2", "consumer.handled:2"]
)
async def test_kill_nine_in_the_middle_loses_nothing_and_gives_nobody_too_many(
    kafka_bootstrap: str, mongo_uri: str, topic_prefix: str, database_prefix: str, tmp_path: Path, step: str
) -> None:
    async with on_servers(kafka_bootstrap, mongo_uri, topic_prefix, database_prefix) as servers:
        await servers.apply(company(AGENTS, capacity=CAPACITY))
        await servers.tell([(f"k{n}", received(n)) for n in range(CONVERSATIONS)])
        few = {"POSTROOM_MAX_RECORDS": "150"}  # more batches than steps are counted
        victim = _start(servers, tmp_path / "victim.log", {"POSTROOM_KILL_AT": step, **few})
        others: list[subprocess.Popen[bytes]] = []
        try:
            await asyncio.wait_for(asyncio.to_thread(victim.wait), 100)
            assert victim.returncode == -9, (tmp_path / "victim.log").read_text()
            await bury(servers.settings)
            others += [_start(servers, tmp_path / f"{n}.log", {}) for n in range(2)]
            async with servers.follow() as log:

                async def all_decided() -> bool:
                    found = owners((await log.read()).values())
                    return len(found) == CONVERSATIONS and sum(map(bool, found.values())) == AGENTS * CAPACITY

                await until(all_decided, "every conversation is owned or waits, every place is taken", 150)
        finally:
            for process in [victim, *others]:
                process.terminate()
                process.wait(40)
        events = await servers.log()
        client = mongo.connect(servers.settings)
        documents = mongo.database(client, servers.settings, "assigner")["assignments"]
        stored = {d["_id"]: d["state"].get("slot") async for d in documents.find({}, {"state.slot": 1})}
        await mongo.close(client)
    assert max(most_at_once(events).values()) == CAPACITY
    assert stored == owners(events)
    sequences = [(e.key, e.sequence) for e in events if e.source == "/postroom/assigner"]
    assert len(set(sequences)) == len(sequences)
    assert check_records(events) == AGENTS * CAPACITY
    assert sum(isinstance(e.data, ConversationQueued) for e in events) >= CONVERSATIONS - AGENTS * CAPACITY
    assert sum(isinstance(e.data, ConversationAssigned) for e in events) == AGENTS * CAPACITY


def _start(servers: Servers, log: Path, more: dict[str, str]) -> subprocess.Popen[bytes]:
    s = servers.settings
    environment = os.environ | {
        "POSTROOM_KAFKA_BOOTSTRAP": s.kafka_bootstrap,
        "POSTROOM_MONGO_URI": s.mongo_uri.get_secret_value(),
        "POSTROOM_TOPIC_PREFIX": s.topic_prefix,
        "POSTROOM_DATABASE_PREFIX": s.database_prefix,
        "POSTROOM_SESSION_TIMEOUT_MS": "6000",
        "POSTROOM_ASSIGNER_SWEEP_SECONDS": "2",
        "POSTROOM_ASSIGNER_ORPHAN_SECONDS": "3",
    }
    command = [sys.executable, "-m", "postroom_runtime.cli", "run", "assigner"]
    with log.open("wb") as out:
        return subprocess.Popen(command, env=environment | more, stdout=out, stderr=out)
