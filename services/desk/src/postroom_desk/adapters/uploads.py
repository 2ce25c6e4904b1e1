"""Uploads in MongoDB. `going` marks what is being swept: from then on nobody can use it."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from postroom_runtime.errors import translated
from postroom_runtime.mongo import Collection, Database, IndexModel, aggregate

from postroom_desk.answering.uploads import Upload


class MongoUploads:
    """Port UploadStore."""

    def __init__(self, database: Database) -> None:
        self._uploads: Collection = database["uploads"]

    async def prepare(self) -> None:
        async with translated("index uploads"):
            await self._uploads.create_indexes(
                [
                    IndexModel([("owner", 1)], partialFilterExpression={"used": False}),
                    IndexModel([("at", 1)], partialFilterExpression={"used": False}),
                    IndexModel([("held_by", 1)], partialFilterExpression={"held_by": {"$type": "string"}}),
                ]
            )

    async def add(self, upload: Upload) -> None:
        fields = asdict(upload)
        async with translated("note upload"):
            await self._uploads.insert_one({"_id": fields.pop("id"), **fields})

    async def finish(self, upload: Upload) -> None:
        fields = asdict(upload)
        async with translated("finish upload"):
            await self._uploads.update_one({"_id": fields.pop("id")}, {"$set": fields})

    async def get(self, ids: Sequence[str]) -> dict[str, Upload]:
        async with translated("read uploads"):
            wanted = {"_id": {"$in": list(ids)}, "going": {"$exists": False}}
            found = await self._uploads.find(wanted).to_list(length=len(ids))
        return {d["_id"]: _upload(d) for d in found}

    async def waiting(self, owner: str) -> tuple[int, int]:
        total = {"$group": {"_id": None, "count": {"$sum": 1}, "size": {"$sum": "$body_bytes"}}}
        async with translated("count uploads"):
            found = await aggregate(self._uploads, [{"$match": {"owner": owner, "used": False}}, total])
        return (found[0]["count"], found[0]["size"]) if found else (0, 0)

    async def use(self, ids: Sequence[str]) -> int:
        async with translated("use uploads"):
            there = {"_id": {"$in": list(ids)}, "going": {"$exists": False}}
            result = await self._uploads.update_many(there, {"$set": {"used": True}})
        return int(result.matched_count)

    async def hold(self, draft_id: str, ids: Sequence[str]) -> None:
        async with translated("hold uploads"):
            let_go = {"held_by": draft_id, "_id": {"$nin": list(ids)}}
            await self._uploads.update_many(let_go, {"$set": {"held_by": None}})
            await self._uploads.update_many({"_id": {"$in": list(ids)}}, {"$set": {"held_by": draft_id}})

    async def take_swept(self, before: datetime, limit: int) -> list[Upload]:
        async with translated("sweep uploads"):
            old = {"at": {"$lt": before}, "used": False, "held_by": None}
            found = await self._uploads.find(old, {"_id": 1}).to_list(length=limit)
            ids = [d["_id"] for d in found]
            await self._uploads.update_many({"_id": {"$in": ids}} | old, {"$set": {"going": True}})
            going = await self._uploads.find({"_id": {"$in": ids}, "going": True}).to_list(length=limit)
        return [_upload(d) for d in going]

    async def remove(self, ids: Sequence[str]) -> None:
        async with translated("remove uploads"):
            await self._uploads.delete_many({"_id": {"$in": list(ids)}, "going": True})


def _upload(stored: dict[str, Any]) -> Upload:
    fields = {k: v for k, v in stored.items() if k not in ("_id", "going")}
    return Upload(id=stored["_id"], **fields)
