"""Erasures: who is to be erased, how far it has come, and which conversations know them.

An erasure holds the contact's key while it goes on, for what names an address; of one that is done only ids and times stay.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from postroom_contracts.commands import AcceptMessage, EraseContact, SendReply, StartConversation
from postroom_contracts.ids import derived_id
from postroom_runtime.errors import translated
from postroom_runtime.mongo import Collection, DuplicateKeyError
from postroom_runtime.records import Incoming

from postroom_router.adapters.ranges import id_ranges

_CONTACT = re.compile(r"[0-9a-zA-Z-]{1,64}")
_WITH_ADDRESSES = frozenset(m.type_name() for m in (AcceptMessage, SendReply, StartConversation))
"""Commands that hold addresses or text; one may still stand in the pending output of a conversation that passed it on."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """One person's. `request` is the id of the command, `actor` who asked, `key` the contact's key while it is needed."""

    contact_id: str
    request: str
    actor: Mapping[str, Any]
    whole: bool
    asked_at: datetime
    key: str | None = None
    buried_at: datetime | None = None
    """Since when whoever writes from this address is somebody new."""
    done_at: datetime | None = None
    conversations: int | None = None
    """How many knew them, when it was done."""

    @property
    def address(self) -> str:
        return (self.key or "").partition(":")[2]


@dataclass(frozen=True, slots=True)
class Knowing:
    """A conversation that knows a contact, and what it has decided. `holds`: an address or a text is still in it."""

    conversation_id: str
    requests: frozenset[str]
    holds: bool

    def is_done(self, erasure: Erasure) -> bool:
        return erasure.request in self.requests and not self.holds

    def next_request(self, erasure: Erasure) -> str:
        """Return the id to ask under: the erasure's own, then further ones, since what was decided is not decided again."""
        number, found = 0, erasure.request
        while found in self.requests:
            number += 1
            found = derived_id("erasure", erasure.request, str(number))
        return found


class Erasures(Protocol):
    async def ask(self, erasure: Erasure) -> None:
        """Note that somebody is to be erased. The same request again: no change; another one begins anew, with what is known."""
        ...

    async def open(self) -> list[Erasure]:
        """Return those that are not done, the oldest first."""
        ...

    async def of(self, contact_id: str) -> Erasure | None:
        """Return the latest erasure of this contact, done or not."""
        ...

    async def note(self, erasure: Erasure) -> None:
        """Keep how far it has come."""
        ...

    async def addresses(self, contact_ids: Iterable[str]) -> dict[str, str]:
        """Return contact id -> address of those who are being erased."""
        ...


class Acquaintances(Protocol):
    async def knowing(self, contact_id: str) -> list[Knowing]:
        """Return every conversation in which this contact takes part or wrote."""
        ...


def asked_of(batch: Sequence[Incoming]) -> Iterator[Erasure]:
    """Yield the erasures of whole persons that a batch of commands asks for: their subject is the contact.

    What is no contact id of ours is nobody's, and is no part of a query.
    """
    for incoming in batch:
        event = incoming.event
        if event is None or not _CONTACT.fullmatch(incoming.key):
            continue
        if isinstance(event.data, EraseContact) and event.data.contact_id == incoming.key:
            actor = event.data.actor.model_dump(mode="json")
            yield Erasure(incoming.key, event.id, actor, event.data.whole, event.time)


