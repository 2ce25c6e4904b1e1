"""The forest of merges: which conversation was merged into which, without circles whoever merges at the same time.

Two merges in opposite directions lie in two queues that know nothing of each other. Each takes its edge here before it is
saved, one after another under one lock; merges are rare, so one lock for all is enough.
"""

import asyncio
import random
from collections.abc import Iterable
from typing import Any, Protocol

from postroom_runtime.errors import ConflictError, InfrastructureError, is_infrastructure, translated
from postroom_runtime.mongo import Collection, MongoClient, transaction

_LOCK = "lock"
_ATTEMPTS = 10
MAX_CHAIN = 1000


class MergeForest(Protocol):
    async def take(self, source: str, target: str) -> None:
        """Note that `source` is merged into `target`; again changes nothing.

        Raises ConflictError when `target` leads to `source`, by however many merges.
        """
        ...

    async def chains(self, conversations: Iterable[str]) -> dict[str, list[str]]:
        """Return for each all that it was merged into, nearest first."""
        ...


class MongoMerges:
    """`{_id: source, into: target}`, and the lock."""

    def __init__(self, client: MongoClient, collection: Collection) -> None:
        self._client = client
        self._collection = collection

    async def prepare(self) -> None:
        async with translated("lock of merges"):
            await self._collection.update_one({"_id": _LOCK}, {"$setOnInsert": {"turns": 0}}, upsert=True)

    async def take(self, source: str, target: str) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                await self._take(source, target)
                return
            except Exception as error:
                if isinstance(error, ConflictError) or not is_infrastructure(error):
                    raise
                if attempt == _ATTEMPTS - 1:
                    raise InfrastructureError(f"merge: {type(error).__name__}") from error
                await asyncio.sleep(random.uniform(0.005, 0.05))

    async def _take(self, source: str, target: str) -> None:
        async with transaction(self._client) as session:
            await self._collection.update_one({"_id": _LOCK}, {"$inc": {"turns": 1}}, session=session)
            if source in [target, *await self._chain(target, session)]:
                raise ConflictError("the target was merged into the source")
            await self._collection.replace_one({"_id": source}, {"into": target}, upsert=True, session=session)

    async def _chain(self, conversation: str, session: Any = None) -> list[str]:
        chain: list[str] = []
        while len(chain) < MAX_CHAIN:
            edge = await self._collection.find_one({"_id": conversation}, session=session)
            if edge is None:
                break
            conversation = edge["into"]
            chain.append(conversation)
        return chain

    async def chains(self, conversations: Iterable[str]) -> dict[str, list[str]]:
        async with translated("load merges"):
            return {c: await self._chain(c) for c in dict.fromkeys(conversations)}


class InMemoryMerges:
    """The double."""

    def __init__(self) -> None:
        self.edges: dict[str, str] = {}

    async def take(self, source: str, target: str) -> None:
        if source in [target, *self._chain(target)]:
            raise ConflictError("the target was merged into the source")
        self.edges[source] = target

    def _chain(self, conversation: str) -> list[str]:
        chain: list[str] = []
        while conversation in self.edges:
            conversation = self.edges[conversation]
            chain.append(conversation)
        return chain

    async def chains(self, conversations: Iterable[str]) -> dict[str, list[str]]:
        return {c: self._chain(c) for c in conversations}
