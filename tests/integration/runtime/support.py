"""What the tests of the runtime share: topics, feeding, members in this process or as processes, and the checks."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from aiokafka import AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from postroom_contracts.topics import (
    CONVERSATION_COMMANDS,
    CONVERSATION_EVENTS,
    dead_letter_topic,
    replay_topic,
)
from postroom_runtime.documents import from_mongo
from postroom_runtime.kafka import Publisher, client_options, create_topics
from postroom_runtime.service import Runtime, connect
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.tail import read_to_end
from pydantic import SecretStr
from pymongo import MongoClient

from tests.integration.runtime.toy import FOLLOWERS, GROUP, Notes, Toy

ROOT = Path(__file__).resolve().parents[3]
FAST = {"heartbeat_interval_ms": 300, "rebalance_timeout_ms": 8000}
"""Timeouts of a group in tests: members learn of each other within 0.3 s. The session's is as it is everywhere: a machine that
is busy for some seconds puts nobody out, and a broker is told of who was killed (`bury`)."""


@dataclass
class Bench:
    """One test's topics and databases, and what can be asked about them."""

    settings: RuntimeSettings
    processes: list[Process] = field(default_factory=list)
    processes_dir: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="toy-")))
    """Logs and ports of the processes, and files that switch the toy."""

    def close(self) -> None:
        for process in self.processes:
            process.close()
        shutil.rmtree(self.processes_dir, ignore_errors=True)

    def topic(self, name: str) -> str:
        return self.settings.topic(name)

    @property
    def commands(self) -> str:
        return self.topic(CONVERSATION_COMMANDS.name)

    @property
    def dead_letters(self) -> str:
        return self.topic(dead_letter_topic(GROUP.name).name)

    groups = (GROUP.name, FOLLOWERS.name)

    async def make_topics(self) -> None:
        topics = [make(group) for group in self.groups for make in (dead_letter_topic, replay_topic)]
        await create_topics(self.settings, [CONVERSATION_COMMANDS, CONVERSATION_EVENTS, *topics])

    async def publish(self, events: Iterable[Any], topic: Any = CONVERSATION_COMMANDS) -> None:
        async with publisher(self.settings) as out:
            await out.publish_events(topic, events)

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[AIOKafkaProducer]:
        """A plain producer, for what no publisher of ours would send."""
        producer = AIOKafkaProducer(**client_options(self.settings), acks="all")
        await producer.start()
        try:
            yield producer
        finally:
            await producer.stop()

    async def records(self, name: str) -> list[ConsumerRecord]:
        """Return all records of the topic `name` (without prefix), each partition in order."""
        return [record async for record in read_to_end(self.settings, self.topic(name))]

    async def effects(self) -> list[ConsumerRecord]:
        return await self.records(CONVERSATION_EVENTS.name)

    async def committed(self, group: str = GROUP.name) -> dict[TopicPartition, int]:
        admin = AIOKafkaAdminClient(**client_options(self.settings))
        await admin.start()
        try:
            found = await admin.list_consumer_group_offsets(f"{self.settings.topic_prefix}{group}")
            return {tp: meta.offset for tp, meta in found.items() if meta.offset > 0}
        finally:
            await admin.close()

    def notes(self, collection: str = "notes") -> dict[str, dict[str, Any]]:
        """Return the toy's documents as they are stored, by conversation."""
        with mongo(self.settings) as client:
            return {d["_id"]: d for d in client[self.settings.database("toy")][collection].find()}

    def states(self, collection: str = "notes") -> dict[str, list[str]]:
        """Return conversation to the message ids that were counted, in order."""
        states = {key: from_mongo(d, Notes).state for key, d in self.notes(collection).items()}
        return {key: list(state.ids) for key, state in states.items() if state}

    def holds(self) -> list[dict[str, Any]]:
        with mongo(self.settings) as client:
            return list(client[self.settings.database("toy")]["holds"].find())

    def start(self, kill_at: str = "", **environment: str) -> Process:
        process = Process(self.settings, self.processes_dir, kill_at, environment)
        self.processes.append(process)
        return process

    @asynccontextmanager
    async def member(self, toy: Toy | None = None, settings: RuntimeSettings | None = None) -> AsyncIterator[Runtime]:
        """A member of the groups in this process; it is stopped in order at the end."""
        runtime = await connect(toy or Toy(), settings or self.settings)
        await runtime.start()
        try:
            yield runtime
        finally:
            await runtime.stop()


def settings_for(kafka: str, mongo_uri: str, topic_prefix: str, database_prefix: str, **more: Any) -> RuntimeSettings:
    return RuntimeSettings(
        kafka_bootstrap=kafka,
        mongo_uri=SecretStr(mongo_uri),
        topic_prefix=topic_prefix,
        database_prefix=database_prefix,
        **{**FAST, **more},
    )


def mongo(settings: RuntimeSettings) -> MongoClient[dict[str, Any]]:
    uri = settings.mongo_uri.get_secret_value()
    return MongoClient(uri, serverSelectionTimeoutMS=10_000, tz_aware=True)


