"""A deployment with analytics, its database, and the same log folded in memory beside it."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from postroom_analytics.domain.documents import row_from_document
from postroom_analytics.domain.log import FoldedLog
from postroom_analytics.reads import MetricsReads
from postroom_contracts.configuration import Configuration
from postroom_contracts.events import Event
from postroom_contracts.topics import CONVERSATION_EVENTS
from postroom_runtime import mongo
from prometheus_client.parser import text_string_to_metric_families

from tests.deployment import Deployment, ServiceProcess
from tests.integration.analytics.history import company

T = TypeVar("T")
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Figures:
    """What one test asks of its analytics."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.client = mongo.connect(deployment.settings)
        self.database = mongo.database(self.client, deployment.settings, "analytics")
        self.reads = MetricsReads(self.database)
        self.published: list[Event] = []
        self.configurations: dict[int, Configuration] = {1: company()}

    async def start(self, **env: str) -> ServiceProcess:
        process = self.deployment.start("analytics", **env)
        await process.ready()
        return process

    async def publish(self, events: Sequence[Event]) -> None:
        """Publish facts that no one published before."""
        self.published += events
        await self.again(events)

    async def again(self, events: Sequence[Event]) -> None:
        for at in range(0, len(events), 500):
            await self.deployment.publisher.publish_events(CONVERSATION_EVENTS, events[at : at + 500])

    async def publish_while(self, events: Sequence[Event], work: Coroutine[Any, Any, T], size: int) -> T:
        """Publish a few at a time while `work` goes on, however long that takes, and the rest after it."""
        working = asyncio.create_task(work)
        for at in range(0, len(events), size):
            if len(events) - at <= 2 * size:
                await working
            await self.publish(events[at : at + size])
            await asyncio.wait({working}, timeout=0.25)
        return await working

    @property
    def topic(self) -> str:
        return self.deployment.settings.topic(CONVERSATION_EVENTS.name)

    @property
    def group(self) -> str:
        return f"{self.deployment.settings.topic_prefix}analytics"

    async def lag(self) -> int:
        """Return how many records the group has not committed yet."""
        bootstrap = self.deployment.settings.kafka_bootstrap
        partitions = [TopicPartition(self.topic, n) for n in range(self.deployment.settings.partitions)]
        consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await consumer.start()
        await admin.start()
        try:
            ends = await consumer.end_offsets(partitions)
            done = await admin.list_consumer_group_offsets(self.group)
        finally:
            await admin.close()
            await consumer.stop()
        return sum(end - max(0, done[tp].offset if tp in done else 0) for tp, end in ends.items())

    async def settled(self, timeout_seconds: float = 90) -> None:
        """Return when everything that stands on the log is folded and committed."""
        deadline = time.monotonic() + timeout_seconds
        while (lag := await self.lag()) > 0:
            if time.monotonic() > deadline:
                logs = "\n".join(p.log.read_text()[-2000:] for p in self.deployment.processes)
                raise AssertionError(f"{lag} records behind\n{logs}")
            await asyncio.sleep(0.2)

    async def reset_offsets(self) -> None:
        """Have the group, which must be empty, begin the log anew."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.deployment.settings.kafka_bootstrap, group_id=self.group, enable_auto_commit=False
        )
        partitions = [TopicPartition(self.topic, n) for n in range(self.deployment.settings.partitions)]
        await consumer.start()
        try:
            consumer.assign(partitions)
            await consumer.commit(dict.fromkeys(partitions, 0))
        finally:
            await consumer.stop()

    def folded(self, events: Iterable[Event] | None = None) -> FoldedLog:
        """Return the log folded in memory, from scratch."""
        log = FoldedLog(dict(self.configurations))
        log.fold(self.published if events is None else events)
        return log

    async def stored(self) -> dict[str, dict[str, Any]]:
        """Return all rows and rollups in use, rollups merged over partitions, without the history of withdrawals."""
        generation = int(((await self.database["meta"].find_one({"_id": "generation"})) or {"active": 1})["active"])
        rows = {d["_id"]: asdict(row_from_document(d)) async for d in self.database[f"rows_{generation}"].find({})}
        return {"rows": rows, "rollups": await self.reads.rollups(generation)}

    async def assert_equal_to_fold(self) -> None:
        """Compare what is stored with the log folded in memory, name by name."""
        await self.settled()
        stored, expected = await self.stored(), in_documents(self.folded())
        for part in ("rows", "rollups"):
            differing = [
                k for k in stored[part].keys() | expected[part].keys() if stored[part].get(k) != expected[part].get(k)
            ]
            shown = {k: (stored[part].get(k), expected[part].get(k)) for k in sorted(differing)[:3]}
            assert not differing, f"{len(differing)} {part} differ, such as {shown}"

    def rebuild(self, *options: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "postroom_runtime.cli", "analytics", "rebuild", *options],
            env={**os.environ, **self.deployment.env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def in_documents(log: FoldedLog) -> dict[str, dict[str, Any]]:
    rows = {row.id: asdict(row) for conversation in log.rows for row in log.rows_of(conversation)}
    rollups = {}
    for cell, numbers in log.rollups.items():
        names = cell._asdict()
        kept = _without_zeros({k: v for k, v in numbers.items() if k != "withdrawn"})
        if kept:
            rollups[f"{cell.scope} {cell.cut} {cell.value}".rstrip()] = {**names, **kept}
    return {"rows": rows, "rollups": rollups}


def _without_zeros(numbers: dict[str, Any]) -> dict[str, Any]:
    inner = {k: _without_zeros(v) if isinstance(v, dict) else v for k, v in numbers.items()}
    return {k: v for k, v in inner.items() if v not in (0, {})}


def ask(process: ServiceProcess, path: str) -> tuple[int, Any]:
    """Return status and body of a request to the API."""
    try:
        with urllib.request.urlopen(f"{process.url}{path}", timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def business(process: ServiceProcess) -> Samples:
    """Return the business series of one scrape: everything with a cut."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(process.get("/metrics"))
        for sample in family.samples
        if "cut" in sample.labels
    }


def counters(samples: Samples) -> Samples:
    """Return what must never fall: all but the counts of now."""
    return {place: value for place, value in samples.items() if place[0] != "postroom_conversations_now"}


async def wait_for(is_true: Callable[[], bool], what: str, timeout_seconds: float = 60) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not await asyncio.to_thread(is_true):
        assert time.monotonic() < deadline, f"{what}: not within {timeout_seconds:g} s"
        await asyncio.sleep(0.1)


@pytest.fixture
async def figures(
    kafka_bootstrap: str, mongo_uri: str, topic_prefix: str, database_prefix: str
) -> AsyncIterator[Figures]:
    async with Deployment(
        kafka_bootstrap, mongo_uri, topic_prefix, database_prefix, heartbeat_interval_ms=500
    ) as deployment:
        await deployment.configure(company())
        made = Figures(deployment)
        with contextlib.closing(made.client):
            yield made
