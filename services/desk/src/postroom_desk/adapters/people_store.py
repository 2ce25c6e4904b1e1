"""People's credentials in MongoDB: `people`, `_id` is the agent's id."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from postroom_runtime.errors import translated
from postroom_runtime.mongo import Database, ReturnDocument

from postroom_desk.identity.people import Person


class MongoPeople:
    """Port PeopleStore."""

    def __init__(self, database: Database) -> None:
        self._people = database["people"]

    async def get(self, agent_id: str) -> Person | None:
        async with translated("read person"):
            found = await self._people.find_one({"_id": agent_id})
        return None if found is None else _person(found)

    async def all(self) -> list[Person]:
        async with translated("read people"):
            return [_person(d) for d in await self._people.find({}).sort([("_id", 1)]).to_list(length=10_000)]

    async def add(self, agent_id: str) -> bool:
        change = {"$set": {"disabled": False}, "$inc": {"version": 1}}
        async with translated("add person"):
            before = await self._people.find_one_and_update({"_id": agent_id}, change, upsert=True)
        return before is None or bool(before.get("disabled"))

    async def set_password(self, agent_id: str, password_hash: str, at: datetime) -> Person:
        change = {"$set": {"password_hash": password_hash, "password_changed_at": at}, "$inc": {"version": 1}}
        async with translated("store password"):
            found = await self._people.find_one_and_update(
                {"_id": agent_id}, change, upsert=True, return_document=ReturnDocument.AFTER
            )
        return _person(found)

    async def renew_hash(self, person: Person, password_hash: str) -> None:
        where = {"_id": person.agent_id, "password_hash": person.password_hash}
        async with translated("store password"):
            await self._people.update_one(where, {"$set": {"password_hash": password_hash}})

    async def disable(self, agent_id: str) -> bool:
        change = {"$set": {"disabled": True}, "$inc": {"version": 1}}
        async with translated("disable person"):
            result = await self._people.update_one({"_id": agent_id}, change)
        return bool(result.matched_count)

    async def set_second_factor(self, agent_id: str, sealed: bytes | None, recovery: Sequence[str], step: int) -> None:
        fields = {"second_factor": sealed, "recovery": list(recovery), "last_step": step}
        async with translated("store second factor"):
            await self._people.update_one({"_id": agent_id}, {"$set": fields, "$inc": {"version": 1}})

    async def rewrap_second_factor(self, person: Person, sealed: bytes) -> bool:
        """Store the same secret under another key; False when nothing was to be done, or it was set up anew meanwhile."""
        where = {"_id": person.agent_id, "second_factor": person.second_factor}
        async with translated("store second factor"):
            result = await self._people.update_one(where, {"$set": {"second_factor": sealed}})
        return bool(result.modified_count)

    async def logged_in(self, agent_id: str, at: datetime, by: str) -> None:
        async with translated("note log-in"):
            await self._people.update_one({"_id": agent_id}, {"$set": {"last_login_at": at, "last_login_by": by}})

    async def use_step(self, agent_id: str, step: int) -> bool:
        async with translated("use code"):
            result = await self._people.update_one(
                {"_id": agent_id, "last_step": {"$lt": step}}, {"$set": {"last_step": step}}
            )
        return bool(result.modified_count)

    async def use_recovery(self, agent_id: str, digest: str) -> bool:
        async with translated("use recovery code"):
            result = await self._people.update_one(
                {"_id": agent_id, "recovery": digest}, {"$pull": {"recovery": digest}}
            )
        return bool(result.modified_count)


def _person(d: Mapping[str, Any]) -> Person:
    sealed = d.get("second_factor")
    return Person(
        agent_id=d["_id"],
        version=d.get("version", 0),
        password_hash=d.get("password_hash"),
        password_changed_at=d.get("password_changed_at"),
        disabled=bool(d.get("disabled")),
        second_factor=None if sealed is None else bytes(sealed),
        last_step=d.get("last_step", 0),
        recovery=tuple(d.get("recovery", ())),
        last_login_at=d.get("last_login_at"),
        last_login_by=d.get("last_login_by", ""),
    )
