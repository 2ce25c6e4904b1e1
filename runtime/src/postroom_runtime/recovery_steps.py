"""Steps of a recovery that are the same for every service: pending output, numbers that nobody has any more, offsets."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError
from postroom_contracts.registry import source_of
from postroom_contracts.topics import CONVERSATION_COMMANDS, CONVERSATION_EVENTS, GROUPS, Group, replay_topic

from postroom_runtime.clock import monotonic
from postroom_runtime.documents import Pending
from postroom_runtime.errors import translated
from postroom_runtime.kafka import Outgoing, client_options
from postroom_runtime.mongo import Collection
from postroom_runtime.records import DISCARD, REASON
from postroom_runtime.recovery import Recovery, ServiceRecovery, Stream
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.tail import partitions_of
from postroom_runtime.topic_ids import read_topic_ids

CHUNK = 500
_SEEN = ("seen", "sequences")
"""What folds call the last number of each source: the runtime's, and that of the figures."""


class ServicesRunningError(Exception):
    """A group has members: a recovery would be written over by them."""


async def read_ends(settings: RuntimeSettings) -> dict[str, int]:
    """Return stream (topic id, partition) -> the offset of the next record, of the topics that positions are kept of."""
    topics = [settings.topic(topic.name) for topic in (CONVERSATION_COMMANDS, CONVERSATION_EVENTS)]
    ids = await read_topic_ids(client_options(settings), topics)
    consumer = AIOKafkaConsumer(**client_options(settings), enable_auto_commit=False)
    await consumer.start()
    try:
        ends: dict[str, int] = {}
        for topic in topics:
            found = await consumer.end_offsets(await partitions_of(consumer, topic))
            ends |= {f"{ids[topic]}-{tp.partition}": end for tp, end in found.items()}
        return ends
    finally:
        await consumer.stop()


async def forget_positions(recovery: Recovery, collection: Collection) -> list[str]:
    """Forget positions behind the end of a topic that was restored: new commands will stand there, and are no repeats."""
    count = 0
    for stream, end in recovery.ends.items():
        place = f"applied.{stream}"
        async with translated("forget positions"):
            result = await collection.update_many({place: {"$gte": end}}, {"$set": {place: end - 1}})
        count += result.modified_count
    return [f"{count} positions forgotten that the restored topics have not reached yet"] if count else []


async def publish_pending(recovery: Recovery, collection: Collection) -> list[str]:
    """Publish what the documents of a fold still hold: facts whose number the log lacks, commands made since `since`."""
    facts = commands = 0
    log_topic = recovery.settings.topic(CONVERSATION_EVENTS.name)
    after = recovery.since.isoformat()
    async for documents in chunks(collection, {"out.0": {"$exists": True}}, {"out": 1}):
        records = [Pending.from_mongo(p).record for document in documents for p in document["out"]]
        facts += await recovery.publish_missing(r for r in records if r.topic == log_topic)
        young = [r for r in records if r.topic != log_topic and _time(r) >= after]
        await recovery.publisher.publish(young)
        commands += len(young)
    return [f"{facts} facts and {commands} commands published that only it held"] if facts or commands else []


def _time(record: Outgoing) -> str:
    return dict(record.headers).get("ce_time", b"").decode()


async def lost_numbers(recovery: Recovery, services: Sequence[ServiceRecovery]) -> dict[Stream, list[int]]:
    """Return the numbers that were given and of which neither log nor MongoDB holds the fact."""
    lost: dict[Stream, list[int]] = {}
    for service in services:
        if service.numbered is None:
            continue
        source = source_of(service.service)
        numbered = recovery.database(service.service)[service.numbered]
        async for documents in chunks(numbered, {"sequence": {"$gt": 0}}, {"sequence": 1}):
            for document in documents:
                missing = recovery.log.of(document["_id"], source).missing(document["sequence"])
                if missing:
                    lost[document["_id"], source] = missing
    return lost


async def pass_over(
    recovery: Recovery, services: Sequence[ServiceRecovery], lost: Mapping[Stream, Sequence[int]]
) -> int:
    """Tell every fold that waits, or would wait, for a lost number that it will not come; return how many were told of."""
    records: list[Outgoing] = []
    ids = sorted({conversation for conversation, _ in lost})
    for service in services:
        database = recovery.database(service.service)
        for group, collections in (await service.folds(recovery)).items():
            topic = recovery.settings.topic(replay_topic(group).name)
            for name in collections:
                seen = await _seen(database[name], ids)
                records += [
                    _discard(topic, *stream, number)
                    for stream, numbers in lost.items()
                    for number in numbers
                    if number > seen.get(stream, 0)
                ]
    for start in range(0, len(records), CHUNK):
        await recovery.publisher.publish(records[start : start + CHUNK])
    return len(records)


