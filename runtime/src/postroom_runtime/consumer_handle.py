"""What a batch consumer needs of others: its part of aiokafka's consumer, a probe, and where the records of a poll lie."""

from collections.abc import Sequence
from typing import Protocol

from aiokafka import ConsumerRecord, TopicPartition

Ranges = dict[TopicPartition, tuple[int, int]]
"""The first and the last offset of each partition."""


class Probe(Protocol):
    async def __call__(self) -> None:
        """Return when everything that the handler needs answers; raise InfrastructureError otherwise."""
        ...


class ConsumerHandle(Protocol):
    """The part of aiokafka's consumer that is used; a fake stands in for it in tests."""

    def assignment(self) -> set[TopicPartition]: ...
    def seek(self, partition: TopicPartition, offset: int) -> None: ...
    def pause(self, *partitions: TopicPartition) -> None: ...
    def resume(self, *partitions: TopicPartition) -> None: ...
    async def commit(self, offsets: dict[TopicPartition, int]) -> None: ...
    async def committed(self, partition: TopicPartition) -> int | None: ...
    async def position(self, partition: TopicPartition) -> int: ...
    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]: ...


def ranges_of(records: Sequence[ConsumerRecord]) -> Ranges:
    """Return the first and the last offset of each partition; a poll's records come partition by partition, in order."""
    found: dict[TopicPartition, tuple[int, int]] = {}
    start = 0
    for end in range(1, len(records) + 1):
        last = records[end - 1]
        if end == len(records) or records[end].partition != last.partition or records[end].topic != last.topic:
            tp = TopicPartition(last.topic, last.partition)
            found[tp] = (found[tp][0] if tp in found else records[start].offset, last.offset)
            start = end
    return found
