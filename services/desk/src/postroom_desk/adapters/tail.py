"""Tails of topics: every replica reads all partitions from the present end on, without a group."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import ClassVar

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from postroom_contracts.topics import CONVERSATION_EVENTS, Topic
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.kafka import client_options
from postroom_runtime.records import header_map
from postroom_runtime.settings import RuntimeSettings

from postroom_desk.domain.logged import logged_event
from postroom_desk.domain.positions import LogPosition
from postroom_desk.live import Broadcaster

log = structlog.get_logger(__name__)
_START_SECONDS = 30.0
ERROR_SECONDS = 0.5


class TopicTail:
    """Follows one topic. `start` returns when the end of every partition is fixed: nothing sent afterwards is missed."""

    topic: ClassVar[Topic]

    def __init__(self, settings: RuntimeSettings) -> None:
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None
        self._next: dict[TopicPartition, int] = {}
        """The offset that comes next of each partition: after an error the client may be somewhere else."""
        self._gaps: dict[TopicPartition, int] = {}

    def _begun(self, partition: TopicPartition, end: int) -> None:
        """Be told where a partition ends at the start."""
        raise NotImplementedError

    def _take(self, record: ConsumerRecord) -> None:
        """Take a record, in order per partition."""
        raise NotImplementedError

    async def start(self) -> None:
        """Raises InfrastructureError when Kafka does not answer, LookupError when the topic is not there."""
        topic = self._settings.topic(self.topic.name)
        consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            enable_auto_commit=False,
            auto_offset_reset="latest",
            fetch_max_wait_ms=100,
        )
        try:
            async with asyncio.timeout(_START_SECONDS):
                await consumer.start()
                await self._begin(consumer, topic)
        except (TimeoutError, KafkaError) as error:
            await _stopped(consumer)
            raise InfrastructureError(f"tail: {type(error).__name__}") from error
        except LookupError:
            await _stopped(consumer)
            raise
        self._consumer = consumer

    async def _begin(self, consumer: AIOKafkaConsumer, topic: str) -> None:
        # The consumer knows no topic until it asks for it: the metadata of one that it does not follow is not kept.
        await consumer._client.force_metadata_update()  # noqa: SLF001 - as partitions_for_topic needs it
        partitions = consumer.partitions_for_topic(topic)
        if not partitions:
            raise LookupError(f"topic {topic} does not exist; create it with `postroom topics apply`")
        assigned = [TopicPartition(topic, p) for p in sorted(partitions)]
        consumer.assign(assigned)
        await consumer.seek_to_end(*assigned)
        for tp in assigned:
            end = await consumer.position(tp)
            self._next[tp] = end
            self._begun(tp, end)

    async def follow(self) -> None:
        """Hand on what comes, until cancelled. Kafka away: nothing comes, and it goes on where it was."""
        assert self._consumer is not None
        while True:
            try:
                fetched = await self._consumer.getmany(timeout_ms=1000)
            except KafkaError as error:
                log.warning("tail waits", error=type(error).__name__)
                await asyncio.sleep(ERROR_SECONDS)
                self._seek_back()
                continue
            for tp, records in fetched.items():
                if self._follows(tp, records):
                    self._take_all(tp, records)

    def _seek_back(self) -> None:
        """Go on behind what was taken: a poll that failed may have passed over records."""
        assert self._consumer is not None
        for tp, offset in self._next.items():
            self._consumer.seek(tp, offset)

    def _follows(self, tp: TopicPartition, records: Sequence[ConsumerRecord]) -> bool:
        """Say whether nothing is missing before these records. If something is, fetch from there, once.

        The client goes to the end by itself when the broker does not know its position for a moment; what is still missing the
        second time is not on the broker.
        """
        assert self._consumer is not None
        expected = self._next.get(tp, 0)
        if not records or records[0].offset <= expected or self._gaps.get(tp) == expected:
            return True
        log.warning("tail goes back", partition=tp.partition, missing=records[0].offset - expected)
        self._gaps[tp] = expected
        self._consumer.seek(tp, expected)
        return False

    def _take_all(self, tp: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
        for record in records:
            self._take(record)
            self._next[tp] = max(record.offset + 1, self._next.get(tp, 0))

    async def stop(self) -> None:
        if self._consumer is not None:
            await _stopped(self._consumer)


class KafkaTail(TopicTail):
    """Feeds a Broadcaster with the facts."""

    topic = CONVERSATION_EVENTS

    def __init__(self, settings: RuntimeSettings, broadcaster: Broadcaster) -> None:
        super().__init__(settings)
        self._broadcaster = broadcaster

    def _begun(self, partition: TopicPartition, end: int) -> None:
        if end > 0:
            self._broadcaster.reached.advance(LogPosition(partition.partition, end - 1))

    def _take(self, record: ConsumerRecord) -> None:
        position = LogPosition(record.partition, record.offset)
        event = logged_event(position, header_map(record), record.value, record.timestamp)
        if event is not None:
            self._broadcaster.publish(event)


async def _stopped(consumer: AIOKafkaConsumer) -> None:
    with contextlib.suppress(KafkaError, TimeoutError):
        await asyncio.wait_for(consumer.stop(), 5)
