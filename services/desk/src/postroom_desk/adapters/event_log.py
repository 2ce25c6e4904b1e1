"""The facts that the read model has taken in, in MongoDB: what a live stream resumes from and a conversation shows.

`events`: `{_id: "topic id-partition:offset", s: "topic id-partition", p, o, i: event id, k: conversation,
c: causation id, at: the broker's time, h: headers, b: body}`. `progress`: `{_id: "topic id-partition", o}`. A recreated
topic has another id, so positions of an old one never mix with those of the new.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from postroom_runtime.errors import translated
from postroom_runtime.mongo import (
    DUPLICATE_KEY,
    BulkWriteError,
    Database,
    IndexModel,
    InsertOne,
    UpdateOne,
    aggregate,
)

from postroom_desk.domain.logged import LoggedEvent
from postroom_desk.domain.positions import LogPosition, Positions


class MongoEventLog:
    """Port EventLog. `topic_id` is Kafka's id of `conversation-events`."""

    def __init__(self, database: Database, topic_id: str) -> None:
        self._events = database["events"]
        self._progress = database["progress"]
        self.topic_id = topic_id

    async def prepare(self) -> None:
        """Create the indexes; again: no change."""
        async with translated("index events"):
            await self._events.create_indexes(
                [
                    IndexModel([("s", 1), ("o", 1)]),
                    IndexModel([("k", 1), ("p", 1), ("o", 1)]),
                    IndexModel([("c", 1)]),
                    IndexModel([("at", -1)]),
                ]
            )

    def _stream(self, partition: int) -> str:
        return f"{self.topic_id}-{partition}"

    async def record(self, events: Sequence[LoggedEvent], reached: Iterable[LogPosition]) -> None:
        async with translated("keep events"):
            if events:
                await self._insert([self._to_mongo(event) for event in events])
            highest = Positions()
            for position in reached:
                highest.advance(position)
            if highest.offsets:
                await self._progress.bulk_write(
                    [
                        UpdateOne({"_id": self._stream(p)}, {"$max": {"o": o}}, upsert=True)
                        for p, o in highest.offsets.items()
                    ],
                    ordered=False,
                )

    async def _insert(self, documents: Sequence[Mapping[str, Any]]) -> None:
        try:
            await self._events.bulk_write([InsertOne(dict(d)) for d in documents], ordered=False)
        except BulkWriteError as error:
            codes = {e.get("code") for e in (error.details or {}).get("writeErrors", [])}
            if codes != {DUPLICATE_KEY}:  # a redelivered batch: the events are there
                raise

    def _to_mongo(self, event: LoggedEvent) -> dict[str, Any]:
        stream = self._stream(event.position.partition)
        return {
            "_id": f"{stream}:{event.position.offset}",
            "s": stream,
            "p": event.position.partition,
            "o": event.position.offset,
            "i": event.id,
            "k": event.conversation_id,
            "c": event.causation_id,
            "at": datetime.fromtimestamp(event.timestamp_ms / 1000, UTC),
            "h": dict(event.headers),
            "b": event.body,
        }

    async def progress(self) -> Positions:
        prefix = f"{self.topic_id}-"
        async with translated("read progress"):
            found = await self._progress.find({"_id": {"$regex": f"^{prefix}"}}).to_list(length=10_000)
        return Positions({int(d["_id"].removeprefix(prefix)): d["o"] for d in found})

    async def _find(self, conditions: Mapping[str, Any], order: list[tuple[str, int]], limit: int) -> list[LoggedEvent]:
        cursor = self._events.find(conditions, batch_size=limit + 1).sort(order).limit(limit)
        async with translated("read events"):
            return [_from_mongo(d) for d in await cursor.to_list(length=limit)]

    def _here(self, conversation_id: str) -> dict[str, Any]:
        """Return what finds a conversation's facts on this topic.

        Places on a topic that is gone mean nothing beside those of this one: two facts may have the same, and a page that
        goes on behind one would leave the other out. `postroom recover` gives every fact its place here.
        """
        return {"k": conversation_id, "s": {"$regex": f"^{self.topic_id}-"}}

    async def of_conversation(self, conversation_id: str, after: LogPosition | None, limit: int) -> list[LoggedEvent]:
        conditions = self._here(conversation_id)
        if after is not None:
            conditions |= {"p": after.partition, "o": {"$gt": after.offset}}
        return await self._find(conditions, [("p", 1), ("o", 1)], limit)

    async def newest_of(
        self, conversation_id: str, limit: int, since: datetime | None = None, until: datetime | None = None
    ) -> list[LoggedEvent]:
        conditions = self._here(conversation_id)
        bounds = {"$gte": since, "$lt": until}
        if between := {name: bound for name, bound in bounds.items() if bound is not None}:
            conditions["at"] = between
        return (await self._find(conditions, [("p", -1), ("o", -1)], limit))[::-1]

    async def conversations(self) -> list[str]:
        """Return the ids of all conversations that there are facts of, sorted; read from an index alone."""
        async with translated("list conversations of events"):
            found = await aggregate(self._events, [{"$sort": {"k": 1}}, {"$group": {"_id": "$k"}}], allowDiskUse=True)
        return sorted(d["_id"] for d in found)

    async def of_conversations(self, ids: Sequence[str]) -> dict[str, list[LoggedEvent]]:
        """Return the facts of these conversations on this topic, each in its order."""
        facts: dict[str, list[LoggedEvent]] = {}
        cursor = self._events.find({"k": {"$in": list(ids)}}).sort([("k", 1), ("p", 1), ("o", 1)])
        async with translated("read events"):
            async for found in cursor:
                if found["s"] == self._stream(found["p"]):
                    facts.setdefault(found["k"], []).append(_from_mongo(found))
        return facts

    async def by_id(self, conversation_id: str, event_id: str) -> LoggedEvent | None:
        found = await self._find({"k": conversation_id, "i": event_id}, [("o", 1)], 1)
        return found[0] if found else None

    async def caused_by(self, request_id: str, limit: int = 100) -> list[LoggedEvent]:
        return await self._find({"c": request_id}, [("p", 1), ("o", 1)], limit)

    async def between(self, after: Positions, until: Positions, limit: int) -> list[LoggedEvent]:
        ranges = [
            {"s": self._stream(p), "o": {"$gt": after.offsets.get(p, -1), "$lte": last}}
            for p, last in sorted(until.offsets.items())
            if last > after.offsets.get(p, -1)
        ]
        if not ranges:
            return []
        return await self._find({"$or": ranges}, [("s", 1), ("o", 1)], limit)

    async def newest(self, limit: int) -> list[LoggedEvent]:
        return await self._find({}, [("at", -1)], limit)


def _from_mongo(d: Mapping[str, Any]) -> LoggedEvent:
    return LoggedEvent(LogPosition(d["p"], d["o"]), d["h"], bytes(d["b"]), int(d["at"].timestamp() * 1000))
