"""Links in MongoDB: `links`, `_id` is the digest."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from postroom_runtime.errors import translated
from postroom_runtime.mongo import Database, IndexModel

from postroom_desk.identity.links import Link


class MongoLinks:
    """Port LinkStore."""

    def __init__(self, database: Database) -> None:
        self._links = database["links"]

    async def prepare(self) -> None:
        indexes = [IndexModel([("ends_at", 1)], expireAfterSeconds=86_400), IndexModel([("agent_id", 1)])]
        async with translated("index links"):
            await self._links.create_indexes(indexes)

    async def add(self, link: Link) -> None:
        fields = asdict(link)
        async with translated("store link"):
            await self._links.insert_one({"_id": fields.pop("id"), **fields})
            await self._links.delete_many({"agent_id": link.agent_id, "_id": {"$ne": link.id}})

    async def get(self, link_id: str, now: datetime) -> Link | None:
        async with translated("read link"):
            return _link(await self._links.find_one({"_id": link_id, "ends_at": {"$gt": now}}))

    async def use(self, link_id: str, now: datetime) -> Link | None:
        async with translated("use link"):
            return _link(await self._links.find_one_and_delete({"_id": link_id, "ends_at": {"$gt": now}}))

    async def remove_of(self, agent_id: str) -> int:
        async with translated("end links"):
            return int((await self._links.delete_many({"agent_id": agent_id})).deleted_count)


def _link(d: Mapping[str, Any] | None) -> Link | None:
    if d is None:
        return None
    fields = dict(d)
    return Link(id=fields.pop("_id"), **fields)
