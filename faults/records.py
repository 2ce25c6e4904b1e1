"""The topics as an outsider reads them: plain aiokafka, JSON and the CloudEvents headers. No package of the product."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition


@dataclass(frozen=True, slots=True)
class Record:
    """One record: what its headers say, and its body. `sequence` is 0 where there is none."""

    type: str
    """Such as `message-received`, without the common prefix and version."""
    source: str
    id: str
    subject: str
    sequence: int
    data: Mapping[str, Any]
    partition: int = 0
    offset: int = 0


def decode(headers: Sequence[tuple[str, bytes]], body: bytes | None, partition: int = 0, offset: int = 0) -> Record:
    """Return the record. Raises KeyError or ValueError for one that is no CloudEvent in binary mode."""
    found = {name: (value or b"").decode() for name, value in headers}
    return Record(
        type=found["ce_type"].removeprefix("org.postroom.").rpartition(".")[0],
        source=found["ce_source"],
        id=found["ce_id"],
        subject=found["ce_subject"],
        sequence=int(found.get("ce_sequence") or 0),
        data=json.loads(body or b"{}"),
        partition=partition,
        offset=offset,
    )


async def read_topic(bootstrap: str, topic: str) -> list[Record]:
    """Return all records of a topic as it stands now, each partition in order."""
    return [decode(raw.headers, raw.value, raw.partition, raw.offset) async for raw in _raw(bootstrap, topic)]


async def count_records(bootstrap: str, topics: Sequence[str]) -> int:
    """Return how many records stand on topics of whatever content: dead letters."""
    count = 0
    for topic in topics:
        async for _ in _raw(bootstrap, topic):
            count += 1
    return count


async def _raw(bootstrap: str, topic: str) -> Any:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        await consumer._client.set_topics([topic])  # noqa: SLF001 - there is no public way to learn a topic's partitions
        partitions = [TopicPartition(topic, p) for p in sorted(consumer.partitions_for_topic(topic) or ())]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        begins = await consumer.beginning_offsets(partitions)
        remaining = {tp for tp in partitions if begins[tp] < ends[tp]}
        while remaining:
            for records in (await consumer.getmany(timeout_ms=500, max_records=1000)).values():
                for record in records:
                    yield record
            for tp in list(remaining):
                if await consumer.position(tp) >= ends[tp]:
                    remaining.discard(tp)
    finally:
        await consumer.stop()
