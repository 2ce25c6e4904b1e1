"""Deadlines that are due: a query on the assignments themselves."""

from collections.abc import Sequence
from datetime import datetime

from postroom_runtime.errors import translated
from postroom_runtime.mongo import Collection, IndexModel
from postroom_runtime.timers import DueTimer

_DUE_AT = "state.timer.due_at"


class MongoDeadlines:
    """Reads only: the fold alone writes assignments. The index holds those that have a timer and no others."""

    def __init__(self, assignments: Collection) -> None:
        self._assignments = assignments

    async def prepare(self) -> None:
        async with translated("index deadlines"):
            index = IndexModel(_DUE_AT, name="deadline", partialFilterExpression={_DUE_AT: {"$exists": True}})
            await self._assignments.create_indexes([index])

    async def due(self, now: datetime, limit: int) -> Sequence[DueTimer]:
        async with translated("due deadlines"):
            cursor = self._assignments.find({_DUE_AT: {"$lte": now}}, {"state.timer": 1}).sort(_DUE_AT, 1)
            found = await cursor.limit(limit).to_list(length=limit)
        timers = [(d["_id"], d["state"]["timer"]) for d in found]
        return [DueTimer(i, t["kind"], t["generation"], t["due_at"]) for i, t in timers]
