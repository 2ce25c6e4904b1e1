"""The audit in the desk's database: `{_id: sequence, i: id, e: the entry's JSON fields}`, and what it is searched by beside.

Nobody updates or deletes here. `_id` is the sequence number: of two replicas that append the same one, one wins, and the
other links its entries behind it. `i` is unique: what was written and not acknowledged, or noted by two replicas, stands once.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from postroom_runtime.errors import InfrastructureError, translated
from postroom_runtime.mongo import DUPLICATE_KEY, BulkWriteError, Database, IndexModel

from postroom_desk.audit.chain import Head, Link, linked
from postroom_desk.audit.search import Search

ATTEMPTS = 50
"""Races for a sequence number that one batch may lose before it waits: each lost one means that another replica went on."""
_CHUNK = 1000


class MongoAuditStore:
    """Appends to the chain and reads it."""

    def __init__(self, database: Database) -> None:
        self._entries = database["audit"]
        self._head: Head | None = None

    async def prepare(self) -> None:
        """Create the indexes; again: no change."""
        async with translated("index audit"):
            await self._entries.create_indexes(
                [
                    IndexModel([("i", 1)], unique=True),
                    IndexModel([("e.person", 1), ("_id", -1)]),
                    IndexModel([("e.conversation_id", 1), ("_id", -1)]),
                    IndexModel([("at", 1), ("_id", 1)]),
                ]
            )

    async def append(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Append these in order; one whose id stands there already is left out. Raises InfrastructureError.

        After an error some may stand there: the repeat leaves those out.
        """
        waiting = list(entries)
        for _ in range(ATTEMPTS):
            if not waiting:
                return
            head = self._head or await self.head()
            links = linked(head, waiting)
            written, known = await self._insert(links)
            self._head = Head(links[written - 1]["sequence"], links[written - 1]["hash"]) if written else head
            waiting = waiting[written + known :]
            if waiting and not known:
                self._head = None  # another replica was faster
        if waiting:
            raise InfrastructureError("append to audit: other replicas were faster each time")

    async def _insert(self, links: Sequence[Link]) -> tuple[int, int]:
        """Return how many were written, and 1 if the next one stands there already."""
        async with translated("append to audit"):
            try:
                await self._entries.insert_many([_document(link) for link in links], ordered=True)
            except BulkWriteError as error:
                (failed, *_) = (error.details or {}).get("writeErrors", [{}])
                if failed.get("code") != DUPLICATE_KEY:
                    raise
                return int(failed["index"]), int("i" in failed.get("keyPattern", {}))
        return len(links), 0

    async def head(self) -> Head:
        """Return the last link's sequence and hash."""
        async with translated("read audit"):
            found = await self._entries.find({}).sort([("_id", -1)]).limit(1).to_list(length=1)
        return Head(found[0]["_id"], found[0]["e"]["hash"]) if found else Head()

    async def find(self, search: Search) -> list[Link]:
        """Return at most `search.limit + 1` links that fit, the newest first."""
        cursor = self._entries.find(search.conditions()).sort([("_id", -1)]).limit(search.limit + 1)
        async with translated("read audit"):
            return [_link(d) for d in await cursor.to_list(length=search.limit + 1)]

    async def stream(self, search: Search) -> AsyncIterator[Link]:
        """Yield all links that fit, in their order."""
        async with translated("read audit"):
            async for document in self._entries.find(search.conditions(), batch_size=_CHUNK).sort([("_id", 1)]):
                yield _link(document)

    async def all(self, begin: datetime | None = None, end: datetime | None = None) -> AsyncIterator[Link]:
        """Yield links in their order: all, or those from `begin` to before `end`."""
        between = {name: at for name, at in (("$gte", begin), ("$lt", end)) if at is not None}
        conditions = {"at": between} if between else {}
        async with translated("read audit"):
            async for document in self._entries.find(conditions, batch_size=_CHUNK).sort([("_id", 1)]):
                yield _link(document)


def _document(link: Link) -> dict[str, Any]:
    return {"_id": link["sequence"], "i": link["id"], "at": datetime.fromisoformat(link["at"]), "e": link}


def _link(document: Mapping[str, Any]) -> Link:
    """Return the link; one whose number in the database is another than its own is shown under that of the database."""
    return {**document["e"], "sequence": document["_id"]}
