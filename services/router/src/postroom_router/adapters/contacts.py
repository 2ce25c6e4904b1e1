"""Contacts: a random id for each (kind of channel, address), so that a public id says nothing of the person."""

import uuid
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol

from postroom_runtime.errors import translated
from postroom_runtime.mongo import DUPLICATE_KEY, BulkWriteError, Collection, IndexModel, InsertOne
from postroom_runtime.mongo_steps import Steps, all_of, in_turn


def random_id() -> str:
    return str(uuid.uuid4())


class ContactStore(Protocol):
    async def ids(self, keys: Iterable[str], now: datetime) -> dict[str, str]:
        """Return a contact id for each key (`outcome.contact_key`); unknown ones are made."""
        ...

    async def addresses(self, contact_ids: Iterable[str]) -> dict[str, str]:
        """Return contact id -> normalised address; erased and unknown ones are absent."""
        ...

    async def erase(self, contact_ids: Iterable[str]) -> None:
        """Forget them: if they write again they are somebody new."""
        ...


class MongoContacts:
    """`{_id: contact key, contact: random id, at: first seen}`."""

    def __init__(self, collection: Collection, new_id: Callable[[], str] = random_id) -> None:
        self._collection = collection
        self._new_id = new_id

    async def prepare(self) -> None:
        async with translated("index contacts"):
            await self._collection.create_indexes([IndexModel("contact", name="contact")])

    async def ids(self, keys: Iterable[str], now: datetime) -> dict[str, str]:
        wanted = list(dict.fromkeys(keys))
        if not wanted:
            return {}
        async with translated("contacts"):
            return await in_turn(self._collection, self._ids, wanted, now)

    def _ids(self, collection: Collection, wanted: list[str], now: datetime) -> Steps[dict[str, str]]:
        """Find them, make those that are missing, and find those that somebody else has made meanwhile."""
        found = yield from _find(collection, wanted)
        missing = {key: self._new_id() for key in wanted if key not in found}
        if missing:
            lost = yield from _insert(collection, missing, now)
            found |= {key: contact for key, contact in missing.items() if key not in lost}
            if lost:
                found |= yield from _find(collection, lost)
        return found

    async def addresses(self, contact_ids: Iterable[str]) -> dict[str, str]:
        wanted = list(dict.fromkeys(contact_ids))
        if not wanted:
            return {}
        async with translated("load addresses"):
            found = await self._collection.find({"contact": {"$in": wanted}}).to_list(length=len(wanted))
        return {d["contact"]: d["_id"].partition(":")[2] for d in found}

    async def erase(self, contact_ids: Iterable[str]) -> None:
        async with translated("erase contacts"):
            await self._collection.delete_many({"contact": {"$in": list(contact_ids)}})


def _find(collection: Collection, keys: list[str]) -> Steps[dict[str, str]]:
    found = yield from all_of(collection, {"_id": {"$in": keys}}, {"contact": 1}, len(keys))
    return {d["_id"]: d["contact"] for d in found}


def _insert(collection: Collection, contacts: dict[str, str], now: datetime) -> Steps[list[str]]:
    """Make them; return the keys of those that were there already."""
    keys = list(contacts)
    try:
        yield collection.bulk_write(
            [InsertOne({"_id": key, "contact": contact, "at": now}) for key, contact in contacts.items()],
            ordered=False,
        )
    except BulkWriteError as error:
        errors = (error.details or {}).get("writeErrors", [])
        if {e.get("code") for e in errors} != {DUPLICATE_KEY}:
            raise
        return [keys[e["index"]] for e in errors]
    return []


class InMemoryContacts:
    """The double."""

    def __init__(self, new_id: Callable[[], str] = random_id) -> None:
        self.contacts: dict[str, str] = {}
        self._new_id = new_id

    async def ids(self, keys: Iterable[str], now: datetime) -> dict[str, str]:  # noqa: ARG002 - keeps no time
        return {key: self.contacts.setdefault(key, self._new_id()) for key in dict.fromkeys(keys)}

    async def addresses(self, contact_ids: Iterable[str]) -> dict[str, str]:
        wanted = set(contact_ids)
        return {contact: key.partition(":")[2] for key, contact in self.contacts.items() if contact in wanted}

    async def erase(self, contact_ids: Iterable[str]) -> None:
        gone = set(contact_ids)
        self.contacts = {key: contact for key, contact in self.contacts.items() if contact not in gone}
