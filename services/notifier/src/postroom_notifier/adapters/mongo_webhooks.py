"""Webhook deliveries and what is known of their receivers, in MongoDB.

A receiver is leased as a whole: one replica serves it at a time, so that its order needs no further care, and one that
hangs takes nobody else's place.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from postroom_runtime.errors import translated
from postroom_runtime.mongo import DUPLICATE_KEY, BulkWriteError, Database, IndexModel, UpdateMany, UpdateOne, aggregate

from postroom_notifier.domain.webhooks import Backlog, Lease, Receiver, WebhookDelivery

KEPT = timedelta(days=30)
COUNTED = 10_000


class MongoWebhooks:
    """The collections `webhook_deliveries`, `webhook_receivers` and `webhook_conversations` (which inbox each is in)."""

    def __init__(self, database: Database) -> None:
        self._deliveries = database["webhook_deliveries"]
        self._receivers = database["webhook_receivers"]
        self._conversations = database["webhook_conversations"]
        self._folded = database["conversations"]

    async def prepare(self) -> None:
        """Create the indexes; again: no change."""
        undone = {"next_at": {"$exists": True}}
        async with translated("index webhooks"):
            await self._deliveries.create_indexes(
                [
                    IndexModel([("subscription_id", 1), ("next_at", 1)], partialFilterExpression=undone),
                    IndexModel(
                        [("subscription_id", 1), ("conversation_id", 1), ("order", 1)], partialFilterExpression=undone
                    ),
                    IndexModel([("next_at", 1), ("subscription_id", 1)], partialFilterExpression=undone),
                    IndexModel([("state", 1)], partialFilterExpression={"state": "dead"}),
                    IndexModel([("subscription_id", 1), ("created_at", -1), ("_id", -1)]),
                    IndexModel([("done_at", 1)], expireAfterSeconds=int(KEPT.total_seconds())),
                ]
            )
            await self._receivers.create_indexes([IndexModel([("next_at", 1)])])

    # --- taking in -----------------------------------------------------------------------------------------------

    async def locate(self, found: Mapping[str, str], version: int) -> None:
        """Note in which inbox conversations are, under this version of the configuration."""
        if not found:
            return
        writes = [
            UpdateOne({"_id": c}, {"$set": {"inbox_id": i, "version": version}}, upsert=True) for c, i in found.items()
        ]
        async with translated("note inboxes"):
            await self._conversations.bulk_write(writes, ordered=False)

    async def located(self, conversation_ids: Iterable[str], since: int) -> dict[str, str]:
        wanted = list(dict.fromkeys(conversation_ids))
        where = {"_id": {"$in": wanted}, "version": {"$gte": since}}
        async with translated("read inboxes"):
            found = await self._conversations.find(where).to_list(length=len(wanted)) if wanted else []
        return {d["_id"]: d["inbox_id"] for d in found}

    async def folded(self, conversation_ids: Iterable[str]) -> dict[str, str | None]:
        wanted = list(dict.fromkeys(conversation_ids))
        async with translated("read inboxes"):
            found = await self._folded.find({"_id": {"$in": wanted}}, {"state.inbox_id": 1}).to_list(length=len(wanted))
        return {d["_id"]: (d.get("state") or {}).get("inbox_id") for d in found}

    async def add(self, deliveries: Sequence[WebhookDelivery], now: datetime) -> None:
        """Store those that are not there yet, then have their receivers looked at. Again: no change."""
        if not deliveries:
            return
        writes = []
        for delivery in deliveries:
            stored = _to_mongo(delivery)
            writes.append(UpdateOne({"_id": stored.pop("_id")}, {"$setOnInsert": stored}, upsert=True))
        async with translated("store webhooks"):
            try:
                await self._deliveries.bulk_write(writes, ordered=False)
            except BulkWriteError as error:
                if {e.get("code") for e in (error.details or {}).get("writeErrors", [])} != {DUPLICATE_KEY}:
                    raise
        await self.wake({d.subscription_id for d in deliveries}, now)

    async def wake(self, subscription_ids: Collection[str], now: datetime) -> None:
        """Have these receivers looked at now."""
        writes = [UpdateOne({"_id": s}, {"$min": {"next_at": now}}, upsert=True) for s in subscription_ids]
        if writes:
            async with translated("wake receivers"):
                await self._receivers.bulk_write(writes, ordered=False)

    # --- serving -------------------------------------------------------------------------------------------------

    async def lease(
        self, limit: int, *, now: datetime, until: datetime, lease: str, in_hand: Collection[str]
    ) -> list[Receiver]:
        """Claim up to `limit` receivers with due work until `until`."""
        free = {"$or": [{"until": {"$exists": False}}, {"until": {"$lte": now}}]}
        wanted = {"next_at": {"$lte": now}, "disabled_at": {"$exists": False}, **free}
        if in_hand:
            wanted["_id"] = {"$nin": list(in_hand)}
        async with translated("lease receivers"):
            found = await self._receivers.find(wanted).sort("next_at", 1).to_list(length=limit)
            if not found:
                return []
            ids = [d["_id"] for d in found]
            claim = {"$set": {"lease": lease, "until": until, "next_at": until}}
            changed = await self._receivers.update_many(wanted | {"_id": {"$in": ids}}, claim)
            if changed.modified_count < len(ids):
                mine = await self._receivers.find({"_id": {"$in": ids}, "lease": lease}).to_list(length=len(ids))
                found = mine
        return [_receiver(d) for d in found]

    async def release(self, leases: Sequence[Lease], now: datetime) -> bool:
        """Give receivers back; each is looked at again when its next delivery is due, or at once if one came meanwhile.

        Returns whether something is due to one of them already.
        """
        async with translated("release receivers"):
            following = await self._following([lease.subscription_id for lease in leases])
            writes = []
            for lease in leases:
                mine = {"_id": lease.subscription_id, "lease": lease.name}
                next_at = following.get(lease.subscription_id)
                gone = {"lease": "", "until": ""} | ({} if next_at else {"next_at": ""})
                change: dict[str, Any] = {"$unset": gone} | ({"$set": {"next_at": next_at}} if next_at else {})
                writes.append(UpdateOne(mine | {"next_at": lease.until}, change))
                # Something came meanwhile, so that the first does not match: its `next_at` stands.
                writes.append(UpdateOne(mine, {"$unset": {"lease": "", "until": ""}}))
            await self._receivers.bulk_write(writes, ordered=True)
        return any(at <= now for at in following.values())

    async def _following(self, subscription_ids: Sequence[str]) -> dict[str, datetime]:
        """Return when the first undone delivery of each is due."""
        pipeline: list[dict[str, Any]] = [
            {"$match": {"subscription_id": {"$in": list(subscription_ids)}, "next_at": {"$exists": True}}},
            {"$sort": {"subscription_id": 1, "next_at": 1}},
            {"$group": {"_id": "$subscription_id", "next_at": {"$first": "$next_at"}}},
        ]
        return {d["_id"]: d["next_at"] for d in await aggregate(self._deliveries, pipeline)}

    async def due(self, subscription_ids: Sequence[str], limit: int, now: datetime) -> dict[str, list[WebhookDelivery]]:
        """Return due deliveries that nothing undone of their conversation stands before; what must wait is put off."""
        wanted = {"subscription_id": {"$in": list(subscription_ids)}, "next_at": {"$lte": now}}
        async with translated("load webhooks"):
            found = await self._deliveries.find(wanted).sort("next_at", 1).to_list(length=limit)
            heads = await self._heads(found) if found else {}
            waiting = [d for d in found if heads[_place(d)]["id"] != d["_id"]]
            writes = [
                UpdateOne({"_id": d["_id"], "next_at": {"$exists": True}}, {"$set": {"next_at": later}})
                for d in waiting
                if (later := heads[_place(d)]["next_at"]) > now
            ]
            if writes:
                await self._deliveries.bulk_write(writes, ordered=False)
        behind = {d["_id"] for d in waiting}
        first: dict[str, list[WebhookDelivery]] = {} if len(found) == limit else {s: [] for s in subscription_ids}
        for stored in sorted(found, key=lambda d: d["order"]):
            of_one = first.setdefault(stored["subscription_id"], [])
            if stored["_id"] not in behind:
                of_one.append(_delivery(stored))
        return first

    async def _heads(self, found: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
        """Return the first undone delivery of each conversation to each receiver."""
        pipeline: list[dict[str, Any]] = [
            {
                "$match": {
                    "subscription_id": {"$in": list({d["subscription_id"] for d in found})},
                    "conversation_id": {"$in": list({d["conversation_id"] for d in found})},
                    "next_at": {"$exists": True},
                }
            },
            {"$sort": {"subscription_id": 1, "conversation_id": 1, "order": 1}},
            {
                "$group": {
                    "_id": {"s": "$subscription_id", "c": "$conversation_id"},
                    "id": {"$first": "$_id"},
                    "next_at": {"$first": "$next_at"},
                }
            },
        ]
        return {(d["_id"]["s"], d["_id"]["c"]): d for d in await aggregate(self._deliveries, pipeline)}

    async def mark(self, deliveries: Sequence[WebhookDelivery], now: datetime) -> None:
        """Write what became of attempts. When one is done, those of its conversation that waited behind it are due."""
        writes: list[UpdateOne | UpdateMany] = []
        for delivery in deliveries:
            stored = _to_mongo(delivery)
            identifier = stored.pop("_id")
            change: dict[str, Any] = {"$set": stored}
            if delivery.next_at is None:
                change["$unset"] = {"next_at": ""}
                behind = {
                    "subscription_id": delivery.subscription_id,
                    "conversation_id": delivery.conversation_id,
                    "next_at": {"$gt": now},
                    "attempts": 0,
                }
                writes.append(UpdateMany(behind, {"$set": {"next_at": now}}))
            writes.append(UpdateOne({"_id": identifier, "next_at": {"$exists": True}}, change))
        async with translated("mark webhooks"):
            await self._deliveries.bulk_write(writes, ordered=False)

    async def mark_receiver(self, receiver: Receiver) -> None:
        """Write what is known of a receiver; one that was disabled gives its undone deliveries up."""
        fields = receiver.model_dump(exclude={"subscription_id"})
        change = {
            "$set": {k: v for k, v in fields.items() if v is not None},
            "$unset": {k: "" for k, v in fields.items() if v is None},
        }
        async with translated("mark receiver"):
            await self._receivers.update_one(
                {"_id": receiver.subscription_id}, {op: what for op, what in change.items() if what}, upsert=True
            )

    async def recovered(self, subscription_id: str, now: datetime) -> None:
        """A receiver takes again: what waited for it is due now."""
        async with translated("recover receiver"):
            await self._deliveries.update_many(
                {"subscription_id": subscription_id, "next_at": {"$gt": now}}, {"$set": {"next_at": now}}
            )

    async def give_up(self, subscription_id: str, now: datetime) -> int:
        """Make dead letters of all that is undone; return how many."""
        async with translated("give up webhooks"):
            done = await self._deliveries.update_many(
                {"subscription_id": subscription_id, "next_at": {"$exists": True}},
                {"$set": {"state": "dead", "done_at": now}, "$unset": {"next_at": ""}},
            )
        return int(done.modified_count)

    async def disabled(self) -> dict[str, Receiver]:
        async with translated("read receivers"):
            found = await self._receivers.find({"disabled_at": {"$exists": True}}).to_list(length=None)
        return {d["_id"]: _receiver(d) for d in found}

    # --- looking -------------------------------------------------------------------------------------------------

    async def receivers(self) -> dict[str, Receiver]:
        async with translated("read receivers"):
            found = await self._receivers.find({}).to_list(length=None)
        return {d["_id"]: _receiver(d) for d in found}

    async def log(
        self, subscription_id: str, state: str | None, before: tuple[datetime, str] | None, limit: int
    ) -> list[WebhookDelivery]:
        """Return deliveries, the newest first, from before `before` (created_at, id) on."""
        wanted: dict[str, Any] = {"subscription_id": subscription_id}
        if state is not None:
            wanted["state"] = state
        if before is not None:
            at, identifier = before
            wanted["$or"] = [{"created_at": {"$lt": at}}, {"created_at": at, "_id": {"$lt": identifier}}]
        async with translated("read webhooks"):
            order = [("created_at", -1), ("_id", -1)]
            found = await self._deliveries.find(wanted).sort(order).to_list(length=limit)
        return [_delivery(d) for d in found]

    async def again(self, delivery_id: str, subscription_id: str, now: datetime) -> bool:
        """Have one that is done tried anew, with all its attempts; False: there is no such one."""
        async with translated("repeat webhook"):
            done = await self._deliveries.update_one(
                {"_id": delivery_id, "subscription_id": subscription_id, "next_at": {"$exists": False}},
                {"$set": {"state": "due", "next_at": now, "attempts": 0}, "$unset": {"done_at": ""}},
            )
        if done.modified_count:
            await self.wake({subscription_id}, now)
        return bool(done.modified_count)

    async def backlog(self, now: datetime, keep_waiting: Collection[str]) -> Backlog:
        """Return what waits; `keep_waiting` are subscriptions whose receivers make it wait."""
        due: dict[str, Any] = {"next_at": {"$lte": now}}
        async with translated("count webhooks"):
            undone = await self._deliveries.count_documents({"next_at": {"$exists": True}}, limit=COUNTED)
            dead = await self._deliveries.count_documents({"state": "dead"}, limit=COUNTED)
            oldest = ours = await self._first(due) if undone else None
            if oldest is not None and keep_waiting:
                ours = await self._first(due | {"subscription_id": {"$nin": sorted(keep_waiting)}})
        return Backlog(undone, dead, oldest, ours)

    async def _first(self, where: Mapping[str, Any]) -> datetime | None:
        found = await self._deliveries.find_one(where, {"next_at": 1}, sort=[("next_at", 1)])
        return found["next_at"] if found else None


def _to_mongo(delivery: WebhookDelivery) -> dict[str, Any]:
    stored = delivery.model_dump(exclude_none=True)
    stored["_id"] = stored.pop("id")
    return stored


def _place(stored: Mapping[str, Any]) -> tuple[str, str]:
    return stored["subscription_id"], stored["conversation_id"]


def _delivery(stored: Mapping[str, Any]) -> WebhookDelivery:
    return WebhookDelivery.model_validate({"next_at": None, **stored, "id": stored["_id"]})


def _receiver(stored: Mapping[str, Any]) -> Receiver:
    return Receiver.model_validate({**stored, "subscription_id": stored["_id"]})
