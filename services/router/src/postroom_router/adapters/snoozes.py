"""Snoozes that are over: a query on the conversations themselves."""

from collections.abc import Sequence
from datetime import datetime

from postroom_runtime.errors import translated
from postroom_runtime.mongo import Collection, IndexModel
from postroom_runtime.timers import DueTimer

_UNTIL = "state.snooze.until"


class MongoSnoozes:
    """Reads only: the fold alone writes conversations. The index holds those that are snoozed and no others."""

    def __init__(self, conversations: Collection) -> None:
        self._conversations = conversations

    async def prepare(self) -> None:
        async with translated("index snoozes"):
            index = IndexModel(_UNTIL, name="snooze", partialFilterExpression={_UNTIL: {"$exists": True}})
            await self._conversations.create_indexes([index])

    async def due(self, now: datetime, limit: int) -> Sequence[DueTimer]:
        async with translated("due snoozes"):
            cursor = self._conversations.find({_UNTIL: {"$lte": now}}, {"state.snooze": 1}).sort(_UNTIL, 1)
            found = await cursor.limit(limit).to_list(length=limit)
        snoozes = [(d["_id"], d["state"]["snooze"]) for d in found]
        return [DueTimer(i, "snooze", s["generation"], s["until"]) for i, s in snoozes]


class MongoTargets:
    """Which conversations there are, for merges into them."""

    def __init__(self, conversations: Collection) -> None:
        self._conversations = conversations

    async def existing(self, conversation_ids: Sequence[str]) -> frozenset[str]:
        async with translated("look for targets"):
            wanted = {"_id": {"$in": list(conversation_ids)}, "state.inbox_id": {"$exists": True}}
            found = await self._conversations.find(wanted, {"_id": 1}).to_list(length=len(conversation_ids))
        return frozenset(d["_id"] for d in found)
