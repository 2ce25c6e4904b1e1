"""What one has begun to write: `/drafts`. Going on with it happens where it is, throwing it away is a request of the API."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from postroom_desk.api.auth import PartsOf
from postroom_desk.api.first_drafts import drafts_of
from postroom_desk.console.pages import reached, render
from postroom_desk.console.viewer import Viewer, page_needs
from postroom_desk.domain.permissions import Operation

router = APIRouter(include_in_schema=False)
Lists = Annotated[Viewer, Depends(page_needs(Operation.LIST_CONVERSATIONS))]


@router.get("/drafts")
async def drafts(request: Request, viewer: Lists, parts: PartsOf) -> Response:
    """New conversations, replies and notes of whoever acts; for whoever acts as nobody there is nothing."""
    await reached(request, parts)
    rows = await drafts_of(parts, viewer.readable, viewer.acting_id) if viewer.acting_id else []
    return render(request, parts, viewer, "drafts.html", title=viewer.texts("drafts.title"), rows=rows)
