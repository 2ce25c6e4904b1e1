"""The read model in MongoDB: documents of the fold, read with its indexes. Only the fold writes them."""

from collections.abc import Iterable, Mapping
from typing import Any

from postroom_contracts.values import Status
from postroom_runtime.errors import translated
from postroom_runtime.mongo import Collection, IndexModel, aggregate

from postroom_desk.adapters.due_dates import DUE_AT, due_order_of
from postroom_desk.adapters.folder_rows import UNATTENDED
from postroom_desk.domain.queries import ListQuery
from postroom_desk.domain.view import ConversationView
from postroom_desk.ports import CountRow

_HIDDEN = (Status.SPAM, Status.DELETED, Status.MERGED)
_SHOWN = [s.value for s in Status if s not in _HIDDEN]
_ORDER: dict[str, tuple[str, int]] = {
    "waiting": ("state.waiting_order", 1),
    "deadline": (DUE_AT, 1),
    "newest": ("state.last_activity_at", -1),
    "oldest": ("state.opened_at", 1),
}
_WAITING = (("state.status", 1), ("state.waiting_order", 1), ("_id", 1))
_DUE = (("state.status", 1), (DUE_AT, 1), ("_id", 1))
_GROUPED = ("status", "team_id", "inbox_id", "owner_id", "archived", "received", "sent")
_INBOX = ("state.inbox_id", 1)
_COUNT_INDEX = [(f"state.{name}", 1) for name in _GROUPED]
_DELIVERY = "state.messages.delivery"
MOST_SCHEDULED = 500
INDEXES = (
    # The inbox at the end: what one may not read is passed over in the index, and no document is read.
    IndexModel([*_WAITING, _INBOX]),
    IndexModel([("state.status", 1), ("state.last_activity_at", -1), ("_id", -1), _INBOX]),
    IndexModel([("state.owner_id", 1), *_WAITING, _INBOX]),
    IndexModel([("state.contact_ids", 1), ("state.last_activity_at", -1), _INBOX]),
    *(IndexModel([(f"state.{name}", 1), *_WAITING]) for name in ("inbox_id", "team_id", "tags")),
    IndexModel([*_DUE, _INBOX]),
    IndexModel([("state.owner_id", 1), *_DUE, _INBOX]),
    *(IndexModel([(f"state.{name}", 1), *_DUE]) for name in ("inbox_id", "team_id", "tags")),
    IndexModel(_COUNT_INDEX),
    # Of the few in which a reply waits for its time.
    IndexModel([(_DELIVERY, 1), _INBOX], partialFilterExpression={_DELIVERY: "scheduled"}),
)


class MongoConversations:
    """Port ConversationReads over the collection of the fold."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    async def prepare(self) -> None:
        """Create the indexes of the queries below; again: no change."""
        async with translated("index conversations"):
            await self._collection.create_indexes(list(INDEXES))

    async def get(self, ids: Iterable[str], readable: frozenset[str] | None) -> dict[str, ConversationView]:
        wanted = list(dict.fromkeys(ids))
        if not wanted:
            return {}
        conditions: dict[str, Any] = {"_id": {"$in": wanted}}
        if readable is not None:
            conditions["state.inbox_id"] = {"$in": sorted(readable)}
        async with translated("read conversations"):
            found = await self._collection.find(conditions, {"state": 1}).to_list(length=len(wanted))
        return {d["_id"]: ConversationView.model_validate(d["state"]) for d in found if d["state"] is not None}

    async def inboxes(self, ids: Iterable[str]) -> dict[str, str]:
        wanted = list(dict.fromkeys(ids))
        async with translated("read inboxes"):
            cursor = self._collection.find({"_id": {"$in": wanted}}, {"state.inbox_id": 1})
            found = await cursor.to_list(length=len(wanted))
        return {d["_id"]: d["state"]["inbox_id"] for d in found if d["state"] is not None}

    async def find(self, query: ListQuery) -> list[tuple[str, ConversationView]]:
        field, direction = _ORDER[query.sort]
        cursor = self._collection.find(filter_of(query), {"state": 1, DUE_AT: 1}, batch_size=query.limit + 2)
        cursor = cursor.sort([(field, direction), ("_id", direction)]).limit(query.limit + 1)
        async with translated("list conversations"):
            found = await cursor.to_list(length=query.limit + 1)
        for document in found:
            document["state"].pop("messages", None)
            if query.sort == "deadline":
                document["state"]["due_order"] = due_order_of(document)
        return [(d["_id"], ConversationView.model_validate(d["state"])) for d in found]

    async def counts(self) -> list[CountRow]:
        """Count from an index alone: no document is read."""
        async with translated("count conversations"):
            rows = await aggregate(self._collection, self.count_pipeline(), hint=self.count_index)
        return [_row(row) for row in rows]

    async def scheduled(self, readable: frozenset[str]) -> list[tuple[str, ConversationView]]:
        conditions = {_DELIVERY: "scheduled", "state.inbox_id": {"$in": sorted(readable)}}
        async with translated("list scheduled replies"):
            found = await self._collection.find(conditions, {"state": 1}).limit(MOST_SCHEDULED).to_list(MOST_SCHEDULED)
        return [(d["_id"], ConversationView.model_validate(d["state"])) for d in found]

    count_index = "_".join(f"{name}_{direction}" for name, direction in _COUNT_INDEX)
    """MongoDB's default name of the index that covers the counts."""

    @staticmethod
    def count_pipeline() -> list[Mapping[str, Any]]:
        group: dict[str, Any] = {name: f"$state.{name}" for name in ("status", "team_id", "inbox_id", "archived")}
        group["owned"] = {"$gt": ["$state.owner_id", None]}
        sums = {name: {"$sum": f"$state.{name}"} for name in ("received", "sent")}
        return [
            {"$match": {"state.status": {"$in": [s.value for s in Status]}}},
            {"$project": {"_id": 0, **{f"state.{name}": 1 for name in _GROUPED}}},
            {"$group": {"_id": group, "n": {"$sum": 1}, **sums}},
        ]


def _row(row: Mapping[str, Any]) -> CountRow:
    key = row["_id"]
    return CountRow(
        status=key["status"],
        team_id=key.get("team_id"),
        inbox_id=key["inbox_id"],
        owned=bool(key["owned"]),
        archived=bool(key.get("archived")),
        conversations=row["n"],
        received=row["received"],
        sent=row["sent"],
    )


def filter_of(query: ListQuery) -> dict[str, Any]:
    """Return the conditions of a list, its cursor's among them."""
    conditions: dict[str, Any] = {"state.status": {"$in": [s.value for s in query.statuses] or _SHOWN}}
    inboxes = query.readable if query.inbox_id is None else query.readable & {query.inbox_id}
    conditions["state.inbox_id"] = {"$in": sorted(inboxes)}
    named = {
        "team_id": query.team_id,
        "tags": query.tag,
        "owner_id": query.owner_id,
        "contact_ids": query.contact_id,
        "mentions.agent_id": query.mentioned,
        "watchers": query.watcher,
    }
    conditions |= {f"state.{name}": value for name, value in named.items() if value is not None}
    if query.unassigned:
        conditions["state.owner_id"] = None
    if query.unattended:
        conditions |= UNATTENDED
    if query.archived is not None:
        conditions["state.archived"] = True if query.archived else {"$ne": True}
    if query.cursor is not None:
        field, direction = _ORDER[query.sort]
        beyond = "$gt" if direction == 1 else "$lt"
        value = query.cursor.value
        conditions["$or"] = [{field: {beyond: value}}, {field: value, "_id": {beyond: query.cursor.id}}]
    return conditions
