"""Thread claims in MongoDB: one small document per message id of an inbox, made once."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from postroom_runtime.errors import translated
from postroom_runtime.mongo import DUPLICATE_KEY, BulkWriteError, Collection, InsertOne, UpdateOne
from postroom_runtime.mongo_steps import Steps, all_of, in_turn

from postroom_router.adapters.ranges import id_ranges
from postroom_router.domain.threading import Row

Make = Callable[[dict[str, Row]], Mapping[str, Row]]
"""From the rows that there are to those that have to be made. Computes only; it may run on another thread."""


NOBODY = 0
"""Stands for somebody who was erased: no address has this number."""


class ClaimStore(Protocol):
    async def load(self, claims: Iterable[str]) -> dict[str, Row]:
        """Return the rows that there are, in one query."""
        ...

    async def insert(self, rows: Mapping[str, Row]) -> set[str]:
        """Make rows, in one round trip; return which were there already, made by somebody else since `load`."""
        ...

    async def claim(self, claims: Iterable[str], make: Make) -> dict[str, Row]:
        """Load the claims, and insert the rows that `make` then wants.

        Returns the rows of those that somebody else made in between; mostly none.
        """
        ...

    async def move(self, rows: Mapping[str, Row]) -> None:
        """Let rows lead elsewhere; their homes stay."""
        ...

    async def forget(self, person: int) -> None:
        """Take somebody (`threading.person`) out of who wrote or got a mail. What they could join, they can no more."""
        ...


class MongoClaims:
    """`{_id: claim id, c: home, b: born, p: people, s: split, w: awaited by, x: apart}`, after a merge also `to` and `tb`:
    where it leads to, and its age.

    Found first and then inserted, not upserted and then read: a message that answers something known is then written
    down for the right conversation at once, and an insert costs mongod a third of an upsert. Who was overtaken between
    the two learns it from the duplicate key.
    """

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    async def load(self, claims: Iterable[str]) -> dict[str, Row]:
        async with translated("load claims"):
            return await in_turn(self._collection, _load, claims)

    async def insert(self, rows: Mapping[str, Row]) -> set[str]:
        async with translated("insert claims"):
            return await in_turn(self._collection, _insert, rows)

    async def claim(self, claims: Iterable[str], make: Make) -> dict[str, Row]:
        async with translated("claims"):
            return await in_turn(self._collection, _claim, claims, make)

    async def move(self, rows: Mapping[str, Row]) -> None:
        if not rows:
            return
        async with translated("move claims"):
            await self._collection.bulk_write(
                [UpdateOne({"_id": claim}, {"$set": _moved(row)}) for claim, row in rows.items()], ordered=False
            )

    async def forget(self, person: int) -> None:
        async with translated("forget a person"):
            async for within in id_ranges(self._collection):
                await self._collection.update_many({**within, "p": person}, {"$set": {"p.$": NOBODY}})
                await self._collection.update_many({**within, "w": person}, {"$set": {"w": NOBODY}})


def _load(collection: Collection, claims: Iterable[str]) -> Steps[dict[str, Row]]:
    wanted = list(dict.fromkeys(claims))
    if not wanted:
        return {}
    found = yield from all_of(collection, {"_id": {"$in": wanted}}, None, len(wanted))
    return {d["_id"]: _from_mongo(d) for d in found}


def _insert(collection: Collection, rows: Mapping[str, Row]) -> Steps[set[str]]:
    if not rows:
        return set()
    ids = list(rows)
    try:
        yield collection.bulk_write([InsertOne(_to_mongo(claim, row)) for claim, row in rows.items()], ordered=False)
    except BulkWriteError as error:
        errors = (error.details or {}).get("writeErrors", [])
        if {e.get("code") for e in errors} != {DUPLICATE_KEY}:
            raise
        return {ids[e["index"]] for e in errors}
    return set()


def _claim(collection: Collection, claims: Iterable[str], make: Make) -> Steps[dict[str, Row]]:
    found = yield from _load(collection, claims)
    lost = yield from _insert(collection, make(found))
    return (yield from _load(collection, lost))


def _to_mongo(claim: str, row: Row) -> dict[str, object]:
    moved = {"to": row.leads_to} if row.leads_to != row.home else {}
    awaited = {"w": row.awaited_by} if row.awaited_by else {}
    return {"_id": claim, "c": row.home, "b": row.born, **_people(row), **moved, **_mark(row), **awaited}


def _moved(row: Row) -> dict[str, object]:
    return {"to": row.leads_to, "tb": row.born, **_people(row), **_mark(row)}


def _people(row: Row) -> dict[str, object]:
    return {"p": list(row.people)} if row.people else {}


def _mark(row: Row) -> dict[str, object]:
    return {name: True for name, is_set in (("s", row.split), ("x", row.apart)) if is_set}


def _from_mongo(d: Mapping[str, Any]) -> Row:
    leads_to, born = d.get("to", d["c"]), d.get("tb", d["b"])
    return Row(d["c"], leads_to, born, tuple(d.get("p", ())), bool(d.get("s")), d.get("w", NOBODY), bool(d.get("x")))


class InMemoryClaims:
    """The double. `overtake` makes rows just before an insert, as another member would."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.overtake: dict[str, Row] = {}

    async def load(self, claims: Iterable[str]) -> dict[str, Row]:
        return {c: self.rows[c] for c in claims if c in self.rows}

    async def insert(self, rows: Mapping[str, Row]) -> set[str]:
        for claim, row in self.overtake.items():
            self.rows.setdefault(claim, row)
        self.overtake = {}
        lost = {c for c in rows if c in self.rows}
        self.rows |= {c: r for c, r in rows.items() if c not in lost}
        return lost

    async def claim(self, claims: Iterable[str], make: Make) -> dict[str, Row]:
        return await self.load(await self.insert(make(await self.load(claims))))

    async def move(self, rows: Mapping[str, Row]) -> None:
        for claim, row in rows.items():
            there = self.rows[claim]
            kept = {
                "people": row.people or there.people,
                "split": row.split or there.split,
                "apart": row.apart or there.apart,
            }
            self.rows[claim] = replace(there, leads_to=row.leads_to, born=row.born, **kept)  # type: ignore[arg-type]

    async def forget(self, person: int) -> None:
        for claim, row in self.rows.items():
            people = tuple(NOBODY if p == person else p for p in row.people)
            awaited_by = NOBODY if row.awaited_by == person else row.awaited_by
            self.rows[claim] = replace(row, people=people, awaited_by=awaited_by)
