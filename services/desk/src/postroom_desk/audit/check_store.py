"""The latest check of the audit: one document of the collection `audit_checks`."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from postroom_runtime.errors import translated
from postroom_runtime.mongo import Database, DuplicateKeyError

from postroom_desk.audit.checking import AuditCheck

_ID = "latest"


class MongoAuditChecks:
    """Port CheckStore."""

    def __init__(self, database: Database) -> None:
        self._checks = database["audit_checks"]

    async def latest(self) -> AuditCheck | None:
        async with translated("read audit check"):
            found = await self._checks.find_one({"_id": _ID})
        return None if found is None else _check(found)

    async def begin(self, check: AuditCheck, silent_since: datetime) -> bool:
        free = {"_id": _ID, "$or": [{"state": {"$ne": "running"}}, {"seen_at": {"$lte": silent_since}}]}
        async with translated("begin audit check"):
            try:
                await self._checks.replace_one(free, _document(check), upsert=True)
            except DuplicateKeyError:
                return False
        return True

    async def put(self, check: AuditCheck) -> None:
        async with translated("store audit check"):
            await self._checks.replace_one({"_id": _ID, "begun_at": check.begun_at, "by": check.by}, _document(check))


def _document(check: AuditCheck) -> dict[str, Any]:
    return {"_id": _ID, **asdict(check), "faults": list(check.faults)}


def _check(d: Mapping[str, Any]) -> AuditCheck:
    fields = dict(d)
    del fields["_id"]
    return AuditCheck(**{**fields, "faults": tuple(fields["faults"])})
