"""Versions of the configuration in the desk's database: `{_id: version, applied_at, applied_by, snapshot, published}`.

The version is the document's id, so of two writers of one version exactly one wins.
"""

from collections.abc import Mapping
from typing import Any

from postroom_contracts.configuration import Configuration, ConfigurationApplied
from postroom_runtime.errors import translated
from postroom_runtime.mongo import Database, DuplicateKeyError


class MongoConfigurationStore:
    """Port ConfigurationStore. The snapshot is kept as JSON text: its keys may be any."""

    def __init__(self, database: Database) -> None:
        self._versions = database["configuration"]

    async def latest(self) -> ConfigurationApplied | None:
        async with translated("read configuration"):
            found = await self._versions.find({}).sort([("_id", -1)]).limit(1).to_list(length=1)
        return _applied(found[0]) if found else None

    async def at(self, version: int) -> ConfigurationApplied | None:
        async with translated("read configuration"):
            found = await self._versions.find_one({"_id": version})
        return _applied(found) if found else None

    async def history(self, before: int | None, limit: int) -> list[ConfigurationApplied]:
        wanted: dict[str, Any] = {} if before is None else {"_id": {"$lt": before}}
        async with translated("read configuration"):
            found = await self._versions.find(wanted).sort([("_id", -1)]).limit(limit).to_list(length=limit)
        return [_applied(d) for d in found]

    async def add(self, applied: ConfigurationApplied) -> bool:
        document = {
            "_id": applied.configuration_version,
            "applied_at": applied.applied_at,
            "applied_by": applied.applied_by,
            "snapshot": applied.configuration.model_dump_json(),
            "published": False,
        }
        async with translated("write configuration"):
            try:
                await self._versions.insert_one(document)
            except DuplicateKeyError:
                return False
        return True

    async def unpublished(self) -> list[ConfigurationApplied]:
        async with translated("read configuration"):
            found = await self._versions.find({"published": False}).sort([("_id", 1)]).to_list(length=1000)
        return [_applied(d) for d in found]

    async def mark_published(self, version: int) -> None:
        async with translated("mark configuration"):
            await self._versions.update_one({"_id": version}, {"$set": {"published": True}})


def _applied(d: Mapping[str, Any]) -> ConfigurationApplied:
    return ConfigurationApplied(
        configuration_version=d["_id"],
        applied_at=d["applied_at"],
        applied_by=d["applied_by"],
        configuration=Configuration.model_validate_json(d["snapshot"]),
    )
