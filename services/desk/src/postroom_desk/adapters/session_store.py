"""Sessions in MongoDB: `sessions`, `_id` is the digest of the cookie. What has ended is deleted after a day."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from postroom_runtime.errors import translated
from postroom_runtime.mongo import Database, IndexModel, aggregate

from postroom_desk.identity.sessions import Session

KEPT_SECONDS = 86_400
MAX_SHOWN = 200


class MongoSessions:
    """Port SessionStore."""

    def __init__(self, database: Database) -> None:
        self._sessions = database["sessions"]

    async def prepare(self) -> None:
        indexes = [IndexModel([("ends_at", 1)], expireAfterSeconds=KEPT_SECONDS), IndexModel([("agent_id", 1)])]
        async with translated("index sessions"):
            await self._sessions.create_indexes(indexes)

    async def add(self, session: Session) -> None:
        fields = asdict(session)
        async with translated("store session"):
            await self._sessions.insert_one({"_id": fields.pop("id"), **fields})

    async def get(self, session_id: str) -> Session | None:
        async with translated("read session"):
            found = await self._sessions.find_one({"_id": session_id})
        return None if found is None else _session(found)

    async def touch(self, session: Session) -> None:
        change = {"$max": {"seen_at": session.seen_at, "ends_at": session.ends_at}}
        async with translated("touch session"):
            await self._sessions.update_one({"_id": session.id}, change)

    async def remove(self, session_id: str) -> bool:
        async with translated("end session"):
            return bool((await self._sessions.delete_one({"_id": session_id})).deleted_count)

    async def remove_of(self, agent_id: str, but: str | None = None) -> int:
        where = {"agent_id": agent_id} if but is None else {"agent_id": agent_id, "_id": {"$ne": but}}
        async with translated("end sessions"):
            return int((await self._sessions.delete_many(where)).deleted_count)

    async def of(self, agent_id: str) -> list[Session]:
        cursor = self._sessions.find({"agent_id": agent_id}).sort([("seen_at", -1)]).limit(MAX_SHOWN)
        async with translated("read sessions"):
            return [_session(d) for d in await cursor.to_list(length=MAX_SHOWN)]

    async def counts(self, now: datetime) -> dict[str, int]:
        groups: list[dict[str, Any]] = [
            {"$match": {"ends_at": {"$gt": now}}},
            {"$group": {"_id": "$agent_id", "n": {"$sum": 1}}},
        ]
        async with translated("count sessions"):
            found = await aggregate(self._sessions, groups)
        return {d["_id"]: d["n"] for d in found if d["_id"] is not None}

    async def alive(self, ids: Iterable[str], now: datetime) -> set[str]:
        wanted = list(ids)
        where = {"_id": {"$in": wanted}, "ends_at": {"$gt": now}}
        async with translated("read sessions"):
            return {d["_id"] for d in await self._sessions.find(where, {"_id": 1}).to_list(length=len(wanted))}


def _session(d: Mapping[str, Any]) -> Session:
    fields = dict(d)
    return Session(id=fields.pop("_id"), **fields)
