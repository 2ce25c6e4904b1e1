"""Contacts: a random id for each (kind of channel, address), so that a public id says nothing of the person.

Of who was erased a tombstone stays: a keyed hash of the address, so that what had come in before is known for theirs when
it is decided late. Whoever writes afterwards is somebody new.
"""

import hashlib
import hmac
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from postroom_runtime.errors import translated
from postroom_runtime.mongo import DUPLICATE_KEY, BulkWriteError, Collection, IndexModel, InsertOne, UpdateOne
from postroom_runtime.mongo_steps import Steps, all_of, in_turn

MARK = "#erased"
"""Its `at` is the latest erasure: what came in later need not be looked for among the tombstones."""
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def random_id() -> str:
    return str(uuid.uuid4())


def tombstone(contact_key: str, key: bytes) -> str:
    """Return under what the erasure of a contact is kept. Without `key` nobody can tell whose it is."""
    return "#" + hmac.new(key, f"contact\n{contact_key}".encode(), hashlib.sha256).hexdigest()[:40]


class Known(NamedTuple):
    """Contact ids by contact key; `erased`: those of them who were erased after what names them had come in."""

    ids: dict[str, str]
    erased: frozenset[str] = frozenset()


class ContactStore(Protocol):
    async def ids(self, keys: Iterable[str], now: datetime) -> dict[str, str]:
        """Return a contact id for each key (`outcome.contact_key`); unknown ones are made."""
        ...

    async def known(self, named: Mapping[str, datetime], now: datetime) -> Known:
        """Return a contact id for each key of `named`, which says when what names it came in; unknown ones are made.

        Who was erased since then keeps the id that they had, and is not made again.
        """
        ...

    async def addresses(self, contact_ids: Iterable[str]) -> dict[str, str]:
        """Return contact id -> normalised address; erased and unknown ones are absent."""
        ...

    async def key_of(self, contact_id: str) -> str | None:
        """Return a contact's key; None: erased or unknown."""
        ...

    async def bury(self, contact_ids: Iterable[str], at: datetime) -> None:
        """Forget them but for their tombstones: if they write again they are somebody new. Again: no change."""
        ...


class MongoContacts:
    """`{_id: contact key, contact: random id, at: first seen}`; tombstones `{_id: hash, was: random id, at: erased}`.

    `keys`: signing keys, newest first; without one no tombstone is kept.
    """

    def __init__(
        self, collection: Collection, new_id: Callable[[], str] = random_id, keys: Sequence[bytes] = ()
    ) -> None:
        self._collection = collection
        self._new_id = new_id
        self._keys = tuple(keys)

    async def prepare(self) -> None:
        async with translated("index contacts"):
            await self._collection.create_indexes([IndexModel("contact", name="contact")])

    async def ids(self, keys: Iterable[str], now: datetime) -> dict[str, str]:
        return (await self.known(dict.fromkeys(keys, now), now)).ids

    async def known(self, named: Mapping[str, datetime], now: datetime) -> Known:
        if not named:
            return Known({})
        async with translated("contacts"):
            return await in_turn(self._collection, self._known, named, now)

    def _known(self, collection: Collection, named: Mapping[str, datetime], now: datetime) -> Steps[Known]:
        """Find them, make those that are missing, and find those that somebody else has made meanwhile."""
        rows = yield from _find(collection, [*named, MARK])
        erased: dict[str, str] = {}
        last = rows.pop(MARK, None)
        if last is not None and (old := {k: at for k, at in named.items() if at <= last["at"]}):
            erased = yield from self._erased(collection, old)
        found = {key: row["contact"] for key, row in rows.items()} | erased
        missing = {key: self._new_id() for key in named if key not in found}
        if missing:
            lost = yield from _insert(collection, missing, now)
            found |= {key: contact for key, contact in missing.items() if key not in lost}
            if lost:
                found |= {key: row["contact"] for key, row in (yield from _find(collection, lost)).items()}
        return Known(found, frozenset(erased.values()))

    def _erased(self, collection: Collection, named: Mapping[str, datetime]) -> Steps[dict[str, str]]:
        stones = {tombstone(contact, key): contact for contact in named for key in self._keys}
        found = yield from all_of(collection, {"_id": {"$in": list(stones)}}, None, len(stones))
        return {stones[d["_id"]]: d["was"] for d in found if named[stones[d["_id"]]] <= d["at"]}

    async def addresses(self, contact_ids: Iterable[str]) -> dict[str, str]:
        wanted = list(dict.fromkeys(contact_ids))
        if not wanted:
            return {}
        async with translated("load addresses"):
            found = await self._collection.find({"contact": {"$in": wanted}}).to_list(length=len(wanted))
        return {d["contact"]: d["_id"].partition(":")[2] for d in found}

    async def key_of(self, contact_id: str) -> str | None:
        async with translated("load contact"):
            found = await self._collection.find_one({"contact": contact_id}, {"_id": 1})
        return found["_id"] if found else None

    async def bury(self, contact_ids: Iterable[str], at: datetime) -> None:
        """First the tombstones, then the mark, then the names: who meets the mark finds the stone."""
        wanted = list(contact_ids)
        async with translated("erase contacts"):
            found = await self._collection.find({"contact": {"$in": wanted}}).to_list(length=len(wanted))
            if not found:
                return
            writes = [
                UpdateOne({"_id": tombstone(d["_id"], key)}, {"$set": {"was": d["contact"], "at": at}}, upsert=True)
                for d in found
                for key in self._keys[:1]
            ]
            if writes:
                await self._collection.bulk_write(writes)
                await self._collection.update_one({"_id": MARK}, {"$max": {"at": at}}, upsert=True)
            await self._collection.delete_many({"contact": {"$in": wanted}})


def _find(collection: Collection, keys: list[str]) -> Steps[dict[str, dict[str, Any]]]:
    found = yield from all_of(collection, {"_id": {"$in": keys}}, {"contact": 1, "at": 1}, len(keys))
    return {d["_id"]: d for d in found}


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
        self.erased: dict[str, tuple[str, datetime]] = {}
        self._new_id = new_id

    async def ids(self, keys: Iterable[str], now: datetime) -> dict[str, str]:
        return (await self.known(dict.fromkeys(keys, now), now)).ids

    async def known(self, named: Mapping[str, datetime], now: datetime) -> Known:  # noqa: ARG002 - keeps no time
        gone = {
            k: was
            for k, at in named.items()
            for was, erased_at in [self.erased.get(k, ("", _NEVER))]
            if at <= erased_at
        }
        ids = {key: gone.get(key) or self.contacts.setdefault(key, self._new_id()) for key in named}
        return Known(ids, frozenset(gone.values()))

    async def addresses(self, contact_ids: Iterable[str]) -> dict[str, str]:
        wanted = set(contact_ids)
        return {contact: key.partition(":")[2] for key, contact in self.contacts.items() if contact in wanted}

    async def key_of(self, contact_id: str) -> str | None:
        return next((key for key, contact in self.contacts.items() if contact == contact_id), None)

    async def bury(self, contact_ids: Iterable[str], at: datetime) -> None:
        gone = set(contact_ids)
        self.erased |= {key: (contact, at) for key, contact in self.contacts.items() if contact in gone}
        self.contacts = {key: contact for key, contact in self.contacts.items() if contact not in gone}