async def _seen(collection: Collection, ids: Sequence[str]) -> dict[Stream, int]:
    found: dict[Stream, int] = {}
    for start in range(0, len(ids), CHUNK):
        wanted = {"_id": {"$in": list(ids[start : start + CHUNK])}}
        async for documents in chunks(collection, wanted, dict.fromkeys(_SEEN, 1)):
            counted = [(d["_id"], d[name]) for d in documents for name in _SEEN if name in d]
            found |= {(key, source): number for key, numbers in counted for source, number in numbers.items()}
    return found


def _discard(topic: str, conversation_id: str, source: str, number: int) -> Outgoing:
    """Return the record by which a group learns that a number counts as seen (`records.read`)."""
    headers = [
        (REASON, b"permanent"),
        (DISCARD, b"1"),
        ("ce_source", source.encode()),
        ("ce_sequence", b"%d" % number),
    ]
    return Outgoing(topic, conversation_id.encode(), b"{}", headers)


async def chunks(
    collection: Collection, wanted: Mapping[str, Any], fields: Mapping[str, int]
) -> AsyncIterator[list[dict[str, Any]]]:
    """Yield documents in lists of at most CHUNK, by rising id, so that no cursor stands open over what is done with them."""
    last: str | None = None
    while True:
        condition = {"$and": [dict(wanted), {"_id": {"$gt": last}}]} if last is not None else dict(wanted)
        async with translated("read for recovery"):
            found = await collection.find(condition, dict(fields)).sort("_id", 1).limit(CHUNK).to_list(length=CHUNK)
        if not found:
            return
        yield found
        last = found[-1]["_id"]


async def require_stopped(recovery: Recovery, patience_seconds: float | None = None) -> None:
    """Raises ServicesRunningError naming the groups that have members, and keep them.

    A Kafka that was restored remembers members of the moment of its backup: they are missed after the session timeout, so
    that twice as long is waited by default. The broker lets nobody but members commit while there are any: each group is
    asked to keep an offset as it is. (aiokafka 0.14 cannot read what Kafka 4 answers when it is asked for members.)
    """
    patience = recovery.settings.session_timeout_ms / 500 if patience_seconds is None else patience_seconds
    give_up_at = monotonic() + patience
    while running := [group.name for group in GROUPS if not await _is_empty(recovery, group)]:
        if monotonic() < give_up_at:
            await asyncio.sleep(1)
            continue
        raise ServicesRunningError(f"stop all services first; these groups have members: {', '.join(running)}")


async def _is_empty(recovery: Recovery, group: Group) -> bool:
    async with _member_of_none(recovery, group) as consumer:
        topic = recovery.settings.topic(group.topics[0].name)
        partitions = [TopicPartition(topic, n) for n in range(await recovery.publisher.partitions(topic))]
        consumer.assign(partitions)
        kept = {tp: at for tp in partitions if (at := await consumer.committed(tp)) is not None}
        try:
            if kept:
                await consumer.commit(kept)
        except CommitFailedError:
            return False
        return True


@asynccontextmanager
async def _member_of_none(recovery: Recovery, group: Group) -> AsyncIterator[AIOKafkaConsumer]:
    """Open a consumer that reads and sets the offsets of a group without joining it."""
    name = f"{recovery.settings.topic_prefix}{group.name}"
    consumer = AIOKafkaConsumer(**client_options(recovery.settings), group_id=name, enable_auto_commit=False)
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def reset_offsets(recovery: Recovery) -> list[str]:
    """Let each group read again from `since` on, or from where it stands if that is before; return what was moved.

    A group that has no offset here would begin at the first record: it is set to `since`, too, so that commands of long ago
    are not carried out once more.
    """
    return [line for group in GROUPS if (line := await _reset(recovery, group))]


async def _reset(recovery: Recovery, group: Group) -> str:
    async with _member_of_none(recovery, group) as consumer:
        moved: dict[TopicPartition, int] = {}
        for topic in (*group.topics, replay_topic(group.name)):
            moved |= await _earlier(consumer, recovery.settings.topic(topic.name), recovery)
        if moved:
            await consumer.commit(moved)
    return f"group {group.name}: {len(moved)} partitions read again" if moved else ""


async def _earlier(consumer: AIOKafkaConsumer, topic: str, recovery: Recovery) -> dict[TopicPartition, int]:
    """Return the partitions that have to be set, and where to."""
    count = await recovery.publisher.partitions(topic)
    partitions = [TopicPartition(topic, number) for number in range(count)]
    consumer.assign([*consumer.assignment(), *partitions])
    ends = await consumer.end_offsets(partitions)
    since = int(recovery.since.timestamp() * 1000)
    found = await consumer.offsets_for_times(dict.fromkeys(partitions, since))
    places = {tp: found[tp].offset if found.get(tp) else ends[tp] for tp in partitions}
    committed = {tp: await consumer.committed(tp) for tp in partitions}
    return {tp: place for tp, place in places.items() if (at := committed[tp]) is None or at > place}
