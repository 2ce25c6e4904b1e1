"""What waits, read from the assignment documents; the index holds only those that wait, in the order of the queue."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from postroom_runtime.errors import translated
from postroom_runtime.mongo import Collection, IndexModel, aggregate

from postroom_assigner.ports import QueueLength, WaitingConversation

_WAITS = {"state.queue.team_id": {"$exists": True}}
_FIELDS = {"state.epoch": 1, "state.attempt": 1}
_QUERY_MS = 5_000


async def create_indexes(assignments: Collection) -> None:
    """Make the indexes of the assignment documents; those that are there stay."""
    async with translated("create indexes"):
        await assignments.create_indexes(
            [
                IndexModel(
                    [("state.queue.team_id", 1), ("state.queue.rank", 1), ("state.queue.since", 1), ("_id", 1)],
                    name="queue",
                    partialFilterExpression=_WAITS,
                ),
                IndexModel([("state.slot", 1)], name="slot", sparse=True),
            ]
        )


class MongoWaitingQueue:
    """The port WaitingQueue on the assignment documents."""

    def __init__(self, assignments: Collection) -> None:
        self._assignments = assignments

    async def lengths(self) -> dict[str, QueueLength]:
        pipeline: list[dict[str, Any]] = [
            {"$match": _WAITS},
            {"$group": {"_id": "$state.queue.team_id", "n": {"$sum": 1}, "since": {"$min": "$state.queue.since"}}},
            {"$limit": 10_000},
        ]
        async with translated("count queues"):
            found = await aggregate(self._assignments, pipeline, hint="queue", maxTimeMS=_QUERY_MS)
        return {row["_id"]: QueueLength(row["n"], row["since"]) for row in found}

    async def first(
        self,
        team_id: str,
        limit: int,
        not_released_by: str | None,
        not_in: Sequence[str] = (),
        besides: AbstractSet[str] = frozenset(),
    ) -> Sequence[WaitingConversation]:
        wanted: dict[str, Any] = {"state.queue.team_id": team_id, **_besides(besides)}
        if not_released_by is not None:
            wanted["state.released_by"] = {"$ne": not_released_by}
        if not_in:
            wanted["state.inbox_id"] = {"$nin": list(not_in)}
        order = [("state.queue.rank", 1), ("state.queue.since", 1), ("_id", 1)]
        async with translated("read queue"):
            cursor = self._assignments.find(wanted, _FIELDS, sort=order, limit=limit, max_time_ms=_QUERY_MS)
            return [_waiting(d) for d in await cursor.to_list(length=limit)]

    async def owned_by_others_than(
        self, agent_ids: Sequence[str], limit: int, besides: AbstractSet[str] = frozenset()
    ) -> Sequence[WaitingConversation]:
        async with translated("read owners"):
            owners = await self._assignments.distinct("state.slot", {"state.slot": {"$gt": ""}})
            gone = sorted(set(owners) - set(agent_ids))
            if not gone:
                return []
            wanted = {"state.slot": {"$in": gone}, **_besides(besides)}
            cursor = self._assignments.find(wanted, _FIELDS, limit=limit, max_time_ms=_QUERY_MS)
            return [_waiting(d) for d in await cursor.to_list(length=limit)]


def _besides(ids: AbstractSet[str]) -> dict[str, Any]:
    return {"_id": {"$nin": sorted(ids)}} if ids else {}


def _waiting(stored: dict[str, Any]) -> WaitingConversation:
    state = stored["state"]
    return WaitingConversation(stored["_id"], state.get("epoch", 0), state.get("attempt", 0))