class MongoErasures:
    """`{_id: contact, request, actor, whole, asked_at, key, buried_at, done_at, conversations}`."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    async def ask(self, erasure: Erasure) -> None:
        async with translated("note erasure"):
            before = await self._collection.find_one({"_id": erasure.contact_id}, {"key": 1})
            begun = replace(erasure, key=before["key"]) if before else erasure
            try:
                await self._collection.replace_one(
                    {"_id": erasure.contact_id, "request": {"$ne": erasure.request}}, _to_mongo(begun), upsert=True
                )
            except DuplicateKeyError:
                return  # this very request is known

    async def open(self) -> list[Erasure]:
        async with translated("read erasures"):
            found = await self._collection.find({"done_at": None}).sort("asked_at", 1).to_list(length=1_000)
        return [_from_mongo(d) for d in found]

    async def all(self) -> list[Erasure]:
        """Return the latest thousand, done ones, too."""
        async with translated("read erasures"):
            found = await self._collection.find({}).sort("asked_at", -1).to_list(length=1_000)
        return [_from_mongo(d) for d in found]

    async def of(self, contact_id: str) -> Erasure | None:
        async with translated("read erasure"):
            found = await self._collection.find_one({"_id": contact_id})
        return None if found is None else _from_mongo(found)

    async def note(self, erasure: Erasure) -> None:
        async with translated("note erasure"):
            await self._collection.replace_one(
                {"_id": erasure.contact_id, "request": erasure.request}, _to_mongo(erasure)
            )

    async def addresses(self, contact_ids: Iterable[str]) -> dict[str, str]:
        async with translated("read erasures"):
            wanted = list(contact_ids)
            found = await self._collection.find({"_id": {"$in": wanted}}).to_list(length=len(wanted))
        return {e.contact_id: e.address for e in map(_from_mongo, found) if e.address}


def _to_mongo(erasure: Erasure) -> dict[str, Any]:
    names = ("request", "actor", "whole", "asked_at", "key", "buried_at", "done_at", "conversations")
    return {"_id": erasure.contact_id} | {name: getattr(erasure, name) for name in names}


def _from_mongo(stored: Mapping[str, Any]) -> Erasure:
    return Erasure(contact_id=stored["_id"], **{name: value for name, value in stored.items() if name != "_id"})


class MongoAcquaintances:
    """Reads the conversations, all of them: people are erased seldom, so no index is kept for it."""

    def __init__(self, conversations: Collection) -> None:
        self._conversations = conversations

    async def knowing(self, contact_id: str) -> list[Knowing]:
        known = {"$or": [{f"state.participants.{contact_id}": {"$exists": True}}, {"$expr": _wrote(contact_id)}]}
        fields = {"requests": 1, f"state.participants.{contact_id}": 1, "out.h.ce_type": 1}
        found: list[Knowing] = []
        async with translated("look for a contact"):
            async for within in id_ranges(self._conversations):
                documents = await self._conversations.find({**within, **known}, fields).to_list(length=None)
                found += [knowing_of(document, contact_id) for document in documents]
        return found


def _wrote(contact_id: str) -> dict[str, Any]:
    """Return the expression that says whether one of the messages has this author."""
    messages = {"$objectToArray": {"$ifNull": ["$state.messages", {}]}}
    by = {"$eq": [{"$indexOfBytes": ["$$this.v", f"{contact_id}/"]}, 0]}
    return {"$anyElementTrue": [{"$map": {"input": messages, "in": by}}]}


def knowing_of(document: Mapping[str, Any], contact_id: str) -> Knowing:
    """Return what a stored conversation says of a contact."""
    address = ((document.get("state") or {}).get("participants") or {}).get(contact_id)
    pending = {_text((record.get("h") or {}).get("ce_type")) for record in document.get("out") or ()}
    return Knowing(document["_id"], frozenset(document["requests"]), bool(address or pending & _WITH_ADDRESSES))


def _text(value: Any) -> str:
    return bytes(value).decode("utf-8", "replace") if value else ""


@dataclass(slots=True)
class InMemoryErasures:
    """The double."""

    erasures: dict[str, Erasure] = field(default_factory=dict)

    async def ask(self, erasure: Erasure) -> None:
        known = self.erasures.get(erasure.contact_id)
        if known is None or known.request != erasure.request:
            self.erasures[erasure.contact_id] = replace(erasure, key=known.key if known else None)

    async def open(self) -> list[Erasure]:
        return [e for e in self.erasures.values() if e.done_at is None]

    async def of(self, contact_id: str) -> Erasure | None:
        return self.erasures.get(contact_id)

    async def note(self, erasure: Erasure) -> None:
        self.erasures[erasure.contact_id] = replace(erasure)

    async def addresses(self, contact_ids: Iterable[str]) -> dict[str, str]:
        wanted = set(contact_ids)
        return {c: e.address for c, e in self.erasures.items() if c in wanted and e.address}
