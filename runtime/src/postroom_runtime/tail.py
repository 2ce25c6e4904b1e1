"""Reading a topic without a group: for `events tail`, dead letters, and whoever follows live."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import Any, Literal

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from postroom_runtime.kafka import client_options
from postroom_runtime.settings import RuntimeSettings

Place = Literal["beginning", "end"] | datetime | Mapping[int, int]
"""Where to begin or end: the ends of what stands there, a time (the first record at or after it, by the broker's time),
or an offset per partition; partitions that are not named begin at their beginning and end at their end."""
Ranges = dict[TopicPartition, tuple[int, int]]


def parse_place(text: str) -> Place:
    """Return a place as people write it: `beginning`, `end`, a time with zone, or `partition:offset,...`.

    Raises ValueError with a message for people.
    """
    if text in ("beginning", "end"):
        return text  # type: ignore[return-value]  # the two words of the type
    try:
        pairs = [pair.split(":") for pair in text.split(",")]
        if all(len(pair) == 2 and pair[0].isdigit() and pair[1].isdigit() for pair in pairs):  # noqa: PLR2004 - a pair
            return {int(partition): int(offset) for partition, offset in pairs}
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(_PLACES.format(text[:100])) from error
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no zone; write it such as 2026-03-06T14:00:00Z")
    return moment


_PLACES = "{!r} is none of `beginning`, `end`, a time such as 2026-03-06T14:00:00Z, or `partition:offset,...`"


async def partitions_of(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
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


async def read_to_end(
    settings: RuntimeSettings, topic: str, *, start: Place = "beginning", until: Place = "end"
) -> AsyncIterator[ConsumerRecord]:
    """Yield every record that stands on `topic` now from `start` to before `until`, each partition in order, then end."""
    async for record in _read(settings, topic, start, until, follow=False):
        yield record


async def follow(
    settings: RuntimeSettings, topic: str, *, start: Place, begun: Callable[[], object] = lambda: None
) -> AsyncIterator[ConsumerRecord]:
    """Yield records from `start` on, and those that come, for ever. `begun`: called once nothing more can be missed."""
    async for record in _read(settings, topic, start, "end", follow=True, begun=begun):
        yield record


async def _read(
    settings: RuntimeSettings,
    topic: str,
    start: Place,
    until: Place,
    *,
    follow: bool,
    begun: Callable[[], object] = lambda: None,
) -> AsyncIterator[ConsumerRecord]:
    consumer = AIOKafkaConsumer(**client_options(settings), enable_auto_commit=False, fetch_max_wait_ms=200)
    await consumer.start()
    try:
        ranges = await _ranges(consumer, topic, start, until)
        consumer.assign(list(ranges))
        for tp, (first, _) in ranges.items():
            consumer.seek(tp, first)
        begun()
        remaining = {tp for tp, (first, end) in ranges.items() if first < end}
        while follow or remaining:
            for tp, records in (await consumer.getmany(timeout_ms=300, max_records=500)).items():
                for record in records:
                    if follow or record.offset < ranges[tp][1]:
                        yield record
            for tp in list(remaining):
                if await consumer.position(tp) >= ranges[tp][1]:
                    remaining.discard(tp)
    finally:
        await consumer.stop()


async def _ranges(consumer: AIOKafkaConsumer, topic: str, start: Place, until: Place) -> Ranges:
    partitions = await partitions_of(consumer, topic)
    begins: dict[Any, int] = await consumer.beginning_offsets(partitions)
    ends: dict[Any, int] = await consumer.end_offsets(partitions)
    first = await _offsets(consumer, start, begins, begins, ends)
    last = await _offsets(consumer, until, ends, begins, ends)
    return {tp: (min(max(first[tp], begins[tp]), ends[tp]), min(last[tp], ends[tp])) for tp in partitions}


async def _offsets(
    consumer: AIOKafkaConsumer,
    place: Place,
    unnamed: Mapping[TopicPartition, int],
    begins: Mapping[TopicPartition, int],
    ends: Mapping[TopicPartition, int],
) -> Mapping[TopicPartition, int]:
    match place:
        case "beginning":
            return begins
        case "end":
            return ends
        case datetime():
            milliseconds = int(place.timestamp() * 1000)
            found = await consumer.offsets_for_times(dict.fromkeys(begins, milliseconds))
            return {tp: found[tp].offset if found.get(tp) else ends[tp] for tp in begins}
        case _:
            return {tp: place.get(tp.partition, unnamed[tp]) for tp in begins}
