"""Reading the audit: for admins and auditors. Whoever reads it is in it, too."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import Field

from postroom_desk.api import models as m
from postroom_desk.api.auth import PartsOf
from postroom_desk.api.guard import Asker, needs
from postroom_desk.api.problems import not_found
from postroom_desk.audit.checking import AuditChecks
from postroom_desk.audit.port import AuditSearch, Outcome
from postroom_desk.audit.search import MAX_PAGE, Search
from postroom_desk.domain.permissions import Operation
from postroom_desk.parts import Parts

router = APIRouter()
Name = Annotated[str | None, Query(max_length=200)]
Reads = Annotated[Asker, Depends(needs(Operation.READ_AUDIT))]
EXPORT_NAME = "audit.jsonl"


class AuditPage(m.Answer):
    """Entries, the newest first. `hash` and `previous` are the chain's; `postroom audit verify` checks it."""

    items: list[dict[str, Any]]
    next_cursor: str | None


class AuditChecked(m.Answer):
    """The latest check of the chain. `never`: there was none yet. `head`: the last entry, to be noted elsewhere."""

    state: Literal["never", "running", "in_order", "broken"]
    begun_at: datetime | None = None
    by: str = ""
    entries: int = 0
    head: str = ""
    faults: list[str] = Field(default_factory=list)


class Asked:
    """What is looked for: filters that all hold."""

    def __init__(
        self,
        person: Name = None,
        action: Name = None,
        outcome: Outcome | None = None,
        conversation: Name = None,
        begin: Annotated[m.LaterTime | None, Query(alias="from")] = None,
        end: Annotated[m.LaterTime | None, Query(alias="to")] = None,
    ) -> None:
        self.named = {"person": person, "action": action, "outcome": outcome, "conversation_id": conversation}
        self.begin, self.end = _in_zone(begin), _in_zone(end)

    def search(self, hidden: frozenset[str], before: int | None = None, limit: int = 50) -> Search:
        return Search(hidden=hidden, **self.named, begin=self.begin, end=self.end, before=before, limit=limit)


@router.get("/audit", summary="Who read, answered and changed what")
async def read_audit(
    parts: PartsOf,
    asker: Reads,
    asked: Annotated[Asked, Depends()],
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    cursor: Annotated[str | None, Query(pattern=r"^[0-9]{1,15}$")] = None,
) -> AuditPage:
    """Ids alone. Of others' private inboxes it shows that somebody did something, not in which conversation."""
    hidden = hidden_from(parts, asker)
    search = asked.search(hidden, int(cursor) if cursor else None, limit)
    found = await log_of(parts).find(search)
    items = [shown(link, hidden) for link in found[:limit]]
    return AuditPage(items=items, next_cursor=str(items[-1]["sequence"]) if len(found) > limit else None)


@router.get(
    "/audit/export",
    summary="The same, all of it, as a file of JSON lines",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {}}}},
)
async def export_audit(parts: PartsOf, asker: Reads, asked: Annotated[Asked, Depends()]) -> StreamingResponse:
    """In the chain's order. What is hidden from who asks has `hidden: true`; its hash is of what was written."""
    hidden, log = hidden_from(parts, asker), log_of(parts)
    asker.trace.did("audit-exported")

    async def lines() -> AsyncIterator[str]:
        async for link in log.stream(asked.search(hidden)):
            yield json.dumps(shown(link, hidden), sort_keys=True, ensure_ascii=False) + "\n"

    headers = {"Content-Disposition": f'attachment; filename="{EXPORT_NAME}"', "Cache-Control": "no-store"}
    return StreamingResponse(lines(), media_type="application/x-ndjson", headers=headers)


@router.get("/audit/check", summary="Whether the audit is still what was written")
async def read_check(parts: PartsOf, _asker: Reads) -> AuditChecked:
    """It is looked at once a day, and when somebody asks for it."""
    return await checked(parts)


@router.post("/audit/check", summary="Look now whether the audit is still what was written", status_code=202)
async def begin_check(parts: PartsOf, asker: Reads) -> AuditChecked:
    """One at a time: what runs already goes on."""
    await check_begun(parts, asker)
    return await checked(parts)


def log_of(parts: Parts) -> AuditSearch:
    """Raises Problem 404."""
    if parts.audit_log is None:
        raise not_found("there is no audit here")
    return parts.audit_log


def checks_of(parts: Parts) -> AuditChecks:
    """Raises Problem 404."""
    if parts.audit_checks is None:
        raise not_found("there is no audit here")
    return parts.audit_checks


async def checked(parts: Parts) -> AuditChecked:
    latest = await checks_of(parts).latest()
    if latest is None:
        return AuditChecked(state="never")
    return AuditChecked(
        state=latest.state,
        begun_at=latest.begun_at,
        by=latest.by,
        entries=latest.entries,
        head=latest.head,
        faults=list(latest.faults),
    )


async def check_begun(parts: Parts, asker: Asker) -> None:
    asker.trace.did("audit-checked")
    await checks_of(parts).begin(asker.principal.agent_id or asker.principal.name)


def hidden_from(parts: Parts, asker: Asker) -> frozenset[str]:
    """Return the private inboxes of others."""
    inboxes = parts.reader.configuration.inboxes
    return frozenset(i.id for i in inboxes if i.owner not in (None, asker.access.agent_id))


def shown(link: dict[str, Any], hidden: frozenset[str]) -> dict[str, Any]:
    if link["inbox_id"] not in hidden:
        return link
    return {**link, "conversation_id": None, "inbox_id": None, "details": {}, "hidden": True}


def _in_zone(moment: datetime | None) -> datetime | None:
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)
