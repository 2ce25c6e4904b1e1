"""The delivery log in MongoDB: one document per conversation, replaced over the version that it was read with."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from postroom_runtime.errors import ConflictError, translated
from postroom_runtime.kafka import Outgoing
from postroom_runtime.mongo import DUPLICATE_KEY, BulkWriteError, Collection, ReplaceOne

from postroom_notifier.delivery_log import DeliveryLog, LoggedFact


def to_mongo(log: DeliveryLog) -> dict[str, Any]:
    return {
        "_id": log.conversation_id,
        "version": log.version + 1,
        "sequence": log.sequence,
        "counted": log.counted,
        "out": [
            {"d": o.delivery_id, "t": o.record.topic, "k": o.record.key, "b": o.record.body, "h": o.record.headers}
            for o in log.out
        ],
    }


def from_mongo(stored: Mapping[str, Any]) -> DeliveryLog:
    out = [
        LoggedFact(o["d"], Outgoing(o["t"], bytes(o["k"]), bytes(o["b"]), [(n, bytes(v)) for n, v in o["h"]]))
        for o in stored["out"]
    ]
    return DeliveryLog(stored["_id"], stored["version"], stored["sequence"], list(stored["counted"]), out)


class MongoDeliveryLogStore:
    """The collection `delivery_log`."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    async def load(self, conversation_ids: Iterable[str]) -> dict[str, DeliveryLog]:
        wanted = list(dict.fromkeys(conversation_ids))
        async with translated("load delivery log"):
            found = await self._collection.find({"_id": {"$in": wanted}}).to_list(length=len(wanted))
        stored = {d["_id"]: from_mongo(d) for d in found}
        return {key: stored.get(key) or DeliveryLog(key) for key in wanted}

    async def save(self, logs: Sequence[DeliveryLog]) -> None:
        if not logs:
            return
        # Another version under this id makes the upsert a duplicate key, which is our conflict.
        writes = [ReplaceOne({"_id": g.conversation_id, "version": g.version}, to_mongo(g), upsert=True) for g in logs]
        async with translated("save delivery log"):
            try:
                await self._collection.bulk_write(writes, ordered=False)
            except BulkWriteError as error:
                codes = {e.get("code") for e in (error.details or {}).get("writeErrors", [])}
                if codes == {DUPLICATE_KEY}:
                    raise ConflictError("a delivery log was changed by another replica") from error
                raise