@asynccontextmanager
async def publisher(settings: RuntimeSettings) -> AsyncIterator[Publisher]:
    out = Publisher(settings)
    await out.start()
    try:
        yield out
    finally:
        await out.stop()


class Process:
    """The toy as a process of its own, with its HTTP door. `kill_at` is a step at which it dies."""

    def __init__(self, settings: RuntimeSettings, folder: Path, kill_at: str, environment: dict[str, str]) -> None:
        self.port_file = folder / f"{time.monotonic_ns()}.port"
        self.log_path = self.port_file.with_suffix(".log")
        given = {
            f"POSTROOM_{name.upper()}": str(value)
            for name, value in settings.model_dump(exclude_defaults=True).items()
            if name != "mongo_uri"
        }
        with self.log_path.open("wb") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.runtime.toy"],
                cwd=ROOT,
                stderr=log,
                stdout=log,
                env={
                    **os.environ,
                    **given,
                    "POSTROOM_MONGO_URI": settings.mongo_uri.get_secret_value(),
                    "POSTROOM_HTTP_PORT_FILE": str(self.port_file),
                    "POSTROOM_KILL_AT": kill_at,
                    **environment,
                },
            )

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port_file.read_text()}{path}", timeout=30)

    def ready(self) -> bool:
        try:
            return self.get("/readyz").status_code == 200
        except (OSError, httpx.HTTPError):
            return False

    def conditions(self) -> dict[str, bool]:
        found: dict[str, bool] = self.get("/readyz").json()
        return found

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of the series `name` that carry `labels`."""
        total = 0.0
        for line in self.get("/metrics").text.splitlines():
            series, _, value = line.rpartition(" ")
            if (series == name or series.startswith(name + "{")) and all(
                f'{k}="{v}"' in series for k, v in labels.items()
            ):
                total += float(value)
        return total

    async def until_ready(self, seconds: float = 90) -> Process:
        def ready() -> bool:
            assert self.popen.poll() is None, f"ended with {self.popen.returncode}: {self.log[-2000:]}"
            return self.ready()

        await until(ready, "the toy is ready", seconds)
        return self

    async def until_dead(self, seconds: float = 90) -> int:
        await until(lambda: self.popen.poll() is not None, f"the toy has ended: {self.log[-500:]}", seconds)
        return self.popen.returncode

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait(10)

    async def terminate(self, seconds: float = 60) -> int:
        self.popen.send_signal(signal.SIGTERM)
        return await self.until_dead(seconds)

    def close(self) -> None:
        if self.popen.poll() is None:
            self.kill()


async def until(
    holds: Callable[[], bool] | Callable[[], Awaitable[bool]], what: str, seconds: float = 60, every: float = 0.1
) -> None:
    """Return when `holds()` is true; fail naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        found = holds()
        if await found if isinstance(found, Awaitable) else found:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        await asyncio.sleep(every)


async def until_states(
    bench: Bench, expected: dict[str, list[str]], seconds: float = 60, collection: str = "notes"
) -> None:
    """Return when the stored states are `expected`; fail showing the first difference."""

    def differences() -> list[str]:
        there = bench.states(collection)
        return [f"{k}: {there.get(k)} instead of {v}" for k, v in expected.items() if there.get(k) != v]

    deadline = time.monotonic() + seconds
    while found := differences():
        if time.monotonic() > deadline:
            raise AssertionError(f"{len(found)} conversations differ after {seconds:g} s: {found[:3]}")
        await asyncio.sleep(0.1)
    extra = set(bench.states(collection)) - set(expected)
    assert not extra, f"conversations that nobody wrote to: {sorted(extra)[:5]}"


def check_log(records: Sequence[ConsumerRecord], expected: dict[str, list[str]]) -> int:
    """Fail unless the fold of `records` gives each of `expected` once, in order, numbered 1..n without a gap.

    A record may stand there again (same id); returns how many do.
    """
    seen_ids: set[str] = set()
    numbers: dict[str, int] = {}
    messages: dict[str, list[str]] = {}
    repeats = 0
    for record in records:
        headers = dict(record.headers)
        assert record.key is not None
        key, identifier = record.key.decode(), headers["ce_id"].decode()
        number = int(headers["ce_sequence"])
        last = numbers.get(key, 0)
        assert number <= last + 1, f"{key}: {number} stands behind {last}"
        if number <= last:
            assert identifier in seen_ids, f"{key}: number {number} was given twice"
            repeats += 1
            continue
        assert identifier not in seen_ids, f"{key}: one event under two numbers"
        seen_ids.add(identifier)
        numbers[key] = number
        messages.setdefault(key, []).append(_message_of(record))
    assert messages == expected
    return repeats


def _message_of(record: ConsumerRecord) -> str:
    import json

    assert record.value is not None
    found: str = json.loads(record.value)["message_id"]
    return found
