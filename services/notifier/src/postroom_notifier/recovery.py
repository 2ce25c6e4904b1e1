"""The notifier's part of `postroom recover`: what the log says was sent is not sent again, and its numbers go on."""

from datetime import datetime
from typing import Any

from postroom_contracts import facts as f
from postroom_contracts.events import Event
from postroom_contracts.ids import delivery_id
from postroom_contracts.registry import source_of
from postroom_runtime.errors import translated
from postroom_runtime.mongo import UpdateOne
from postroom_runtime.recovery import Recovery, ServiceRecovery
from postroom_runtime.recovery_steps import CHUNK, chunks

from postroom_notifier.adapters.mongo_deliveries import to_mongo
from postroom_notifier.adapters.mongo_log import from_mongo
from postroom_notifier.adapters.mongo_log import to_mongo as log_to_mongo
from postroom_notifier.delivery_log import MAX_COUNTED, DeliveryLog
from postroom_notifier.domain.delivery import CUSTOMER, Delivery

_SOURCE = source_of("notifier")
_STATES = {
    f.MessageSent: "accepted",
    f.NotificationSent: "accepted",
    f.MessageFailed: "failed",
    f.NotificationFailed: "failed",
    f.MessageCancelled: "cancelled",
    f.MessageBounced: "reported_only",
}
"""What each result makes of its delivery."""


async def folds(recovery: Recovery) -> dict[str, tuple[str, ...]]:  # noqa: ARG001 - the form of a part
    return {"notifier": ("conversations",)}


async def results_to_log(recovery: Recovery) -> list[str]:
    """Publish the results that only the delivery logs hold."""
    count = 0
    async for found in chunks(recovery.database("notifier")["delivery_log"], {"out.0": {"$exists": True}}, {}):
        count += await recovery.publish_missing(one.record for d in found for one in from_mongo(d).out)
    return [f"{count} results published that only it held"] if count else []


async def results_from_log(recovery: Recovery) -> list[str]:
    """Mark deliveries done that the log has results of, and let each conversation's numbers go on behind the log's."""
    own = [event for event in recovery.log.recent if event.source == _SOURCE]
    now = recovery.clock.now()
    deliveries = recovery.database("notifier")["deliveries"]
    marked = 0
    for start in range(0, len(own), CHUNK):
        pairs = [_done(event, now) for event in own[start : start + CHUNK]]
        writes = [write for pair in pairs for write in pair]
        if writes:
            async with translated("mark deliveries"):
                result = await deliveries.bulk_write(writes)
            marked += result.upserted_count + result.modified_count
    lifted = await _lift(recovery, own)
    lines = [f"{marked} deliveries marked as done, since the log has their results"] if marked else []
    return lines + ([f"the numbers of {lifted} conversations go on behind the log's"] if lifted else [])


def _done(event: Event, now: datetime) -> list[UpdateOne]:
    """Return what marks the delivery of a result done, whether it is stored undone or not at all."""
    state = _STATES.get(type(event.data))
    if state is None:
        return []
    delivery = _delivery(event, state, now)
    stored = to_mongo(delivery)
    identifier = stored.pop("_id")
    done = {"state": state, "done_at": event.time, "reported_at": now}
    gone = dict.fromkeys(("next_at", "lease", "behind", "unreported_since"), "")
    return [
        UpdateOne({"_id": identifier, "reported_at": {"$exists": False}}, {"$set": done, "$unset": gone}),
        UpdateOne({"_id": identifier}, {"$setOnInsert": stored}, upsert=True),
    ]


def _delivery(event: Event, state: str, now: datetime) -> Delivery:
    """Return a delivery that is over, as far as its result tells of it."""
    data: Any = event.data
    reply = isinstance(data, f.MessageSent | f.MessageFailed | f.MessageCancelled)
    receiver = CUSTOMER if reply else getattr(data, "agent_id", "")
    identifier, kind = data.delivery_id, "reply" if reply else "chat" if _to_chat(data) else "assigned"
    if isinstance(data, f.MessageBounced) or getattr(data, "reason", "") == "bounced":
        # It names the delivery that came back; what reports it is one of its own.
        kind, receiver = "bounce", data.delivery_id
        identifier = delivery_id(event.causation_id, kind, receiver)
    return Delivery.model_validate(
        {
            "id": identifier,
            "kind": kind,
            "receiver": receiver,
            "conversation_id": event.subject,
            "order_key": event.subject if reply else f"{receiver}/{event.subject}",
            "number": 0,
            "state": state,
            "due_at": event.time,
            "cause_id": event.causation_id,
            "cause_at": event.time,
            "correlation_id": event.correlation_id,
            "message_id": data.message_id if reply else None,
            "configuration_version": 0,
            "done_at": event.time,
            "reported_at": now,
        }
    )


def _to_chat(data: Any) -> bool:
    return getattr(data, "channel", "") == "webhook"


async def _lift(recovery: Recovery, own: list[Event]) -> int:
    """Raise each delivery log to the last number on the log, and note the deliveries that are counted there."""
    collection = recovery.database("notifier")["delivery_log"]
    by_conversation: dict[str, list[Event]] = {}
    for event in own:
        by_conversation.setdefault(event.subject, []).append(event)
    stored = {d["_id"]: from_mongo(d) async for d in collection.find({"_id": {"$in": sorted(by_conversation)}})}
    writes = []
    for conversation_id, events in by_conversation.items():
        log = stored.get(conversation_id) or DeliveryLog(conversation_id)
        last = recovery.log.of(conversation_id, _SOURCE).last
        if last <= log.sequence:
            continue
        ids = [getattr(event.data, "delivery_id", "") for event in events]
        counted = list(dict.fromkeys([*log.counted, *ids]))[-MAX_COUNTED:]
        document = log_to_mongo(DeliveryLog(conversation_id, log.version, last, counted))
        writes.append(
            UpdateOne(
                {"_id": conversation_id}, {"$set": {k: v for k, v in document.items() if k != "_id"}}, upsert=True
            )
        )
    if writes:
        async with translated("lift delivery log"):
            await collection.bulk_write(writes, ordered=False)
    return len(writes)


RECOVERY = ServiceRecovery(
    "notifier", numbered="delivery_log", folds=folds, to_log=results_to_log, from_log=results_from_log
)
