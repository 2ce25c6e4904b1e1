"""What came while somebody wrote: shown beside a reply that was held, so that they see what they would answer over."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from postroom_contracts import facts as f

from postroom_desk.api import models as m
from postroom_desk.api import shown
from postroom_desk.api.auth import PartsOf
from postroom_desk.api.problems import Problem
from postroom_desk.console.activity import Line, line
from postroom_desk.console.pages import reached, render
from postroom_desk.console.viewer import Viewer, page_needs
from postroom_desk.domain.logged import LoggedEvent
from postroom_desk.domain.permissions import Operation
from postroom_desk.domain.since import came_since, parse_seen
from postroom_desk.domain.window import MOST, Window
from postroom_desk.parts import Parts

EVENTS = 2000
router = APIRouter(include_in_schema=False)
Reads = Annotated[Viewer, Depends(page_needs(Operation.READ_CONVERSATION))]


@router.get("/panes/since/{conversation_id}")
async def since_pane(
    conversation_id: str, request: Request, parts: PartsOf, viewer: Reads, seen: Annotated[str, Query(max_length=40)]
) -> Response:
    """What came after the ETag `seen`; it says itself up to which ETag it shows everything."""
    await reached(request, parts)
    thread = await viewer.signed_in.thread(parts, conversation_id, Window(limit=MOST))
    known = parse_seen(seen)
    if known is None:
        raise Problem(400, "bad-etag", "Bad ETag", "`seen` is the ETag of the conversation as it was read")
    conversation = shown.conversation(thread, parts.reader.configuration)
    logged = came_since(await parts.events.newest_of(conversation_id, EVENTS), known)
    items = _items(logged, conversation, parts, viewer)
    return render(request, parts, viewer, "pane_since.html", c=conversation, items=items)


def _items(
    logged: list[LoggedEvent], conversation: m.Conversation, parts: Parts, viewer: Viewer
) -> list[m.MessageShown | Line]:
    """Return messages as they are shown and the rest as lines; what the viewer did to the conversation is no news to them."""
    messages = {x.message_id: x for x in conversation.messages}
    items: list[m.MessageShown | Line] = []
    for event in logged:
        data: Any = event.event().data
        if isinstance(data, f.MessageReceived | f.ReplyAccepted | f.NoteAdded) and data.message_id in messages:
            items.append(messages[data.message_id])
        elif getattr(getattr(data, "actor", None), "id", None) != (viewer.acting_id or ""):
            items.append(line(event, parts.reader.configuration, viewer.texts, readable=viewer.readable))
    return items
