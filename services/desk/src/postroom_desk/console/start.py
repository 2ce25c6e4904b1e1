"""Writing first: a conversation that begins with a message of ours, written where conversations are read.

Its draft lies on the desk; `/conversations/new-ID` is where it is gone on with, by whoever sees it: the page asks the API.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response
from postroom_contracts.rights import Ability, can

from postroom_desk.api.auth import PartsOf
from postroom_desk.api.models import InboxShown
from postroom_desk.api.shown import agent_name, company
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


DraftId = Annotated[str, Path(pattern=r"^[0-9A-Za-z-]{8,64}$")]


@router.get(f"/conversations/{NEW}")
async def new_page(request: Request, parts: PartsOf, viewer: Lists, asked: Asked) -> Response:
    return await _page(request, parts, viewer, asked, NEW)


@router.get(f"/conversations/{NEW}-{{draft_id}}")
async def draft_page(draft_id: DraftId, request: Request, parts: PartsOf, viewer: Lists, asked: Asked) -> Response:
    return await _page(request, parts, viewer, asked, f"{NEW}-{draft_id}")


async def _page(request: Request, parts: Parts, viewer: Viewer, asked: ListAsked, opened_id: str) -> Response:
    title = viewer.texts("answering.new")
    context = _context(parts, viewer)
    return await inbox_page(request, parts, viewer, asked, opened_id=opened_id, title=title, **context)


@router.get(f"/panes/conversation/{NEW}")
async def new_pane(request: Request, parts: PartsOf, viewer: Lists, asked: Asked) -> Response:
    return await _pane(request, parts, viewer, asked, NEW)


@router.get(f"/panes/conversation/{NEW}-{{draft_id}}")
async def draft_pane(draft_id: DraftId, request: Request, parts: PartsOf, viewer: Lists, asked: Asked) -> Response:
    return await _pane(request, parts, viewer, asked, f"{NEW}-{draft_id}")


async def _pane(request: Request, parts: Parts, viewer: Viewer, asked: ListAsked, opened_id: str) -> Response:
    await reached(request, parts)
    context = _context(parts, viewer) | {"opened": None, "opened_id": opened_id, "asked": asked}
    return render(request, parts, viewer, "pane_conversation.html", **context)


@dataclass(frozen=True, slots=True)
class Successor:
    """A colleague who could go on with a draft, and in which of the viewer's inboxes."""

    id: str
    name: str
    inboxes: list[str]


def _context(parts: Parts, viewer: Viewer) -> dict[str, Any]:
    return {"writes_from": _inboxes(parts, viewer), "colleagues": _colleagues(parts, viewer)}


def _colleagues(parts: Parts, viewer: Viewer) -> list[Successor]:
    configuration, own = parts.reader.configuration, sorted(viewer.readable)
    found = (
        Successor(a.id, agent_name(configuration, a.id), [i for i in own if can(configuration, Ability.NOTE, i, a.id)])
        for a in configuration.agents
        if a.enabled and a.id != viewer.acting_id
    )
    return [colleague for colleague in found if colleague.inboxes]


def _inboxes(parts: Parts, viewer: Viewer) -> list[InboxShown]:
    """Return the inboxes from which the viewer may write first; empty for who may from none."""
    shown = company(parts.reader.configuration, parts.configurations.latest_version, viewer.acting_id)
    return [i for i in shown.inboxes if viewer.may(Operation.START_CONVERSATION, i.id)]
