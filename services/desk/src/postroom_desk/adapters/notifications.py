"""Notifications in MongoDB.

`notifications`: `{_id, agent_id, kind, conversation_id, inbox_id, at, actor_id, details, unread: true | absent, read_at}`. What
has been read has no `unread`, so that the index of what has not is as small as that. `meta`: `{_id: "bell", begun_at}`.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from postroom_runtime.errors import translated
from postroom_runtime.mongo import (
    DUPLICATE_KEY,
    BulkWriteError,
    Database,
    IndexModel,
    InsertOne,
    ReturnDocument,
    aggregate,
)

from postroom_desk.bell.ports import Counts
from postroom_desk.domain.notifications import KEPT_DAYS, Notification

_UNREAD = [("agent_id", 1), ("unread", 1), ("inbox_id", 1)]


class MongoNotifications:
    """Port NotificationStore."""

    def __init__(self, database: Database) -> None:
        self._list = database["notifications"]
        self._meta = database["meta"]

    async def prepare(self) -> None:
        """Create the indexes; again: no change."""
        async with translated("index notifications"):
            await self._list.create_indexes(
                [
                    IndexModel([("agent_id", 1), ("at", -1), ("_id", -1)]),
                    IndexModel(_UNREAD, partialFilterExpression={"unread": True}),
                    IndexModel([("conversation_id", 1)]),
                    IndexModel([("at", 1)], expireAfterSeconds=KEPT_DAYS * 86_400),
                ]
            )

    async def begun_at(self, now: datetime) -> datetime:
        """Return when the first desk began to ring in this database: `now`, if none has. What happened before rings nothing."""
        async with translated("begin notifications"):
            found = await self._meta.find_one_and_update(
                {"_id": "bell"},
                {"$setOnInsert": {"begun_at": now}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        begun: datetime = found["begun_at"]
        return begun

    async def add(self, notifications: Sequence[Notification]) -> None:
        if not notifications:
            return
        async with translated("keep notifications"):
            try:
                await self._list.bulk_write([InsertOne(_to_mongo(n)) for n in notifications], ordered=False)
            except BulkWriteError as error:
                codes = {e.get("code") for e in (error.details or {}).get("writeErrors", [])}
                if codes != {DUPLICATE_KEY}:  # a redelivered batch: they are there
                    raise

    async def move(self, conversation_id: str, inbox_id: str) -> None:
        async with translated("move notifications"):
            await self._list.update_many({"conversation_id": conversation_id}, {"$set": {"inbox_id": inbox_id}})

    async def listed(
        self,
        agent_id: str,
        readable: frozenset[str],
        limit: int,
        *,
        before: tuple[datetime, str] | None = None,
        unread: bool = False,
    ) -> list[Notification]:
        wanted: dict[str, Any] = {"agent_id": agent_id, "inbox_id": {"$in": sorted(readable)}}
        if unread:
            wanted["unread"] = True
        if before is not None:
            at, identifier = before
            wanted["$or"] = [{"at": {"$lt": at}}, {"at": at, "_id": {"$lt": identifier}}]
        async with translated("list notifications"):
            found = await self._list.find(wanted).sort([("at", -1), ("_id", -1)]).limit(limit).to_list(length=limit)
        return [Notification(id=d.pop("_id"), **d) for d in found]

    async def unread(self, agents: Iterable[str]) -> Counts:
        pipeline: list[Mapping[str, Any]] = [
            {"$match": {"agent_id": {"$in": sorted(agents)}, "unread": True}},
            {"$group": {"_id": {"agent": "$agent_id", "inbox": "$inbox_id"}, "n": {"$sum": 1}}},
        ]
        async with translated("count notifications"):
            rows = await aggregate(self._list, pipeline)
        found: dict[str, dict[str, int]] = {}
        for row in rows:
            found.setdefault(row["_id"]["agent"], {})[row["_id"]["inbox"]] = row["n"]
        return found

    async def read(
        self,
        agent_id: str,
        at: datetime,
        *,
        ids: Sequence[str] | None = None,
        conversations: Sequence[str] | None = None,
        until: datetime | None = None,
    ) -> int:
        wanted: dict[str, Any] = {"agent_id": agent_id, "unread": True}
        if ids is not None:
            wanted["_id"] = {"$in": list(ids)}
        if conversations is not None:
            wanted["conversation_id"] = {"$in": list(conversations)}
        if until is not None:
            wanted["at"] = {"$lte": until}
        async with translated("mark notifications"):
            done = await self._list.update_many(wanted, {"$set": {"read_at": at}, "$unset": {"unread": 1}})
        return int(done.modified_count)

    async def trim(self, agent_id: str, most: int) -> None:
        order = [("at", -1), ("_id", -1)]
        async with translated("trim notifications"):
            beyond = (
                await self._list.find({"agent_id": agent_id}, {"_id": 1}).sort(order).skip(most).to_list(length=None)
            )
            if beyond:
                await self._list.delete_many({"_id": {"$in": [d["_id"] for d in beyond]}})


def _to_mongo(notification: Notification) -> dict[str, Any]:
    fields = notification.model_dump(exclude_defaults=True)
    return {"_id": fields.pop("id"), **fields, "unread": True}
