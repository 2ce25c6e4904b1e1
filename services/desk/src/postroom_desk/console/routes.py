"""The pages, put together: rendered on the server; a little JavaScript keeps them moving.

They use the same reads as the API and, from the browser, the API itself for every action.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import Response
from starlette.staticfiles import StaticFiles

from postroom_desk.api.auth import PartsOf
from postroom_desk.console import (
    account,
    audit,
    configuration,
    drafts,
    erasing,
    forgot,
    inbox,
    links,
    live,
    login,
    notifications,
    overview,
    palette,
    people,
    preferences,
    saved,
    scheduled,
    search,
    second_factor,
    sign_on,
    since,
    start,
    tokens,
)
from postroom_desk.console.pages import STATIC
from postroom_desk.console.signing_in import to_login
from postroom_desk.console.viewer import NotSignedInError, Viewer, page_needs
from postroom_desk.domain.permissions import Operation

router = APIRouter(include_in_schema=False)


def install(app: FastAPI) -> None:
    for module in (
        start,
        inbox,
        since,
        search,
        overview,
        live,
        login,
        forgot,
        links,
        account,
        second_factor,
        tokens,
        saved,
        sign_on,
        people,  # before `/settings/{section}`
        configuration,
        notifications,
        preferences,
        audit,
        scheduled,
        drafts,
        palette,
        erasing,
    ):
        app.include_router(module.router)
    app.include_router(router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_exception_handler(NotSignedInError, _to_login)


async def _to_login(request: Request, _error: Exception) -> Response:
    """Send a page to the form; a fragment makes the page around it go there."""
    if request.headers.get("hx-request"):
        return Response(status_code=401, headers={"HX-Redirect": "/login"})
    return to_login(request)


SeesCompany = Annotated[Viewer, Depends(page_needs(Operation.SEE_COMPANY))]


@router.get("/tags.css")
async def tag_colours(parts: PartsOf, _viewer: SeesCompany) -> Response:
    """Colours of tags: a style sheet, because the page allows no inline style."""
    rules = [f".tag-{t.id}{{--tag:{t.color}}}" for t in parts.reader.configuration.tags]
    return Response("\n".join(rules), media_type="text/css", headers={"Cache-Control": "no-cache"})
