"""How far the erasure of a person is, as a part of the page that asks for itself again until it is done."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from postroom_desk.api.auth import PartsOf
from postroom_desk.api.erasing import ContactId, erasure_progress
from postroom_desk.api.problems import Problem
from postroom_desk.console.pages import render
from postroom_desk.console.viewer import Viewer, page_needs
from postroom_desk.domain.permissions import Operation

router = APIRouter(include_in_schema=False)
Sees = Annotated[Viewer, Depends(page_needs(Operation.ERASE_CONTACT))]


@router.get("/panes/erasure/{contact_id}")
async def erasure_pane(
    contact_id: ContactId,
    request: Request,
    parts: PartsOf,
    viewer: Sees,
    asked: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """`asked` is the id of the request that was just made: its erasure is shown, and no older one of this contact."""
    try:
        found, away = await erasure_progress(parts, contact_id, asked or None), False
    except Problem as problem:
        if problem.status != 503:  # noqa: PLR2004 - the router is away: the part stays, and asks again
            raise
        found, away = None, True
    return render(
        request,
        parts,
        viewer,
        "pane_erasure.html",
        progress=found,
        away=away,
        contact_id=contact_id,
        request_asked=asked,
    )
