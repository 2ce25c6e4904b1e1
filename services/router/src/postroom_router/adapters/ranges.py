"""A whole collection in ranges of ids, for what is asked so seldom that it has no index: each query stays short."""

from collections.abc import AsyncIterator
from typing import Any

from postroom_runtime.mongo import Collection

RANGE = 5_000


async def id_ranges(collection: Collection, size: int = RANGE) -> AsyncIterator[dict[str, Any]]:
    """Yield conditions on `_id`, each of at most `size` documents, that are all of the collection together."""
    last: dict[str, Any] = {}
    while True:
        there = {"_id": last} if last else {}
        end = await collection.find(there, {"_id": 1}).sort("_id", 1).skip(size - 1).limit(1).to_list(length=1)
        if not end:
            yield there
            return
        yield {"_id": {**last, "$lte": end[0]["_id"]}}
        last = {"$gt": end[0]["_id"]}
