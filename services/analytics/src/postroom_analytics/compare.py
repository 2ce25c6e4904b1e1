"""Which figures of two generations differ."""

from collections.abc import AsyncIterator
from typing import Any

from postroom_runtime.errors import translated
from postroom_runtime.mongo import Database

from postroom_analytics.generations import Generations
from postroom_analytics.reads import Document, MetricsReads

MOST = 100


async def differences(database: Database, old: int, new: int) -> list[str]:
    """Return the names of rows and rollups that are not the same, at most MOST; empty when all figures are equal."""
    generations, reads = Generations(database), MetricsReads(database)
    names: list[str] = []
    async with translated("compare generations"):
        pairs = _side_by_side(_in_order(generations.rows(old)), _in_order(generations.rows(new)))
        async for key, one, other in pairs:
            if one != other and len(names) < MOST:
                names.append(f"row {key} ({(one or other or {}).get('kind')})")
    before, after = await reads.rollups(old), await reads.rollups(new)
    names += [f"rollup {key}" for key in sorted(before.keys() | after.keys()) if before.get(key) != after.get(key)]
    return names[:MOST]


async def _in_order(collection: Any) -> AsyncIterator[Document]:
    async for document in collection.find({}).sort("_id", 1):
        yield document


async def _side_by_side(
    left: AsyncIterator[Document], right: AsyncIterator[Document]
) -> AsyncIterator[tuple[str, Document | None, Document | None]]:
    """Yield id and both documents of two streams that are sorted by `_id`; None where one has none."""
    one, other = await anext(left, None), await anext(right, None)
    while one is not None or other is not None:
        key = min(d["_id"] for d in (one, other) if d is not None)
        here = one if one is not None and one["_id"] == key else None
        there = other if other is not None and other["_id"] == key else None
        yield key, here, there
        one = await anext(left, None) if here is not None else one
        other = await anext(right, None) if there is not None else other
