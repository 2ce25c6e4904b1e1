"""Tries in MongoDB: `tries`, a document per limit and key with the moments of its window; one atomic update a try."""

from datetime import datetime, timedelta
from typing import Any

from postroom_runtime.errors import translated
from postroom_runtime.mongo import Database, DuplicateKeyError, IndexModel, ReturnDocument

from postroom_desk.identity.tries import Limit


class MongoTries:
    """Port TriesStore."""

    def __init__(self, database: Database) -> None:
        self._tries = database["tries"]

    async def prepare(self) -> None:
        async with translated("index tries"):
            await self._tries.create_indexes([IndexModel([("ends_at", 1)], expireAfterSeconds=86_400)])

    async def take(self, limit: Limit, key: str, try_id: str, now: datetime) -> float | None:
        async with translated("count try"):
            try:
                found = await self._counted(limit, key, try_id, now)
            except DuplicateKeyError:  # two first tries at once: the second finds the document now
                found = await self._counted(limit, key, try_id, now)
        tries: list[dict[str, Any]] = found["tries"]
        if any(t["id"] == try_id for t in tries):
            return None
        oldest: datetime = min(t["at"] for t in tries)
        return max(1.0, (oldest + limit.window - now) / timedelta(seconds=1))

    async def _counted(self, limit: Limit, key: str, try_id: str, now: datetime) -> dict[str, Any]:
        within = {"$gt": ["$$this.at", now - limit.window]}
        recent = {"$filter": {"input": {"$ifNull": ["$tries", []]}, "cond": within}}
        added = {"$concatArrays": ["$tries", [{"at": now, "id": {"$literal": try_id}}]]}
        room = {"$lt": [{"$size": "$tries"}, limit.tries]}
        pipeline = [
            {"$set": {"tries": recent, "ends_at": now + limit.window}},
            {"$set": {"tries": {"$cond": [room, added, "$tries"]}}},
        ]
        found = await self._tries.find_one_and_update(
            {"_id": f"{limit.name}:{key}"}, pipeline, upsert=True, return_document=ReturnDocument.AFTER
        )
        return dict(found)

    async def give_back(self, limit: Limit, key: str, try_id: str) -> None:
        async with translated("count try"):
            await self._tries.update_one({"_id": f"{limit.name}:{key}"}, {"$pull": {"tries": {"id": try_id}}})
