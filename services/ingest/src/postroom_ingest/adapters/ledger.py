"""The ledger in MongoDB: the outbox of ingest. Collections `ledger`, `places`, `cursors`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from postroom_runtime.clock import Clock
from postroom_runtime.errors import translated
from postroom_runtime.kafka import Outgoing
from postroom_runtime.mongo import (
    DUPLICATE_KEY,
    BulkWriteError,
    Database,
    DuplicateKeyError,
    IndexModel,
    InsertOne,
    UpdateOne,
    resolved,
)

from postroom_ingest.domain.cursor import Cursor
from postroom_ingest.ports import Entry, Noted, Outcome, Place, Spot

NOTES_WINDOW = 1000
PART_BYTES = 4 * 1024 * 1024
"""Of records in one document, which has at most 16 MiB: a record may have 1 MiB, and headers of it count too."""


def _to_mongo(record: Outgoing) -> dict[str, Any]:
    return {"t": record.topic, "k": record.key, "b": record.body, "h": [list(h) for h in record.headers]}


def _from_mongo(stored: Mapping[str, Any]) -> Outgoing:
    return Outgoing(stored["t"], bytes(stored["k"]), bytes(stored["b"]), [(n, bytes(v)) for n, v in stored["h"]])


def _size(out: Sequence[Outgoing]) -> int:
    return sum(len(record.body or b"") + 1000 for record in out)  # headers and names: less than a thousand bytes


def _parts(out: Sequence[Outgoing]) -> list[list[Outgoing]]:
    """Return the records in their order, in as many lists as documents are needed; at least one, which may be empty."""
    parts: list[list[Outgoing]] = [[]]
    for record in out:
        if parts[-1] and _size([*parts[-1], record]) > PART_BYTES:
            parts.append([])
        parts[-1].append(record)
    return parts


def _noted(placed: Mapping[str, Any], entry: Mapping[str, Any] | None) -> Noted:
    if entry is None:
        return Noted(placed["outcome"], placed["ledger_id"], in_ledger=False)
    reason = entry.get("ignored") or entry.get("quarantined") or ""
    return Noted(placed["outcome"], placed["ledger_id"], True, bool(entry["published"]), reason)


class MongoLedger:
    """Implements `ports.Ledger`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._ledger = database["ledger"]
        self._places = database["places"]
        self._cursors = database["cursors"]
        self._clock = clock
        self._order = 0

    async def prepare(self) -> None:
        async with translated("index ledger"):
            unpublished = IndexModel(
                [("account", 1), ("order", 1)], name="unpublished", partialFilterExpression={"published": False}
            )
            waiting = IndexModel(
                [("stored_at", 1), ("account", 1)], name="waiting", partialFilterExpression={"published": False}
            )
            parts = IndexModel([("of", 1)], name="parts", sparse=True)
            await resolved(self._ledger.create_indexes([unpublished, waiting, parts]))
            untidied = IndexModel(
                [("folder_key", 1), ("uid", 1)], name="untidied", partialFilterExpression={"tidied": ""}
            )
            await resolved(self._places.create_indexes([IndexModel([("folder_key", 1), ("uid", 1)]), untidied]))

    def _next_order(self) -> int:
        """A number that rises with time over restarts: microseconds of the clock, never twice the same."""
        self._order = max(self._order + 1, int(self._clock.now().timestamp() * 1_000_000))
        return self._order

    async def add(self, entries: Sequence[Entry]) -> dict[str, bool]:
        documents: dict[str, dict[str, Any]] = {}
        more: dict[str, dict[str, Any]] = {}
        for entry in entries:
            *before, last = _parts(entry.out)
            more |= {f"{entry.ledger_id}/{n}": self._part(entry, n, out) for n, out in enumerate(before)}
            documents[entry.ledger_id] = self._document(entry, last)
        if more:  # first: where an entry stands, all of its parts do
            await self._insert(more)
        return await self._insert(documents) if documents else {}

    async def _insert(self, documents: Mapping[str, dict[str, Any]]) -> dict[str, bool]:
        """Store those that are not there; return id -> whether it was new."""
        async with translated("store ledger"):
            try:
                await self._ledger.bulk_write([InsertOne(d) for d in documents.values()], ordered=False)
            except BulkWriteError as error:
                failures = (error.details or {}).get("writeErrors", [])
                if {f.get("code") for f in failures} != {DUPLICATE_KEY}:
                    raise
                known = {f["keyValue"]["_id"] for f in failures}
                return {ledger_id: ledger_id not in known for ledger_id in documents}
        return dict.fromkeys(documents, True)

    def _part(self, entry: Entry, n: int, out: Sequence[Outgoing]) -> dict[str, Any]:
        """Return a document of records that the entry's own has no room for: a mail to very many inboxes."""
        return self._document(entry, out) | {"_id": f"{entry.ledger_id}/{n}", "of": entry.ledger_id, "place": None}

    def _document(self, entry: Entry, out: Sequence[Outgoing]) -> dict[str, Any]:
        return {
            "_id": entry.ledger_id,
            "account": entry.account_id,
            "key": entry.key,
            "order": self._next_order(),
            "received_at": entry.received_at,
            "stored_at": self._clock.now(),
            "ignored": entry.ignored,
            "quarantined": entry.quarantined,
            "place": entry.place,
            "published": not out,
            "out": [_to_mongo(record) for record in out],
        }

    async def erased_of(self, ledger_ids: Sequence[str]) -> list[str]:
        """Return those of the ids whose mail was erased."""
        async with translated("read ledger"):
            wanted = {"_id": {"$in": list(ledger_ids)}, "erased": True}
            found = await self._ledger.find(wanted, {"_id": 1}).to_list(length=len(ledger_ids))
        return [d["_id"] for d in found]

    async def places_of(self, ledger_ids: Sequence[str]) -> dict[str, str | None]:
        """Return ledger id -> the place where it was first seen, of those that exist."""
        async with translated("read ledger"):
            found = await self._ledger.find({"_id": {"$in": list(ledger_ids)}}, {"place": 1}).to_list(len(ledger_ids))
        return {d["_id"]: d.get("place") for d in found}

    async def mark_published(self, ledger_ids: Sequence[str]) -> None:
        async with translated("mark published"):
            await self._ledger.update_many(
                {"_id": {"$in": list(ledger_ids)}}, {"$set": {"published": True}, "$unset": {"out": ""}}
            )

    async def unpublished(
        self, account_id: str, limit: int, most_bytes: int, besides: Sequence[str] = ()
    ) -> list[tuple[str, list[Outgoing]]]:
        wanted: dict[str, Any] = {"account": account_id, "published": False}
        if besides:
            wanted["_id"] = {"$nin": list(besides)}
        found: list[tuple[str, list[Outgoing]]] = []
        held = 0
        async with translated("read outbox"):
            cursor = self._ledger.find(wanted).sort("order", 1).limit(limit)
            async for document in cursor:
                out = [_from_mongo(record) for record in document["out"]]
                found.append((document["_id"], out))
                held += _size(out)
                if held >= most_bytes:
                    break
        return found

    async def outbox(self) -> tuple[int, datetime | None]:
        """Return how many entries are not published (counted up to 100,000), and since when the oldest piece of news is stored.

        Imported history counts, and its age does not: it may take its time.
        """
        wanted: dict[str, Any] = {"published": False}
        news = {**wanted, "account": {"$not": {"$regex": "/history$"}}}
        async with translated("count outbox"):
            count = int(await self._ledger.count_documents(wanted, limit=100_000))
            oldest = await self._ledger.find_one(news, {"stored_at": 1}, sort=[("stored_at", 1)]) if count else None
        return count, oldest["stored_at"] if oldest else None

    async def note_places(self, outcomes: Mapping[Place, tuple[Outcome, str]], *, tidy: bool = False) -> None:
        if not outcomes:
            return
        now = self._clock.now()
        due = {"tidied": ""} if tidy else {}
        writes = [
            UpdateOne(
                {"_id": place.id},
                {
                    "$setOnInsert": {
                        "folder_key": f"{place.account_id}/{place.folder}/{place.uidvalidity}",
                        "uid": place.uid,
                        "outcome": outcome,
                        "ledger_id": ledger_id,
                        "seen_at": now,
                        **due,
                    }
                },
                upsert=True,
            )
            for place, (outcome, ledger_id) in outcomes.items()
        ]
        async with translated("note places"):
            await self._places.bulk_write(writes, ordered=False)

    async def known_uids(self, account_id: str, folder: str, uidvalidity: int) -> set[int]:
        async with translated("read places"):
            cursor = self._places.find({"folder_key": f"{account_id}/{folder}/{uidvalidity}"}, {"uid": 1, "_id": 0})
            return {d["uid"] async for d in cursor}

    async def moved_away(self, spot: Spot) -> set[int]:
        """Return the UIDs of mails that `after_import` took out of the folder."""
        wanted = {"folder_key": spot.key, "tidied": {"$in": ["moved", "deleted"]}}
        async with translated("read places"):
            return {d["uid"] async for d in self._places.find(wanted, {"uid": 1, "_id": 0})}

    async def untidied(self, spot: Spot, limit: int) -> list[int]:
        async with translated("read places"):
            cursor = self._places.find({"folder_key": spot.key, "tidied": ""}, {"uid": 1}).sort("uid", 1).limit(limit)
            return [d["uid"] for d in await cursor.to_list(length=limit)]

    async def note_tidied(self, spot: Spot, uids: Sequence[int], what: str) -> None:
        async with translated("note places"):
            await self._places.update_many(
                {"_id": {"$in": [spot.place(uid).id for uid in uids]}}, {"$set": {"tidied": what}}
            )

    async def notes(self, spot: Spot) -> dict[int, Noted]:
        async with translated("read places"):
            placed = [d async for d in self._places.find({"folder_key": spot.key})]
        entries: dict[str, dict[str, Any]] = {}
        ids = list({d["ledger_id"] for d in placed})
        for start in range(0, len(ids), NOTES_WINDOW):
            entries |= await self._entries(ids[start : start + NOTES_WINDOW])
        return {d["uid"]: _noted(d, entries.get(d["ledger_id"])) for d in placed}

    async def _entries(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        wanted = {"published": 1, "ignored": 1, "quarantined": 1}
        async with translated("read ledger"):
            found = await self._ledger.find({"_id": {"$in": list(ids)}}, wanted).to_list(length=len(ids))
        return {d["_id"]: d for d in found}

    async def load_cursor(self, account_id: str, folder: str) -> Cursor | None:
        async with translated("read cursor"):
            found = await self._cursors.find_one({"_id": f"{account_id}/{folder}"})
        if found is None:
            return None
        more = {name: found[name] for name in ("floor", "since", "begins_now") if name in found}
        return Cursor(found["uidvalidity"], found["uid"], **more)

    async def save_cursor(self, account_id: str, folder: str, cursor: Cursor, fence: int) -> bool:
        change = {"$set": {**asdict(cursor), "fence": fence}}
        async with translated("save cursor"):
            try:
                await self._cursors.update_one(
                    {"_id": f"{account_id}/{folder}", "fence": {"$lte": fence}}, change, upsert=True
                )
            except DuplicateKeyError:
                return False  # a holder with a higher fence has written: we are not the holder any more
        return True

    async def erase(self, ledger_ids: Sequence[str]) -> None:
        """Forget what a person wrote: the entry stays as a number, its key and records go.

        It is published, whether we know it or not: who asks us to forget it has read it.
        """
        async with translated("erase ledger"):
            gone = {"$set": {"key": "", "erased": True, "published": True}, "$unset": {"out": ""}}
            await self._ledger.update_many({"of": {"$in": list(ledger_ids)}}, gone)
            await self._ledger.update_many({"_id": {"$in": list(ledger_ids)}}, gone)
