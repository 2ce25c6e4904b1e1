"""What bulk actions did, for a week, in MongoDB: so that they can be taken back."""

from dataclasses import asdict
from typing import Any

from postroom_contracts.values import Status
from postroom_runtime.errors import translated
from postroom_runtime.mongo import Database, DuplicateKeyError, IndexModel

from postroom_desk.adapters.requests import KEPT_SECONDS
from postroom_desk.bulk import BulkItem, BulkRecord
from postroom_desk.domain.bulk import Before, Change


class MongoBulks:
    """Port Bulks: `bulks`, one document each."""

    def __init__(self, database: Database) -> None:
        self._bulks = database["bulks"]

    async def prepare(self) -> None:
        async with translated("index bulk actions"):
            await self._bulks.create_indexes([IndexModel([("at", 1)], expireAfterSeconds=KEPT_SECONDS)])

    async def remember(self, record: BulkRecord) -> BulkRecord:
        """Store it, unless one of its id is there; returns the one that is there."""
        fields = asdict(record)
        async with translated("remember bulk action"):
            try:
                await self._bulks.insert_one({"_id": fields.pop("id"), **fields})
            except DuplicateKeyError:
                return await self.get(record.id) or record
        return record

    async def get(self, bulk_id: str) -> BulkRecord | None:
        async with translated("read bulk action"):
            found = await self._bulks.find_one({"_id": bulk_id})
        return None if found is None else _record(found)


def _record(found: dict[str, Any]) -> BulkRecord:
    change = found["change"]
    change = {**change, "add": tuple(change["add"]), "remove": tuple(change["remove"])}
    items = [BulkItem(i["conversation_id"], i["request_id"], _before(i["before"])) for i in found["items"]]
    return BulkRecord(found["_id"], found["agent_id"], found["at"], Change(**change), tuple(items))


def _before(found: dict[str, Any]) -> Before:
    return Before(**{**found, "status": Status(found["status"]), "tags": tuple(found["tags"])})
