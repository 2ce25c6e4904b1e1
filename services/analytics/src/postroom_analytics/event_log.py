"""The event log read from offset 0 without a group, up to where it ends now, and later on from there."""

from collections.abc import AsyncIterator
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from postroom_contracts.topics import CONVERSATION_EVENTS
from postroom_runtime.kafka import client_options
from postroom_runtime.settings import RuntimeSettings

BATCH = 500


class EventLog:
    """Use as `async with EventLog(settings) as log`; each `to_end` goes on where the one before ended."""

    def __init__(self, settings: RuntimeSettings) -> None:
        self.topic = settings.topic(CONVERSATION_EVENTS.name)
        self._partitions = [TopicPartition(self.topic, n) for n in range(settings.partitions)]
        self._consumer = AIOKafkaConsumer(
            **client_options(settings), enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=200
        )

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        try:
            found = await self._find_partitions()
            self._consumer.assign(found)
            begins: dict[Any, int] = await self._consumer.beginning_offsets(found)
            for partition, offset in begins.items():
                self._consumer.seek(partition, offset)
        except BaseException:
            await self._consumer.stop()
            raise
        return self

    async def _find_partitions(self) -> list[TopicPartition]:
        """Return the partitions that the topic has. Raises LookupError when it does not exist."""
        if self.topic not in await self._consumer.topics():
            raise LookupError(f"topic {self.topic} does not exist; create it with `postroom topics apply`")
        found = self._consumer.partitions_for_topic(self.topic)
        return self._partitions if not found else [TopicPartition(self.topic, n) for n in sorted(found)]

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def to_end(self) -> AsyncIterator[list[ConsumerRecord]]:
        """Yield what stands between here and where the log ends at the time of this call, in batches, in order."""
        partitions = list(self._consumer.assignment())
        ends: dict[Any, int] = await self._consumer.end_offsets(partitions)
        while behind := [p for p in partitions if await self._consumer.position(p) < ends[p]]:
            for records in (await self._consumer.getmany(*behind, timeout_ms=300, max_records=BATCH)).values():
                if records:
                    yield records
