"""What the folders are counted from, and what people have looked at, in MongoDB.

`marks` stands in the documents of the read model beside the fold's own fields, which leave it alone:
`{looked_at, read: {agent: at}}`. It is the desk's own knowledge and no fact: nothing follows from it but what is shown.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from postroom_contracts.values import Status
from postroom_runtime.clock import Clock, monotonic
from postroom_runtime.errors import translated
from postroom_runtime.mongo import Collection, IndexModel, aggregate

from postroom_desk.domain.folders import FacetRow, FolderTable, PersonRow
from postroom_desk.domain.view import NOT_WAITING

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
COUNTED = (Status.OPEN, Status.WAITING, Status.SNOOZED, Status.SPAM)
"""Statuses with a number beside their folder: not those in which conversations pile up for ever."""
_NOT_LOOKED_AT = {"$lt": [{"$ifNull": ["$marks.looked_at", _NEVER]}, "$state.waiting_order"]}
UNATTENDED: Mapping[str, Any] = {"state.waiting_order": {"$lt": NOT_WAITING}, "$expr": _NOT_LOOKED_AT}
MENTIONED = timedelta(days=30)
"""Mentions in conversations that were quiet for longer are not counted; their folder lists them all the same."""
_DRAFTS_SHARE = 10
"""Counting drafts takes a tenth of one core of MongoDB at most. 5,000 of them take 0.4 s on a busy machine of two cores."""
_INDEX = [(name, 1) for name in ("state.status", "state.facet", "state.waiting_order", "marks.looked_at")]

_MENTIONS = [("state.mentions.agent_id", 1), ("state.last_activity_at", -1)]
_WATCHERS = [("state.watchers", 1), ("state.status", 1), ("state.waiting_order", 1)]


def _name(index: Sequence[tuple[str, int]]) -> str:
    """Return MongoDB's default name: left to itself the server now and then walks another index, ten times as far."""
    return "_".join(f"{name}_{direction}" for name, direction in index)


class MongoFolderCounts:
    """Counts of all folders over the collection of the fold, and of people's drafts."""

    def __init__(self, collection: Collection, clock: Clock, drafts: Collection) -> None:
        self._collection = collection
        self._clock = clock
        self._drafts = drafts
        self._begun: list[dict[str, Any]] = []
        self._count_drafts_at = float("-inf")

    async def prepare(self) -> None:
        """Create the indexes of the counts and of their lists; again: no change."""
        async with translated("index folders"):
            sparse = [IndexModel(index, sparse=True) for index in (_MENTIONS, _WATCHERS)]
            await self._collection.create_indexes([IndexModel(_INDEX), *sparse])

    async def table(self) -> FolderTable:
        """Count everything, in four aggregations; the great one reads an index alone.

        Raises InfrastructureError.
        """
        async with translated("count folders"):
            rows, mentions, watched, drafts = await asyncio.gather(
                aggregate(self._collection, self.pipeline(), hint=self.index),
                aggregate(self._collection, _mentions(self._clock.now() - MENTIONED), hint=_name(_MENTIONS)),
                aggregate(self._collection, _watched(), hint=_name(_WATCHERS)),
                self._of_drafts(),
            )
        facets = [
            FacetRow(r["_id"]["status"], r["_id"]["facet"], r["n"], r["unattended"])
            for r in rows
            if "facet" in r["_id"]
        ]
        return FolderTable(facets, _people(mentions), _people(watched), _people(drafts))

    async def _of_drafts(self) -> list[dict[str, Any]]:
        """Count the drafts. Each is looked up in its conversation: of very many the counts are some seconds old instead."""
        started = monotonic()
        if started >= self._count_drafts_at:
            self._begun = await aggregate(self._drafts, _begun(self._collection.name))
            self._count_drafts_at = monotonic() + _DRAFTS_SHARE * (monotonic() - started)
        return self._begun

    index = _name(_INDEX)

    @staticmethod
    def pipeline() -> list[Mapping[str, Any]]:
        waits = {"$and": [{"$lt": ["$state.waiting_order", NOT_WAITING]}, _NOT_LOOKED_AT]}
        return [
            {"$match": {"state.status": {"$in": [s.value for s in COUNTED]}}},
            {"$project": {"_id": 0, **{name: 1 for name, _ in _INDEX}}},
            {
                "$group": {
                    "_id": {"status": "$state.status", "facet": "$state.facet"},
                    "n": {"$sum": 1},
                    "unattended": {"$sum": {"$cond": [waits, 1, 0]}},
                }
            },
        ]


