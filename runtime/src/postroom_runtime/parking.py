"""Dead letters and holds: what could not be handled lies aside, in order, until somebody replays or discards it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from postroom_contracts.events import Headers
from postroom_contracts.topics import dead_letter_topic

from postroom_runtime.clock import Clock
from postroom_runtime.errors import InfrastructureError, PermanentError, translated
from postroom_runtime.kafka import MAX_LETTER_BYTES, Outgoing, Publisher
from postroom_runtime.metrics import HOLDS, PARKED
from postroom_runtime.mongo import Database, ReturnDocument, UpdateOne
from postroom_runtime.records import (
    DETAIL,
    HOLD,
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


def dead_letter(topic: str, incoming: Incoming, reason: str, detail: str, hold: str = "") -> Outgoing:
    """Return the record as it was, byte for byte, with headers that say where it comes from and why it is here.

    `hold` names the hold that it waits behind.
    """
    record = incoming.record
    kept: list[Any] = [(name, value) for name, value in record.headers if name not in ORIGIN_HEADERS]
    headers: Headers = [
        *kept,
        *_origin_headers(incoming),
        (REASON, reason.encode()),
        (DETAIL, detail[:1000].encode("utf-8", "replace")),
    ]
    if hold:
        headers.append((HOLD, hold.encode()))
    body = record.value
    if body is None and record.key is None:  # Kafka's client refuses a record without both
        headers.append((NULL_RECORD, b"1"))
        body = b""
    return Outgoing(topic, record.key, body, headers)


def _origin_headers(incoming: Incoming) -> list[tuple[str, Any]]:
    """Return where the record first stood; one that is parked again keeps what it came with."""
    place = incoming.position
    fresh: dict[str, Any] = {
        ORIGIN_TOPIC_ID: place.topic_id.encode(),
        ORIGIN_TOPIC: incoming.record.topic.encode(),
        ORIGIN_PARTITION: b"%d" % place.partition,
        ORIGIN_OFFSET: b"%d" % place.offset,
    }
    if incoming.replayed:
        fresh |= {name: value for name, value in incoming.record.headers if name in fresh}
    return list(fresh.items())


@dataclass(slots=True)
class Hold:
    """A key on hold. `failed_again`: a replayed record failed, so the replayed ones behind it must wait too."""

    name: str
    failed_again: bool = False


class Parking:
    """Parks records of one group and keeps its holds. Held keys are cached: a key's partition is at one member only."""

    def __init__(self, group: str, database: Database, publisher: Publisher, clock: Clock) -> None:
        self._group = group
        self._holds = database["holds"]
        self._publisher = publisher
        self._clock = clock
        self._topic = publisher.topic(dead_letter_topic(group))
        self._held: dict[str, Hold] = {}
        for reason in ("permanent", "unexpected", "held"):
            PARKED.labels(group, reason)  # a counter that begins with its first letter shows no increase

    def must_wait(self, incoming: Incoming) -> bool:
        """Say whether the record has to be parked behind its key's hold.

        A replayed record passes, unless one that was replayed before it failed again.
        """
        hold = self._held.get(incoming.key)
        if hold is None or not self.stands_in_order(incoming):
            return False
        return not incoming.replayed or hold.failed_again

    @staticmethod
    def stands_in_order(incoming: Incoming) -> bool:
        """Say whether the record has a place among its key's; a discard, and one once parked as permanent, have none."""
        return bool(incoming.key) and not incoming.late and not (incoming.replayed and incoming.event is None)

    async def load(self) -> None:
        """Read the holds of the group; called at each assignment."""
        async with translated("load holds"):
            found = await self._holds.find({"group": self._group}).to_list(length=100_000)
        self._held = {hold["key"]: Hold(hold["hold"], hold.get("failed_again", False)) for hold in found}
        self._report()

    def _report(self) -> None:
        HOLDS.labels(self._group).set(len(self._held))

    def _id(self, key: str) -> str:
        return f"{self._group}|{key}"

    async def park(self, incoming: Incoming, reason: str, detail: str) -> None:
        """Put one record aside; when this returns it is safe and the source may be committed."""
        hold = self._held.get(incoming.key) if reason == "unexpected" else None
        await self._send([dead_letter(self._topic, incoming, reason, detail, hold.name if hold else "")])
        PARKED.labels(self._group, reason).inc()
        log.warning(
            "record parked",
            group=self._group,
            topic=incoming.record.topic,
            partition=incoming.record.partition,
            offset=incoming.record.offset,
            reason=reason,
            detail=detail,
            correlation_id=incoming.event.correlation_id if incoming.event else "",
        )

    async def _send(self, letters: Sequence[Outgoing]) -> None:
        """Publish dead letters. Raises InfrastructureError also when the topic takes none of that size: it must."""
        try:
            await self._publisher.publish(letters, max_bytes=MAX_LETTER_BYTES)
        except PermanentError as error:
            log.exception("dead letter refused: raise max.message.bytes of the topic", topic=self._topic)
            raise InfrastructureError(f"{self._topic} does not take a dead letter: {error}") from error

    async def hold(self, incoming: Incoming) -> None:
        """Put the record's key on hold; the count of parked records rises by this one."""
        place = incoming.position
        name = f"{place.topic_id}/{place.partition}/{place.offset}"
        fresh = {
            "group": self._group,
            "key": incoming.key,
            "hold": name,
            "origin_topic": incoming.origin_topic,
            "position": [place.topic_id, place.partition, place.offset],
            "held_at": self._clock.now(),
        }
        again = incoming.replayed and not incoming.late
        async with translated("hold key"):
            stored = await self._holds.find_one_and_update(
                {"_id": self._id(incoming.key)},
                {
                    "$setOnInsert": fresh,
                    "$inc": {"parked": 1},
                    **({"$set": {"failed_again": True}} if again else {}),
                },
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        self._held[incoming.key] = Hold(stored["hold"], stored.get("failed_again", False))
        self._report()

    async def park_behind(self, waiting: Sequence[Incoming]) -> None:
        """Park records whose keys are on hold, in order."""
        if not waiting:
            return
        await self._send(
            [dead_letter(self._topic, i, "held", "its key is on hold", self._held[i.key].name) for i in waiting]
        )
        PARKED.labels(self._group, "held").inc(len(waiting))
        counts: dict[str, int] = {}
        for incoming in waiting:
            counts[incoming.key] = counts.get(incoming.key, 0) + 1
        async with translated("count held records"):
            await self._holds.bulk_write(
                [UpdateOne({"_id": self._id(key)}, {"$inc": {"parked": n}}) for key, n in counts.items()],
                ordered=False,
            )

    async def lift(self, key: str, hold: str, replayed: int) -> bool:
        """Handle a replay's marker: lift `hold` if all were handled and no more than `replayed` were ever parked.

        Returns whether it was lifted; if not, `markers` and `failures` of the hold tell the replay what to do next. A
        marker that comes a second time finds another hold or none, and changes nothing.
        """
        this = {"_id": self._id(key), "hold": hold}
        async with translated("lift hold"):
            done = {"parked": {"$lte": replayed}, "failed_again": {"$ne": True}}
            result = await self._holds.delete_one({**this, **done})
            if not result.deleted_count:
                failed = self._held[key].failed_again if key in self._held else False
                await self._holds.update_one(
                    this, {"$inc": {"markers": 1, "failures": int(failed)}, "$set": {"failed_again": False}}
                )
        there = self._held.get(key)
        if there is not None and there.name == hold:
            there.failed_again = False
            if result.deleted_count:
                del self._held[key]
        self._report()
        return bool(result.deleted_count)
