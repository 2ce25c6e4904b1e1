"""How far a group is behind: for KEDA and people as a series, for timers as a number of seconds.

It is looked at every two seconds beside the consumer, so that it rises while the consumer is stuck, waits or is stopped.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import structlog
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from postroom_runtime.clock import monotonic
from postroom_runtime.kafka import client_options
from postroom_runtime.metrics import KAFKA_ANSWER_SECONDS, KAFKA_UP, LAG, LAG_SECONDS
from postroom_runtime.settings import RuntimeSettings

log = structlog.get_logger(__name__)
LOOK_SECONDS = 2.0
LOOK_TIMEOUT_SECONDS = 5.0


class Lag:
    """What is known of one group's backlog. Partitions of all members count for `seconds`, ours for the series.

    `marks` of a partition say when a log end was first seen: what stood below it then and is not committed is as old.
    """

    def __init__(self, group: str) -> None:
        self.assigned: frozenset[TopicPartition] = frozenset()
        self.group = group
        self._marks: dict[TopicPartition, deque[tuple[int, float]]] = {}
        self._ends: dict[TopicPartition, int] = {}
        self._done: dict[TopicPartition, int] = {}
        self._fetched: dict[TopicPartition, float] = {}
        self._reported: set[TopicPartition] = set()
        self._looked_at: float | None = None

    def fetched(self, records: Sequence[ConsumerRecord]) -> None:
        """Note the time of the first record in hand of each partition: it knows its age better than a look at the end."""
        last: TopicPartition | None = None
        for record in records:  # a poll's records come partition by partition
            if last is None or record.partition != last.partition or record.topic != last.topic:
                last = TopicPartition(record.topic, record.partition)
                self._fetched.setdefault(last, record.timestamp / 1000)

    def committed(self, offsets: Mapping[TopicPartition, int]) -> None:
        for tp, offset in offsets.items():
            self._done[tp] = offset
            self._fetched.pop(tp, None)
            self._drop_marks(tp)

    def _drop_marks(self, tp: TopicPartition) -> None:
        marks = self._marks.get(tp)
        while marks and marks[0][0] <= self._done.get(tp, 0):
            marks.popleft()

    def observe(self, ends: Mapping[TopicPartition, int], done: Mapping[TopicPartition, int], now: float) -> None:
        """Take in one look: the log ends and the group's committed offsets (absent: none yet)."""
        for tp, end in ends.items():
            marks = self._marks.setdefault(tp, deque())
            first = tp not in self._ends
            if end > self._ends.get(tp, 0):
                marks.append((end, -math.inf if first else now))
            self._ends[tp] = end
            self._done[tp] = done.get(tp, 0) if tp not in self.assigned else max(done.get(tp, 0), self._done.get(tp, 0))
            self._drop_marks(tp)
        self._looked_at = now if self._looked_at is None else self._looked_at
        self.report(now)

    def records(self, tp: TopicPartition) -> int:
        return max(0, self._ends.get(tp, 0) - self._done.get(tp, 0))

    def reached(self, tp: TopicPartition) -> int:
        """Return up to where the group had committed at the last look; 0 when that is not known."""
        return self._done.get(tp, 0)

    def seconds(self, now: float | None = None) -> float:
        """Return for how long the oldest uncommitted record has waited; infinite while that is not known."""
        if self._looked_at is None:
            return math.inf
        now = monotonic() if now is None else now
        return max((self._age(tp, now) for tp in self._ends), default=0.0)

    def total(self) -> int:
        """Return how many records of all partitions are not committed."""
        return sum(self.records(tp) for tp in self._ends)

    def known_seconds(self, now: float) -> float:
        """Return for how long the oldest uncommitted record is known to wait: a backlog found at first begins then."""
        if self._looked_at is None:
            return 0.0
        return min(self.seconds(now), now - self._looked_at)

    def _age(self, tp: TopicPartition, now: float) -> float:
        marks = self._marks.get(tp)
        if tp in self._fetched:
            return max(0.0, time.time() - self._fetched[tp])  # a broker's or producer's time, not that of our clock
        return now - marks[0][1] if marks else 0.0

    def report(self, now: float) -> None:
        """Set the series of our partitions as of `now` (monotonic seconds)."""
        for tp in self.assigned & self._ends.keys():
            age = self._age(tp, now)
            LAG.labels(self.group, tp.topic, tp.partition).set(self.records(tp))
            LAG_SECONDS.labels(self.group, tp.topic, tp.partition).set(age if math.isfinite(age) else 0.0)
            self._reported.add(tp)

    def forget(self) -> None:
        """Drop the series of partitions that are ours no more: their next owner reports them."""
        for tp in self._reported:
            LAG.remove(self.group, tp.topic, str(tp.partition))
            LAG_SECONDS.remove(self.group, tp.topic, str(tp.partition))
        self._reported.clear()
        self._fetched.clear()
        self.assigned = frozenset()


class Ends(Protocol):
    """What a look needs of a consumer."""

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]: ...


async def look(lag: Lag, ends: Ends, admin: AIOKafkaAdminClient, group_id: str, topics: Mapping[str, int]) -> None:
    """Read log ends and committed offsets of all partitions of `topics` (name to count) once."""
    partitions = [TopicPartition(topic, p) for topic, count in topics.items() for p in range(count)]
    async with asyncio.timeout(LOOK_TIMEOUT_SECONDS):
        found: Any = await admin.list_consumer_group_offsets(group_id)
        there = await ends.end_offsets(partitions)
    lag.observe(there, {tp: meta.offset for tp, meta in found.items() if meta.offset >= 0}, monotonic())


class LagReporter:
    """Looks at the lag of every consumer of a process, for ever."""

    def __init__(self, settings: RuntimeSettings, service: str) -> None:
        self._settings = settings
        self._service = service
        self._admin: AIOKafkaAdminClient | None = None

    async def _connected(self) -> AIOKafkaAdminClient:
        if self._admin is None:
            admin = AIOKafkaAdminClient(**client_options(self._settings))
            try:
                await admin.start()
            except BaseException:
                await admin.close()
                raise
            self._admin = admin
        return self._admin

    async def turn(self, lag: Lag, ends: Ends, group_id: str, topics: Mapping[str, int]) -> bool:
        """Look once; return whether Kafka answered. What cannot be asked anew grows older all the same."""
        started = monotonic()
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_SECONDS * 2):
                await look(lag, ends, await self._connected(), group_id, topics)
            KAFKA_UP.labels(self._service).set(1)
            KAFKA_ANSWER_SECONDS.labels(self._service).set(monotonic() - started)
            return True
        except Exception as error:  # noqa: BLE001 - a measurement harms nobody
            log.info("lag not known", group=group_id, error=type(error).__name__)
            KAFKA_UP.labels(self._service).set(0)
            lag.report(monotonic())
            await self.close()
            return False

    async def close(self) -> None:
        if self._admin is not None:
            admin, self._admin = self._admin, None
            await admin.close()
