"""Deliveries in MongoDB.

`next_at` stands only in undone documents, `unreported_since` only in those with an unreported result: both indexes hold
what is to be done and nothing else, however many deliveries there have been.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from postroom_runtime.errors import translated
from postroom_runtime.mongo import (
    DUPLICATE_KEY,
    BulkWriteError,
    IndexModel,
    UpdateOne,
    aggregate,
)
from postroom_runtime.mongo import (
    Collection as MongoCollection,
)

from postroom_notifier.domain.delivery import Delivery, cancelled
from postroom_notifier.domain.outcomes import Mark

IN_FLIGHT_WAIT = timedelta(seconds=1)
LONGEST_WAIT = timedelta(seconds=30)
"""How long a delivery stands behind another before it is looked at again, should the wake-up be lost."""


def to_mongo(delivery: Delivery) -> dict[str, Any]:
    """Return the stored form: absent where None, so that the indexes on `next_at` and `unreported_since` stay small."""
    stored = delivery.model_dump(exclude_none=True)
    stored["_id"] = stored.pop("id")
    return stored


def from_mongo(stored: Mapping[str, Any]) -> Delivery:
    return Delivery.model_validate({**stored, "id": stored["_id"]})


class MongoDeliveryStore:
    """The collection `deliveries`."""

    def __init__(self, collection: MongoCollection) -> None:
        self._collection = collection
        self._waited_for: set[str] = set()
        """Order keys behind which this process sent somebody: without one, nobody needs to be woken."""

    async def prepare(self) -> None:
        """Create the indexes."""
        undone = {"next_at": {"$exists": True}}
        async with translated("index deliveries"):
            await self._collection.create_indexes(
                [
                    IndexModel([("next_at", 1)], partialFilterExpression=undone),
                    IndexModel([("order_key", 1), ("due_at", 1), ("number", 1)], partialFilterExpression=undone),
                    IndexModel(
                        [("unreported_since", 1)], partialFilterExpression={"unreported_since": {"$exists": True}}
                    ),
                    IndexModel([("conversation_id", 1)]),
                    IndexModel(
                        [("state", 1), ("done_at", -1)], partialFilterExpression={"state": {"$eq": "skipped_too_old"}}
                    ),
                ]
            )

    async def add(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        if not deliveries:
            return []
        writes = []
        for delivery in deliveries:
            stored = to_mongo(delivery)
            writes.append(UpdateOne({"_id": stored.pop("_id")}, {"$setOnInsert": stored}, upsert=True))
        async with translated("store deliveries"):
            try:
                result = await self._collection.bulk_write(writes, ordered=False)
            except BulkWriteError as error:
                codes = {e.get("code") for e in (error.details or {}).get("writeErrors", [])}
                if codes != {DUPLICATE_KEY}:  # another replica stored the same one in this moment
                    raise
                return []
        return [deliveries[n] for n in sorted(result.upserted_ids or {})]

    async def find(self, ids: Iterable[str]) -> dict[str, Delivery]:
        wanted = list(dict.fromkeys(ids))
        if not wanted:
            return {}
        async with translated("load deliveries"):
            found = await self._collection.find({"_id": {"$in": wanted}}).to_list(length=len(wanted))
        return {d["_id"]: from_mongo(d) for d in found}

    async def lease(
        self,
        limit: int,
        *,
        now: datetime,
        until: datetime,
        lease: str,
        accounts_out: Collection[str],
        in_hand: Collection[str],
    ) -> list[Delivery]:
        wanted: dict[str, Any] = {"next_at": {"$lte": now}}
        if accounts_out:
            wanted["account_id"] = {"$nin": list(accounts_out)}
        if in_hand:
            wanted["_id"] = {"$nin": list(in_hand)}
        async with translated("lease deliveries"):
            candidates = await self._collection.find(wanted).sort("next_at", 1).to_list(length=limit * 2)
            if not candidates:
                return []
            heads = await self._heads({c["order_key"] for c in candidates}, now)
            first = [c for c in candidates if heads.get(c["order_key"], {}).get("id") == c["_id"]][:limit]
            taken = await self._take([c["_id"] for c in first], now, until, lease)
            await self._send_behind(
                [c for c in candidates if heads.get(c["order_key"], {}).get("id") != c["_id"]], heads, now
            )
        fields = {"lease": lease, "next_at": until}
        return [from_mongo(c | fields | {"attempts": c["attempts"] + 1}) for c in first if c["_id"] in taken]

    async def _heads(self, order_keys: Collection[str], now: datetime) -> dict[str, dict[str, Any]]:
        """Return the first undone delivery of each key; one that is scheduled for later stands in nobody's way."""
        pipeline: list[dict[str, Any]] = [
            {"$match": {"order_key": {"$in": list(order_keys)}, "next_at": {"$exists": True}, "due_at": {"$lte": now}}},
            {"$sort": {"order_key": 1, "due_at": 1, "number": 1}},
            {"$group": {"_id": "$order_key", "id": {"$first": "$_id"}, "next_at": {"$first": "$next_at"}}},
        ]
        return {d["_id"]: d for d in await aggregate(self._collection, pipeline)}

    async def _take(self, ids: list[str], now: datetime, until: datetime, lease: str) -> set[str]:
        """Claim; each document is changed for one caller only, because the claim moves `next_at`."""
        if not ids:
            return set()
        result = await self._collection.update_many(
            {"_id": {"$in": ids}, "next_at": {"$lte": now}},
            {"$set": {"lease": lease, "next_at": until}, "$inc": {"attempts": 1}},
        )
        if result.modified_count == len(ids):
            return set(ids)
        found = await self._collection.find({"_id": {"$in": ids}, "lease": lease}, {"_id": 1}).to_list(length=len(ids))
        return {d["_id"] for d in found}

    async def _send_behind(
        self, blocked: Sequence[Mapping[str, Any]], heads: Mapping[str, Mapping[str, Any]], now: datetime
    ) -> None:
        """Keep those who must wait out of the next searches, else they would hide the ones who need not."""
        writes = []
        for delivery in blocked:
            head = heads.get(delivery["order_key"])
            if head is None:
                continue  # it was done between the two queries
            wait_until = max(head["next_at"], now + IN_FLIGHT_WAIT)
            behind = {"next_at": min(wait_until, now + LONGEST_WAIT), "behind": True}
            writes.append(UpdateOne({"_id": delivery["_id"], "next_at": {"$lte": now}}, {"$set": behind}))
            self._waited_for.add(delivery["order_key"])
        if writes:
            await self._collection.bulk_write(writes, ordered=False)

    async def cancel(self, conversation_id: str, message_ids: Sequence[str], now: datetime) -> list[Delivery]:
        """Each is changed by one write that a lease, which moves `attempts`, excludes."""
        untouched = {"kind": "reply", "attempts": 0, "next_at": {"$exists": True}, "remaining": {"$exists": False}}
        wanted = {"conversation_id": conversation_id, "message_id": {"$in": list(message_ids)}, **untouched}
        taken_back: list[Delivery] = []
        async with translated("cancel deliveries"):
            for stored in await self._collection.find(wanted).to_list(length=len(message_ids)):
                delivery = from_mongo(stored)
                change = {"$set": cancelled(delivery, now), "$unset": {"next_at": "", "lease": "", "behind": ""}}
                result = await self._collection.update_one({"_id": delivery.id, **untouched}, change)
                if result.modified_count:
                    taken_back.append(
                        Delivery.model_validate(
                            delivery.model_dump() | cancelled(delivery, now) | {"next_at": None, "lease": None}
                        )
                    )
        return taken_back

    async def mark(self, marks: Sequence[Mark]) -> None:
        if not marks:
            return
        async with translated("mark deliveries"):
            await self._collection.bulk_write([_mark(m) for m in marks], ordered=False)

    async def release_followers(self, order_keys: Collection[str]) -> int:
        woken = self._waited_for.intersection(order_keys)
        if not woken:
            return 0
        self._waited_for -= woken
        async with translated("release deliveries"):
            result = await self._collection.update_many(
                {"order_key": {"$in": list(woken)}, "next_at": {"$exists": True}, "behind": True},
                [{"$set": {"next_at": "$due_at"}}, {"$unset": "behind"}],
            )
        return int(result.modified_count)

    async def unreported(self, before: datetime, limit: int) -> list[Delivery]:
        async with translated("load results"):
            found = (
                await self._collection.find({"unreported_since": {"$lte": before}})
                .sort("unreported_since", 1)
                .to_list(length=limit)
            )
        return [from_mongo(d) for d in found]

    async def reported(self, ids: Iterable[str]) -> set[str]:
        wanted = list(dict.fromkeys(ids))
        if not wanted:
            return set()
        async with translated("load results"):
            found = await self._collection.find(
                {"_id": {"$in": wanted}, "reported_at": {"$exists": True}}, {"_id": 1}
            ).to_list(length=len(wanted))
        return {d["_id"] for d in found}

    async def mark_reported(self, ids: Sequence[str], now: datetime) -> None:
        async with translated("mark results"):
            await self._collection.update_many(
                {"_id": {"$in": list(ids)}}, {"$set": {"reported_at": now}, "$unset": {"unreported_since": ""}}
            )

    async def erase(self, conversation_ids: Sequence[str], message_ids: Sequence[str], now: datetime) -> None:
        of_these = {"conversation_id": {"$in": list(conversation_ids)}, "message_id": {"$in": list(message_ids)}}
        untried = {"kind": "reply", "attempts": 0, "next_at": {"$exists": True}}
        given_up = {"state": "skipped", "last_reason": "content_erased", "done_at": now}
        async with translated("erase deliveries"):
            await self._collection.update_many(
                {**of_these, **untried},
                {"$set": given_up, "$unset": {"next_at": "", "lease": "", "behind": "", "remaining": ""}},
            )
            await self._collection.update_many(
                {"conversation_id": {"$in": list(conversation_ids)}, "remaining": {"$exists": True}},
                {"$set": {"remaining": [], "details.erased": True}},
            )
            await self._collection.update_many(
                {"conversation_id": {"$in": list(conversation_ids)}, "refused": {"$exists": True}},
                {"$unset": {"refused": ""}},
            )

    async def backlog(self, now: datetime) -> tuple[int, datetime | None]:
        """Return how many are undone and due (counted up to 10,000), and since when the oldest is due."""
        wanted = {"next_at": {"$exists": True}, "due_at": {"$lte": now}}
        async with translated("count deliveries"):
            count = await self._collection.count_documents(wanted, limit=10_000)
            oldest = await self._collection.find_one(wanted, {"due_at": 1}, sort=[("due_at", 1)]) if count else None
        return count, oldest["due_at"] if oldest else None

    async def untold(self) -> tuple[int, datetime | None]:
        """Return how many results are not reported (counted up to 10,000), and since when the oldest one is there."""
        wanted = {"unreported_since": {"$exists": True}}
        async with translated("count results"):
            count = await self._collection.count_documents(wanted, limit=10_000)
            oldest = (
                await self._collection.find_one(wanted, {"unreported_since": 1}, sort=[("unreported_since", 1)])
                if count
                else None
            )
        return count, oldest["unreported_since"] if oldest else None


def _mark(mark: Mark) -> UpdateOne:
    """Done is done, whoever says so; what is put off must still be ours, for another may hold it by now."""
    wanted: dict[str, Any] = {"_id": mark.delivery.id, "next_at": {"$exists": True}}
    if not mark.done:
        wanted["lease"] = mark.delivery.lease
    change = {
        "$set": {k: v for k, v in mark.fields.items() if v is not None},
        "$unset": {k: "" for k, v in mark.fields.items() if v is None},
    }
    return UpdateOne(wanted, {operator: fields for operator, fields in change.items() if fields})
