"""Writing first: a conversation that begins with a message of ours, written where conversations are read."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from postroom_desk.api.auth import PartsOf
from postroom_desk.api.models import InboxShown
from postroom_desk.api.shown import company
from postroom_desk.console.asked import ListAsked
from postroom_desk.console.inbox import inbox_page
from postroom_desk.console.pages import reached, render
from postroom_desk.console.viewer import Viewer, page_needs
from postroom_desk.domain.permissions import Operation
from postroom_desk.parts import Parts

NEW = "new"
"""Stands in addresses where a conversation's id does: no id is ever so short."""
router = APIRouter(include_in_schema=False)
Lists = Annotated[Viewer, Depends(page_needs(Operation.LIST_CONVERSATIONS))]
Asked = Annotated[ListAsked, Query()]


@router.get(f"/conversations/{NEW}")
async def new_page(request: Request, parts: PartsOf, viewer: Lists, asked: Asked) -> Response:
    title = viewer.texts("answering.new")
    return await inbox_page(
        request, parts, viewer, asked, opened_id=NEW, title=title, writes_from=_inboxes(parts, viewer)
    )


@router.get(f"/panes/conversation/{NEW}")
async def new_pane(request: Request, parts: PartsOf, viewer: Lists, asked: Asked) -> Response:
    await reached(request, parts)
    context: dict[str, Any] = {"opened": None, "opened_id": NEW, "asked": asked, "writes_from": _inboxes(parts, viewer)}
    return render(request, parts, viewer, "pane_conversation.html", **context)


def _inboxes(parts: Parts, viewer: Viewer) -> list[InboxShown]:
    """Return the inboxes from which the viewer may write first; empty for who may from none."""
    shown = company(parts.reader.configuration, parts.configurations.latest_version, viewer.acting_id)
    return [i for i in shown.inboxes if viewer.may(Operation.START_CONVERSATION, i.id)]
