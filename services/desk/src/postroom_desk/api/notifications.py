"""One's own notifications: what happened that concerns one, with marks of read."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from postroom_desk.answering.drafts import Seat
from postroom_desk.api import shown
from postroom_desk.api.auth import PartsOf
from postroom_desk.api.drafting import NEW
from postroom_desk.api.folders import AgentNamed, acting_agent
from postroom_desk.api.guard import Asker, needs
from postroom_desk.api.models_notifications import NotificationPage, NotificationShown, ReadAsked, Show, Unread
from postroom_desk.api.problems import Problem
from postroom_desk.domain.notifications import Notification
from postroom_desk.domain.permissions import Operation
from postroom_desk.parts import Parts
from postroom_desk.reading import Row

router = APIRouter()
PAGE = 50


@router.get("/notifications", summary="Notifications")
async def read_notifications(
    parts: PartsOf,
    asker: Annotated[Asker, Depends(needs(Operation.LIST_CONVERSATIONS))],
    agent: AgentNamed = None,
    show: Show = "all",
    limit: Annotated[int, Query(ge=1, le=200)] = PAGE,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> NotificationPage:
    """What concerns you, the newest first, of inboxes that you may read now. Kept for 90 days, at most 500 a person.

    Live: `GET /events?notifications=true`.
    """
    agent_id = acting_agent(asker, parts, agent)
    return await notification_page(parts, asker.readable, agent_id, show, limit, cursor)


@router.post("/notifications/read", summary="Mark notifications as read")
async def mark_notifications(
    asked: ReadAsked, parts: PartsOf, asker: Annotated[Asker, Depends(needs(Operation.OWN_ACCOUNT))]
) -> Unread:
    """Your own alone; an id that is none of yours changes nothing."""
    agent_id = acting_agent(asker, parts, asked.agent)
    conversations = [asked.conversation_id] if asked.conversation_id else None
    await parts.bell.store.read(
        agent_id, parts.clock.now(), ids=asked.ids or None, conversations=conversations, until=asked.until
    )
    parts.bell.feed.touch()
    return Unread(unread=await parts.bell.feed.unread(agent_id, asker.readable))


async def notification_page(
    parts: Parts,
    readable: frozenset[str],
    agent_id: str,
    show: Show = "all",
    limit: int = PAGE,
    cursor: str | None = None,
) -> NotificationPage:
    """Return a page of somebody's list, bound by `readable`. Raises Problem 400."""
    found = await parts.bell.store.listed(
        agent_id, readable, limit + 1, before=_before(cursor), unread=show == "unread"
    )
    last = found[limit - 1] if len(found) > limit else None
    return NotificationPage(
        items=await _shown(parts, readable, found[:limit]),
        next_cursor=f"{last.at.isoformat()}_{last.id}" if last else None,
        unread=await parts.bell.feed.unread(agent_id, readable),
    )


def _before(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    at, _, identifier = cursor.partition("_")
    try:
        moment = datetime.fromisoformat(at)
        if not identifier or moment.tzinfo is None:
            raise ValueError
    except ValueError as error:
        raise Problem(400, "bad-cursor", "Bad cursor", "`cursor` is not one that this desk gave") from error
    return moment, identifier


async def _shown(parts: Parts, readable: frozenset[str], found: list[Notification]) -> list[NotificationShown]:
    """Return what is shown of them: of conversations that are readable at this moment, whatever the list says."""
    views = await parts.reader.conversations.get({n.conversation_id for n in found}, readable)
    rows = {row.id: row for row in await parts.reader.rows(views)}
    configuration = parts.reader.configuration
    shown_ones = []
    for n in found:
        about = await _about(parts, readable, n, rows.get(n.conversation_id))
        if about is not None:
            kept = n.model_dump(include={"id", "kind", "at", "conversation_id", "actor_id", "details"})
            actor_name = shown.agent_name(configuration, n.actor_id) if n.actor_id else ""
            shown_ones.append(NotificationShown(**kept, **about, read=n.read_at is not None, actor_name=actor_name))
    return shown_ones


async def _about(parts: Parts, readable: frozenset[str], n: Notification, row: Row | None) -> dict[str, str] | None:
    """Return what a notification is about; None: there is nothing of it to see."""
    if row is not None:
        customer = row.contact.get("name") or row.contact.get("address") or ""
        there = {"inbox_id": row.view.inbox_id, "subject": row.subject, "customer": customer}
        return there | {"href": shown.href(n.conversation_id)}
    if not n.conversation_id.startswith(NEW) or n.inbox_id not in readable:
        return None
    draft_id = n.conversation_id.removeprefix(NEW)
    draft = await parts.writing.drafts.read(Seat(draft_id, "start"))
    theirs = n.agent_id in draft.people and draft.written.inbox_id in readable
    subject = draft.written.subject if theirs else ""
    return {"inbox_id": n.inbox_id, "subject": subject, "customer": "", "href": f"{shown.BASE}/drafts/{draft_id}"}
