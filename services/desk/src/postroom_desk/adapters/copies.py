"""What the desk has written down of people besides its indexes, in MongoDB: drafts, files, refused texts, saved filters."""

import re
from collections.abc import Collection as Ids
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from postroom_contracts.facts import RequestRefused
from postroom_runtime.errors import translated
from postroom_runtime.mongo import Database

from postroom_desk.domain.positions import LogPosition


class MongoCopies:
    """Port Copies."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def drafts(self, conversation_id: str, addresses: Sequence[str], before: datetime) -> dict[str, str]:
        theirs = [{"conversation_id": conversation_id}, {"addressed": {"$in": [a.lower() for a in addresses]}}]
        by_then = [{field: {"$lte": before}} for field in ("saved_at", "begun_at", "versions.at")]
        async with translated("find drafts"):
            wanted = {"$and": [{"$or": theirs}, {"$or": by_then}]}
            found = await self._database["drafts"].find(wanted, {"id": 1}).to_list(length=None)
        return {d["_id"]: d["id"] for d in found}

    async def drop_drafts(self, keys: Ids[str]) -> None:
        async with translated("erase drafts"):
            await self._database["drafts"].delete_many({"_id": {"$in": list(keys)}})

    async def files(self, draft_ids: Ids[str], blob_ids: Ids[str]) -> dict[str, str]:
        wanted = {"$or": [{"held_by": {"$in": list(draft_ids)}}, {"blob_id": {"$in": list(blob_ids)}}]}
        async with translated("find files"):
            found = await self._database["uploads"].find(wanted, {"blob_id": 1}).to_list(length=None)
        return {d["_id"]: d["blob_id"] for d in found}

    async def drop_files(self, upload_ids: Ids[str]) -> None:
        async with translated("erase files"):
            await self._database["uploads"].delete_many({"_id": {"$in": list(upload_ids)}})

    async def refused_contents(self, conversation_id: str, until: LogPosition) -> list[str]:
        wanted = {
            "k": conversation_id,
            "p": until.partition,
            "o": {"$lt": until.offset},
            "h.ce_type": RequestRefused.type_name(),
        }
        async with translated("find refused texts"):
            found = await self._database["events"].find(wanted, {"b": 1}).to_list(length=None)
        facts = [RequestRefused.model_validate_json(bytes(d["b"])) for d in found]
        return [f.content.content_id for f in facts if f.content is not None]

    async def addresses(self, contact_ids: Ids[str]) -> list[str]:
        async with translated("find addresses"):
            found = await self._database["search_people"].find({"k": {"$in": list(contact_ids)}}).to_list(length=None)
        return sorted({d["a"] for d in found})

    async def drop_filters(self, addresses: Sequence[str]) -> None:
        named = [_holds(field, address) for address in addresses for field in ("name", "search")]
        if named:
            async with translated("erase filters"):
                await self._database["filters"].delete_many({"$or": named})


def _holds(field: str, address: str) -> Mapping[str, Any]:
    """Return the condition that a field holds this address, and not a longer one around it."""
    return {field: {"$regex": rf"(?<![\w.+-]){re.escape(address)}(?![\w-])", "$options": "i"}}
