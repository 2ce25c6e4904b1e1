"""Reading the audit: for admins and auditors."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from postroom_desk.api import models as m
from postroom_desk.api.auth import PartsOf
from postroom_desk.api.guard import Asker, needs
from postroom_desk.api.problems import not_found
from postroom_desk.audit.port import Outcome
from postroom_desk.audit.search import MAX_PAGE, Search
from postroom_desk.domain.permissions import Operation

router = APIRouter()
Name = Annotated[str | None, Query(max_length=200)]


class AuditPage(m.Answer):
    """Entries, the newest first. `hash` and `previous` are the chain's; `postroom audit verify` checks it."""

    items: list[dict[str, Any]]
    next_cursor: str | None


@router.get("/audit", summary="Who read, answered and changed what")
async def read_audit(
    parts: PartsOf,
    asker: Annotated[Asker, Depends(needs(Operation.READ_AUDIT))],
    person: Name = None,
    action: Name = None,
    outcome: Outcome | None = None,
    conversation: Name = None,
    begin: Annotated[datetime | None, Query(alias="from")] = None,
    end: Annotated[datetime | None, Query(alias="to")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    cursor: Annotated[str | None, Query(max_length=20, pattern=r"^\d+$")] = None,
) -> AuditPage:
    """Ids alone. Of others' private inboxes it shows that somebody did something, not in which conversation."""
    if parts.audit_log is None:
        raise not_found("there is no audit here")
    hidden = {i.id for i in parts.reader.configuration.inboxes if i.owner not in (None, asker.access.agent_id)}
    search = Search(
        hidden=hidden,
        person=person,
        action=action,
        outcome=outcome,
        conversation_id=conversation,
        begin=_in_zone(begin),
        end=_in_zone(end),
        before=int(cursor) if cursor else None,
        limit=limit,
    )
    found = await parts.audit_log.find(search)
    more = len(found) > limit
    items = [_shown(link, hidden) for link in found[:limit]]
    return AuditPage(items=items, next_cursor=str(items[-1]["sequence"]) if more else None)


def _shown(link: dict[str, Any], hidden: set[str]) -> dict[str, Any]:
    return {**link, "conversation_id": None, "inbox_id": None, "details": {}} if link["inbox_id"] in hidden else link


def _in_zone(moment: datetime | None) -> datetime | None:
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)
