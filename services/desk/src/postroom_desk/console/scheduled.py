"""Replies that wait for their time: `/scheduled`. Taking one back and changing it are requests of the API."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from postroom_desk.api.auth import PartsOf
from postroom_desk.api.scheduled import scheduled_replies
from postroom_desk.console.pages import reached, render
from postroom_desk.console.viewer import Viewer, page_needs
from postroom_desk.domain.permissions import Operation

router = APIRouter(include_in_schema=False)
Lists = Annotated[Viewer, Depends(page_needs(Operation.LIST_CONVERSATIONS))]


@router.get("/scheduled")
async def scheduled(request: Request, viewer: Lists, parts: PartsOf) -> Response:
    """One's own; a lead's teams'; what comes and goes meanwhile shows by itself."""
    await reached(request, parts)
    access = viewer.acting or viewer.signed_in.access
    rows = await scheduled_replies(parts, access, viewer.acting_id)
    return render(request, parts, viewer, "scheduled.html", title=viewer.texts("scheduled.title"), rows=rows)
