"""One's own notifications as a page: it works without a script; with one it stays up to date by itself."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from postroom_desk.api.auth import PartsOf
from postroom_desk.api.models_notifications import Show
from postroom_desk.api.notifications import notification_page
from postroom_desk.api.problems import Problem
from postroom_desk.console.asked import address
from postroom_desk.console.pages import reached, render
from postroom_desk.console.viewer import Viewer, page_needs
from postroom_desk.domain.permissions import Operation

router = APIRouter(include_in_schema=False)
PATH = "/notifications"
Lists = Annotated[Viewer, Depends(page_needs(Operation.LIST_CONVERSATIONS))]
Owns = Annotated[Viewer, Depends(page_needs(Operation.OWN_ACCOUNT))]


@router.get(PATH)
async def notifications(
    request: Request,
    parts: PartsOf,
    viewer: Lists,
    show: Show = "all",
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """What concerns whoever acts; for whoever acts as nobody there is nothing."""
    await reached(request, parts)
    agent_id = viewer.acting_id
    found = await notification_page(parts, viewer.readable, agent_id, show, cursor=cursor) if agent_id else None
    following = {"show": show, "cursor": found.next_cursor} if found and found.next_cursor else None
    return render(
        request,
        parts,
        viewer,
        "notifications.html",
        title=viewer.texts("bell.title"),
        page=found,
        show=show,
        here=address(PATH, {"show": show, "cursor": cursor}) if cursor else address(PATH, {"show": show}),
        next_url=address(PATH, following) if following else None,
    )


@router.post("/notifications/read")
async def read(
    parts: PartsOf,
    viewer: Owns,
    identifier: Annotated[str, Form(alias="id", max_length=60)] = "",
    until: Annotated[str, Form(max_length=40)] = "",
    show: Annotated[Show, Form()] = "all",
) -> Response:
    """Mark one (`id`), or all that the page showed and what is older (`until`)."""
    if viewer.acting_id is None:
        raise Problem(422, "unknown-agent", "Unknown agent", "choose whom you act as")
    ids = [identifier] if identifier else None
    await parts.bell.store.read(viewer.acting_id, parts.clock.now(), ids=ids, until=None if ids else _time(until))
    parts.bell.feed.touch()
    return RedirectResponse(address(PATH, {"show": show}), 303)


def _time(given: str) -> datetime:
    try:
        moment = datetime.fromisoformat(given)
    except ValueError as error:
        raise Problem(422, "bad-time", "Bad time", "`until` must be a time") from error
    if moment.tzinfo is None:
        raise Problem(422, "bad-time", "Bad time", "`until` needs a zone")
    return moment
