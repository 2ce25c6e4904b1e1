"""When a deployment has nothing left to do: every group has committed all that stands on its topics."""

from collections.abc import Iterable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from postroom_contracts.topics import GROUP_BY_NAME
from postroom_runtime.settings import RuntimeSettings

Ends = dict[Any, int]


async def ends_if_done(
    settings: RuntimeSettings, consumer: AIOKafkaConsumer, admin: AIOKafkaAdminClient, groups: Iterable[str]
) -> Ends | None:
    """Return where the topics of these groups (without prefix) end if each group has committed up to there, else None.

    A service publishes before it commits, so nothing follows from what was read as long as two looks give the same.
    """
    groups = list(groups)
    committed = [await admin.list_consumer_group_offsets(f"{settings.topic_prefix}{group}") for group in groups]
    topics = {settings.topic(t.name) for group in groups for t in GROUP_BY_NAME[group].topics}
    partitions = [TopicPartition(topic, n) for topic in topics for n in range(settings.partitions)]
    ends: Ends = await consumer.end_offsets(partitions)
    for group, offsets in zip(groups, committed, strict=True):
        own = {settings.topic(t.name) for t in GROUP_BY_NAME[group].topics}
        for partition in (p for p in partitions if p.topic in own):
            done = offsets[partition].offset if partition in offsets else 0
            if max(0, done) < ends[partition]:
                return None
    return ends