def _mentions(since: datetime) -> list[Mapping[str, Any]]:
    """Count conversations that were active since then, by whom they name and who has not read that."""
    mine = {"$eq": ["$$this.k", "$state.mentions.agent_id"]}
    marks = {"$filter": {"input": {"$objectToArray": {"$ifNull": ["$marks.read", {}]}}, "cond": mine}}
    read = {"$max": {"$map": {"input": marks, "in": "$$this.v"}}}
    unread = {"$lt": [{"$ifNull": [read, _NEVER]}, "$state.mentions.at"]}
    return [
        {
            "$match": {
                "state.mentions.agent_id": {"$gt": ""},
                "state.last_activity_at": {"$gte": since},
                "state.status": {"$in": _not_hidden()},
            }
        },
        {"$project": {"state.mentions": 1, "state.inbox_id": 1, "marks.read": 1}},
        {"$unwind": "$state.mentions"},
        {"$match": {"$expr": unread}},
        {"$group": {"_id": {"agent": "$state.mentions.agent_id", "inbox": "$state.inbox_id"}, "n": {"$sum": 1}}},
    ]


def _not_hidden() -> list[str]:
    return [s.value for s in (Status.OPEN, Status.WAITING, Status.SNOOZED, Status.RESOLVED)]


def _watched() -> list[Mapping[str, Any]]:
    return [
        {"$match": {"state.watchers": {"$gt": ""}, "state.status": Status.OPEN.value}},
        {"$project": {"state.watchers": 1, "state.inbox_id": 1}},
        {"$unwind": "$state.watchers"},
        {"$group": {"_id": {"agent": "$state.watchers", "inbox": "$state.inbox_id"}, "n": {"$sum": 1}}},
    ]


def _begun(conversations: str) -> list[Mapping[str, Any]]:
    """Count drafts by whose they are, where their conversation is now, or is to begin."""
    inbox = {"$ifNull": [{"$first": "$there.state.inbox_id"}, "$written.inbox_id"]}
    there = [{"$project": {"state.inbox_id": 1}}]
    return [
        {"$match": {"listed_for": {"$gt": ""}}},
        {"$project": {"listed_for": 1, "conversation_id": 1, "written.inbox_id": 1}},
        {
            "$lookup": {
                "from": conversations,
                "localField": "conversation_id",
                "foreignField": "_id",
                "pipeline": there,
                "as": "there",
            }
        },
        {"$unwind": "$listed_for"},
        {"$group": {"_id": {"agent": "$listed_for", "inbox": inbox}, "n": {"$sum": 1}}},
    ]


def _people(rows: Iterable[Mapping[str, Any]]) -> list[PersonRow]:
    return [PersonRow(r["_id"]["agent"], r["_id"]["inbox"], r["n"]) for r in rows]


class MongoMarks:
    """Who has read what."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    async def read(self, conversation_id: str, agent_id: str, at: datetime) -> None:
        """Note that an agent has read all that there was at `at`; earlier than noted changes nothing."""
        async with translated("mark as read"):
            await self._collection.update_one(
                {"_id": conversation_id}, {"$max": {"marks.looked_at": at, f"marks.read.{agent_id}": at}}
            )

    async def unread(self, conversation_id: str, agent_id: str) -> None:
        """Forget that this agent has read it; that somebody looked at it stays."""
        async with translated("mark as unread"):
            await self._collection.update_one({"_id": conversation_id}, {"$unset": {f"marks.read.{agent_id}": 1}})

    async def read_at(self, ids: Iterable[str], agent_id: str) -> dict[str, datetime]:
        """Return when the agent last read each; one that they never read is absent."""
        wanted = list(ids)
        field = f"marks.read.{agent_id}"
        async with translated("read marks"):
            found = await self._collection.find({"_id": {"$in": wanted}, field: {"$exists": True}}, {field: 1}).to_list(
                length=len(wanted)
            )
        return {d["_id"]: d["marks"]["read"][agent_id] for d in found}
