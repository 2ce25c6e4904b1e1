"""Dead letters that nobody has dealt with, of every group, as series: they expire, and somebody must act before.

A letter stays on its topic until it expires, whatever becomes of it. It is dealt with when a copy of it, by its origin, was
given back to the group later than it was parked: a replay is such a copy, and so is a discard.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from postroom_contracts.topics import Group, dead_letter_topic, replay_topic
from prometheus_client import Gauge

from postroom_runtime.kafka import Publisher, client_options
from postroom_runtime.records import MARKER, ORIGIN_OFFSET, ORIGIN_PARTITION, ORIGIN_TOPIC
from postroom_runtime.settings import RuntimeSettings

OLDEST_SECONDS = Gauge(
    "postroom_dead_letters_oldest_seconds",
    "For how long the oldest dead letter of a group has waited to be replayed or discarded; they expire after 30 days.",
    ["group"],
)
WAITING = Gauge(
    "postroom_dead_letters_waiting",
    "Dead letters of a group that nobody has replayed or discarded (at most 100,000 are counted).",
    ["group"],
)
MAX_LETTERS = 100_000
POLL_SECONDS = 2.0
Origin = tuple[bytes, bytes, bytes]


@dataclass
class Unsettled:
    """What is known of one group's letters: origin -> when it was parked last, and when it was given back last (ms)."""

    parked: dict[Origin, int] = field(default_factory=dict)
    given_back: dict[Origin, int] = field(default_factory=dict)

    def take(self, origin: Origin, at_ms: int, *, replay: bool) -> None:
        """Note a record of the dead-letter topic, or of the replay topic; in whatever order the two are read."""
        known = self.given_back if replay else self.parked
        if origin in known or len(known) < MAX_LETTERS:
            known[origin] = max(at_ms, known.get(origin, 0))
        if self.parked.get(origin, 0) < self.given_back.get(origin, -1):
            self.parked.pop(origin, None)

    def forget(self, before_ms: int) -> None:
        """Drop what Kafka has dropped."""
        for known in (self.parked, self.given_back):
            for origin in [o for o, at in known.items() if at < before_ms]:
                del known[origin]

    def oldest_ms(self) -> int | None:
        return min(self.parked.values(), default=None)


def origin_of(record: ConsumerRecord) -> Origin | None:
    """Return where a letter or its copy first stood; None for what is neither (markers, and what is none of ours)."""
    headers = dict(record.headers)
    found = [headers.get(name) for name in (ORIGIN_TOPIC, ORIGIN_PARTITION, ORIGIN_OFFSET)]
    if MARKER in headers or not all(found):
        return None
    return found[0] or b"", found[1] or b"", found[2] or b""


class DeadLetterWatch:
    """Reads the dead-letter and replay topics of all `groups` from their beginning, then follows them for ever."""

    def __init__(self, settings: RuntimeSettings, publisher: Publisher, groups: Sequence[Group]) -> None:
        self._settings = settings
        self._publisher = publisher
        self._known = {group.name: Unsettled() for group in groups}
        self._kept_ms = {group.name: dead_letter_topic(group.name).retention_ms for group in groups}
        self._topics = {settings.topic(dead_letter_topic(g.name).name): (g.name, False) for g in groups}
        self._topics |= {settings.topic(replay_topic(g.name).name): (g.name, True) for g in groups}

    async def run(self) -> None:
        """Follow until cancelled. Raises what keeps it from connecting; it begins anew when it is called again."""
        consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=1000,
        )
        await consumer.start()
        try:
            counts = {topic: await self._publisher.partitions(topic) for topic in self._topics}
            partitions = [TopicPartition(topic, p) for topic, count in counts.items() for p in range(count)]
            consumer.assign(partitions)
            await consumer.seek_to_beginning(*partitions)
            while True:
                for records in (await consumer.getmany(timeout_ms=int(POLL_SECONDS * 1000))).values():
                    self.take(records)
                self.report(time.time())
        finally:
            await consumer.stop()

    def take(self, records: Sequence[ConsumerRecord]) -> None:
        for record in records:
            group, replay = self._topics[record.topic]
            origin = origin_of(record)
            if origin is not None:
                self._known[group].take(origin, record.timestamp, replay=replay)

    def report(self, now: float) -> None:
        """Set the series as of `now`, seconds since the epoch."""
        for group, known in self._known.items():
            known.forget(int(now * 1000) - self._kept_ms[group])
            oldest = known.oldest_ms()
            OLDEST_SECONDS.labels(group).set(max(0.0, now - oldest / 1000) if oldest is not None else 0.0)
            WAITING.labels(group).set(len(known.parked))
