"""How far each group is behind, read from Kafka itself: a service that was killed cannot tell."""

from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from postroom_contracts.topics import GROUPS
from postroom_runtime.kafka import client_options
from postroom_runtime.settings import RuntimeSettings


@dataclass(slots=True)
class LagReader:
    """Asks the broker for the ends of topics and the committed offsets of groups."""

    settings: RuntimeSettings
    _admin: Any = None
    _consumer: Any = None

    async def start(self) -> None:
        self._admin = AIOKafkaAdminClient(**client_options(self.settings))
        await self._admin.start()
        self._consumer = AIOKafkaConsumer(**client_options(self.settings))
        await self._consumer.start()

    async def read(self) -> dict[str, int]:
        """Return group -> records not yet committed; a group that never committed counts from the beginning."""
        partitions = {
            group.name: [TopicPartition(self.settings.topic(t.name), n) for t in group.topics for n in self._numbers()]
            for group in GROUPS
        }
        every = sorted({one for some in partitions.values() for one in some})
        ends = await self._consumer.end_offsets(every)
        found = {}
        for group in GROUPS:
            committed = await self._admin.list_consumer_group_offsets(f"{self.settings.topic_prefix}{group.name}")
            offsets = {tp: max(meta.offset, 0) for tp, meta in committed.items()}
            found[group.name] = sum(ends[tp] - offsets.get(tp, 0) for tp in partitions[group.name])
        return found

    def _numbers(self) -> range:
        return range(self.settings.partitions)

    async def stop(self) -> None:
        if self._consumer is not None:
            await self._consumer.stop()
        if self._admin is not None:
            await self._admin.close()
