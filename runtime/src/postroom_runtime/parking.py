"""Dead letters and holds: what could not be handled lies aside, in order, until somebody replays or discards it."""

from collections.abc import Sequence
from typing import Any

import structlog
from postroom_contracts.events import Headers
from postroom_contracts.topics import dead_letter_topic

from postroom_runtime.clock import Clock
from postroom_runtime.errors import translated
from postroom_runtime.kafka import Outgoing, Publisher
from postroom_runtime.metrics import HOLDS, PARKED
from postroom_runtime.mongo import Database, UpdateOne
from postroom_runtime.records import (
    DETAIL,
    NULL_RECORD,
    ORIGIN_HEADERS,
    ORIGIN_OFFSET,
    ORIGIN_PARTITION,
    ORIGIN_TOPIC,
    ORIGIN_TOPIC_ID,
    REASON,
    Incoming,
)

log = structlog.get_logger(__name__)


def dead_letter(topic: str, incoming: Incoming, reason: str, detail: str) -> Outgoing:
    """Return the record as it was, byte for byte, with headers that say where it comes from and why it is here."""
    record = incoming.record
    kept: list[Any] = [(name, value) for name, value in record.headers if name not in ORIGIN_HEADERS]
    headers: Headers = [
        *kept,
        (ORIGIN_TOPIC_ID, incoming.position.topic_id.encode()),
        (ORIGIN_TOPIC, record.topic.encode()),
        (ORIGIN_PARTITION, b"%d" % incoming.position.partition),
        (ORIGIN_OFFSET, b"%d" % incoming.position.offset),
        (REASON, reason.encode()),
        (DETAIL, detail[:1000].encode()),
    ]
    body = record.value
    if body is None and record.key is None:  # Kafka's client refuses a record without both
        headers.append((NULL_RECORD, b"1"))
        body = b""
    return Outgoing(topic, record.key, body, headers)


class Parking:
    """Parks records of one group and keeps its holds. Held keys are cached: a key's partition is at one member only."""

    def __init__(self, group: str, database: Database, publisher: Publisher, clock: Clock) -> None:
        self._group = group
        self._holds = database["holds"]
        self._publisher = publisher
        self._clock = clock
        self._topic = publisher.topic(dead_letter_topic(group))
        self._held: set[str] = set()

    def is_held(self, key: str) -> bool:
        return key in self._held

    async def load(self) -> None:
        """Read the holds of the group; called at each assignment."""
        async with translated("load holds"):
            found = await self._holds.find({"group": self._group}).to_list(length=100_000)
        self._held = {hold["key"] for hold in found}
        HOLDS.labels(self._group).set(len(self._held))

    async def park(self, incoming: Incoming, reason: str, detail: str) -> None:
        """Put one record aside; when this returns it is safe and the source may be committed."""
        await self._publisher.publish([dead_letter(self._topic, incoming, reason, detail)])
        PARKED.labels(self._group, reason).inc()
        log.warning(
            "record parked",
            group=self._group,
            topic=incoming.record.topic,
            partition=incoming.record.partition,
            offset=incoming.record.offset,
            reason=reason,
            detail=detail,
        )

    async def hold(self, incoming: Incoming) -> None:
        """Put the record's key on hold; the count of parked records rises by this one."""
        async with translated("hold key"):
            await self._holds.update_one(
                {"_id": f"{self._group}|{incoming.key}"},
                {
                    "$setOnInsert": {
                        "group": self._group,
                        "key": incoming.key,
                        "origin_topic": incoming.record.topic,
                        "position": [
                            incoming.position.topic_id,
                            incoming.position.partition,
                            incoming.position.offset,
                        ],
                        "held_at": self._clock.now(),
                    },
                    "$inc": {"parked": 1},
                },
                upsert=True,
            )
        self._held.add(incoming.key)
        HOLDS.labels(self._group).set(len(self._held))

    async def park_behind(self, waiting: Sequence[Incoming]) -> None:
        """Park records whose keys are on hold, in order."""
        if not waiting:
            return
        await self._publisher.publish([dead_letter(self._topic, i, "held", "its key is on hold") for i in waiting])
        PARKED.labels(self._group, "held").inc(len(waiting))
        counts: dict[str, int] = {}
        for incoming in waiting:
            counts[incoming.key] = counts.get(incoming.key, 0) + 1
        async with translated("count held records"):
            await self._holds.bulk_write(
                [UpdateOne({"_id": f"{self._group}|{key}"}, {"$inc": {"parked": n}}) for key, n in counts.items()],
                ordered=False,
            )

    async def lift(self, key: str, replayed: int) -> bool:
        """Handle a replay's marker: lift the hold if no more than `replayed` records were parked for it.

        Returns whether it was lifted; if not, more came meanwhile and the replay must copy them first.
        """
        async with translated("lift hold"):
            result = await self._holds.delete_one({"_id": f"{self._group}|{key}", "parked": {"$lte": replayed}})
            if not result.deleted_count:
                await self._holds.update_one({"_id": f"{self._group}|{key}"}, {"$set": {"marker_seen": replayed}})
        if result.deleted_count:
            self._held.discard(key)
            HOLDS.labels(self._group).set(len(self._held))
        return bool(result.deleted_count)
