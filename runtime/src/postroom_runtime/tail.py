"""Reading a topic without a group: for `events tail`, dead letters, and whoever follows live."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from postroom_runtime.kafka import client_options
from postroom_runtime.settings import RuntimeSettings


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    """Return the topic's partitions. Raises LookupError when it does not exist."""
    for _ in range(50):
        await consumer._client.force_metadata_update()  # noqa: SLF001 - no public way to ask anew
        found = consumer.partitions_for_topic(topic)
        if found:
            return [TopicPartition(topic, p) for p in sorted(found)]
        if topic not in await consumer.topics():
            break
        await asyncio.sleep(0.1)
    raise LookupError(f"topic {topic} does not exist; create it with `postroom topics apply`")


async def read_to_end(settings: RuntimeSettings, topic: str) -> AsyncIterator[ConsumerRecord]:
    """Yield every record that stands on `topic` now, each partition in order, then end."""
    async for record in _read(settings, topic, from_beginning=True, follow=False):
        yield record


async def follow(settings: RuntimeSettings, topic: str, *, from_beginning: bool) -> AsyncIterator[ConsumerRecord]:
    """Yield records as they come, for ever; with `from_beginning` those that stand there first."""
    async for record in _read(settings, topic, from_beginning=from_beginning, follow=True):
        yield record


async def _read(
    settings: RuntimeSettings, topic: str, *, from_beginning: bool, follow: bool
) -> AsyncIterator[ConsumerRecord]:
    consumer = AIOKafkaConsumer(**client_options(settings), enable_auto_commit=False, fetch_max_wait_ms=200)
    await consumer.start()
    try:
        partitions = await _partitions(consumer, topic)
        consumer.assign(partitions)
        ends: dict[Any, int] = await consumer.end_offsets(partitions)
        begins: dict[Any, int] = await consumer.beginning_offsets(partitions)
        for tp in partitions:
            consumer.seek(tp, begins[tp] if from_beginning else ends[tp])
        remaining = {tp for tp in partitions if begins[tp] < ends[tp]}
        while follow or remaining:
            for records in (await consumer.getmany(timeout_ms=300, max_records=500)).values():
                for record in records:
                    yield record
            for tp in list(remaining):
                if await consumer.position(tp) >= ends[tp]:
                    remaining.discard(tp)
    finally:
        await consumer.stop()
