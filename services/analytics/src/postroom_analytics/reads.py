"""Reading the figures in use: rollups merged over partitions, rows by page, one conversation."""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from postroom_runtime.errors import translated
from postroom_runtime.mongo import Database

from postroom_analytics.domain.cells import NOW, PRIVATE, TOTAL
from postroom_analytics.domain.documents import from_document, row_from_document
from postroom_analytics.domain.model import ConversationMetrics, Row
from postroom_analytics.domain.now import now_counts
from postroom_analytics.generations import Generations

Document = dict[str, Any]
Place = tuple[str, str]
"""A cut and one of its values."""
NOT_PRIVATE: Document = {"$not": re.compile(f"^{PRIVATE}:")}
Totals = dict[tuple[str, str], Document]
"""By cut and value the `total` rollup over all partitions, present counts under `now`."""


class MetricsReads:
    """What API, series and comparisons read."""

    def __init__(self, database: Database) -> None:
        self._generations = Generations(database)

    async def totals(self, cuts: Sequence[str], generation: int | None = None) -> Totals:
        """Return the totals of every value of `cuts`."""
        # By ranges of ids: no day of any value is looked at.
        ranges = [_beginning(f"{NOW}:"), *(_beginning(f"{TOTAL}:{cut}:") for cut in cuts)]
        result: Totals = {}
        shared: Document = {}
        number = generation if generation is not None else await self._generations.active()
        async with translated("read rollups"):
            async for document in self._generations.rollups(number).find({"$or": ranges}):
                if document["scope"] == NOW:
                    merge(shared, document)
                else:
                    merge(result.setdefault((document["cut"], document["value"]), {}), document)
        for cut, value, counts in now_counts(shared):
            if cut in cuts:
                result.setdefault((cut, value), {"scope": TOTAL, "cut": cut, "value": value})["now"] = counts
        return result

    async def total(self, places: Collection[Place]) -> Document:
        """Return the rows' total of these values of cuts, which must not overlap; empty when there is none."""
        query = {"$or": [{"cut": cut, "value": value} for cut, value in places], "scope": TOTAL}
        result: Document = {}
        async with translated("read rollups"):
            async for document in self._generations.rollups(await self._generations.active()).find(query):
                merge(result, document)
        return result

    async def days(self, places: Collection[Place], first: str, last: str) -> list[Document]:
        """Return the rollups of these values for the UTC days `first` to `last` (ISO dates, both included)."""
        named = [{"cut": cut, "value": value} for cut, value in places]
        query = {"$or": named, "scope": {"$gte": first, "$lte": last}}
        async with translated("read rollups"):
            cursor = self._generations.rollups(await self._generations.active()).find(query)
            return [document async for document in cursor if document["scope"] != TOTAL]

    async def find_rows(
        self, query: Mapping[str, Any], limit: int, after: tuple[datetime, str] | None = None
    ) -> list[Row]:
        """Return rows, the newest first, of private inboxes only those that `query` names; `after` is (closed_at, id) of
        the last one seen.
        """
        wanted: Document = {"inbox": NOT_PRIVATE, **query}
        if after is not None:
            at, row_id = after
            wanted["closed_at"] = {"$lte": at}  # what the index can use; the rest settles equal times
            wanted["$or"] = [{"closed_at": {"$lt": at}}, {"_id": {"$gt": row_id}}]
        async with translated("read rows"):
            rows = self._generations.rows(await self._generations.active())
            cursor = rows.find(wanted).sort([("closed_at", -1), ("_id", 1)]).limit(limit)
            return [row_from_document(document) for document in await cursor.to_list(length=limit)]

    async def conversation(self, conversation_id: str) -> tuple[ConversationMetrics, list[Row]] | None:
        """Return what is stored of one conversation; None when it is not known."""
        generation = await self._generations.active()
        async with translated("read conversation"):
            state = await self._generations.states(generation).find_one({"_id": conversation_id})
            if state is None:
                return None
            rows = self._generations.rows(generation).find({"conversation_id": conversation_id})
            return from_document(state), [row_from_document(document) async for document in rows]

    async def rollups(self, generation: int) -> dict[str, Document]:
        """Return all rollups of a generation for comparing two, by name, merged over partitions, without zeros."""
        rollups: dict[str, Document] = {}
        async with translated("read rollups"):
            async for document in self._generations.rollups(generation).find({}):
                key = f"{document['scope']} {document['cut']} {document['value']}".rstrip()
                merge(rollups.setdefault(key, {}), document)
        kept = {key: _without_zeros(document) for key, document in rollups.items()}
        return {key: document for key, document in kept.items() if document.keys() - {"scope", "cut", "value"}}


def _beginning(prefix: str) -> Document:
    """Return the range of ids that begin with `prefix`, which ends in a colon."""
    return {"_id": {"$gte": prefix, "$lt": f"{prefix[:-1]};"}}


def merge(target: Document, document: Mapping[str, Any]) -> None:
    """Add the numbers of a rollup document to `target`, names kept apart from numbers."""
    for name, value in document.items():
        if isinstance(value, dict):
            merge(target.setdefault(name, {}), value)
        elif name in ("scope", "cut", "value"):
            target[name] = value
        elif isinstance(value, int) and name != "partition":
            target[name] = target.get(name, 0) + value


def _without_zeros(document: Mapping[str, Any]) -> Document:
    """Return the rollup without what withdrawals left at zero, and without their history: a rebuild has less of it."""
    kept: Document = {}
    for name, value in document.items():
        if name == "withdrawn":
            continue
        inner = _without_zeros(value) if isinstance(value, dict) else value
        if inner not in (0, {}):
            kept[name] = inner
    return kept
