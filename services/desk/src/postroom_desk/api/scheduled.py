"""Replies that wait for their time: one's own, and for leads those of their teams."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from postroom_desk.api.auth import PartsOf
from postroom_desk.api.guard import Asker, needs
from postroom_desk.api.models import Answer
from postroom_desk.domain.access import Ability, Access, access_of
from postroom_desk.domain.permissions import Operation
from postroom_desk.domain.scheduled import Scheduled, scheduled_in, sees
from postroom_desk.parts import Parts
from postroom_desk.reading import preview_of

router = APIRouter()
Lists = Annotated[Asker, Depends(needs(Operation.LIST_CONVERSATIONS))]
As = Annotated[str | None, Query(max_length=63, description="The agent; unless the token names one")]


class ScheduledReply(Answer):
    """`etag` is what taking it back names in `If-Match`; `may_change`: whether the one who asks may do that."""

    conversation_id: str
    message_id: str
    inbox_id: str
    team_id: str | None
    agent_id: str
    send_at: datetime
    subject: str
    to: str
    preview: str
    etag: str
    may_change: bool


class ScheduledReplies(Answer):
    items: list[ScheduledReply]


@router.get("/scheduled", summary="Replies that wait for their time")
async def read_scheduled(parts: PartsOf, asker: Lists, agent: As = None) -> ScheduledReplies:
    """The next first, at most 500. `POST /conversations/{id}/messages/{id}/cancel` takes one back."""
    acting_id = asker.principal.agent_id or agent
    access = asker.access
    if asker.principal.agent_id is None and agent is not None:
        access = access_of(parts.reader.configuration, agent)
    return ScheduledReplies(items=await scheduled_replies(parts, access, acting_id))


async def scheduled_replies(parts: Parts, access: Access, acting_id: str | None) -> list[ScheduledReply]:
    """Return those that `acting_id` sees, with what they say in short."""
    found = scheduled_in(await parts.reader.conversations.scheduled(access.readable))
    shown = [s for s in found if sees(s, access, acting_id, parts.reader.configuration)]
    wanted = [i for s in shown for i in (s.view.first_content_id, s.message.content_id) if i]
    content = await parts.content.get(wanted)
    return [_shown(s, access, content) for s in shown]


def _shown(s: Scheduled, access: Access, content: dict[str, dict[str, object]]) -> ScheduledReply:
    first, own = content.get(s.view.first_content_id, {}), content.get(s.message.content_id, {})
    to = own.get("to")
    receivers = [str(p.get("address") or "") for p in to if isinstance(p, dict)] if isinstance(to, list) else []
    return ScheduledReply(
        conversation_id=s.conversation_id,
        message_id=s.message.message_id,
        inbox_id=s.view.inbox_id,
        team_id=s.view.team_id,
        agent_id=s.message.actor.id or "",
        send_at=s.send_at,
        subject=str(own.get("subject") or first.get("subject") or ""),
        to=", ".join(receivers),
        preview=preview_of(own),
        etag=s.view.etag,
        may_change=access.can(Ability.SEND, s.view.inbox_id),
    )
