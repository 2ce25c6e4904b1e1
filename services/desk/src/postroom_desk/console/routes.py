"""The pages, put together: rendered on the server; a little JavaScript keeps them moving.

They use the same reads as the API and, from the browser, the API itself for every action.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Form, Request
from fastapi.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from postroom_desk.api.auth import COOKIE, PartsOf
from postroom_desk.console import inbox, live, overview
from postroom_desk.console.pages import STATIC, render_bare
from postroom_desk.console.viewer import NotSignedInError, Viewer, page_needs, stranger
from postroom_desk.domain.permissions import Operation
from postroom_desk.parts import Parts
from postroom_desk.tokens import authenticate

_COOKIE_SECONDS = 12 * 3600
router = APIRouter(include_in_schema=False)


def install(app: FastAPI) -> None:
    for module in (inbox, overview, live):
        app.include_router(module.router)
    app.include_router(router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_exception_handler(NotSignedInError, _to_login)


async def _to_login(request: Request, _error: Exception) -> Response:
    """Send a page to the form; a fragment makes the page around it go there."""
    if request.headers.get("hx-request"):
        return Response(status_code=401, headers={"HX-Redirect": "/login"})
    return RedirectResponse("/login", 303)


SeesCompany = Annotated[Viewer, Depends(page_needs(Operation.SEE_COMPANY))]


@router.get("/tags.css")
async def tag_colours(parts: PartsOf, _viewer: SeesCompany) -> Response:
    """Colours of tags: a style sheet, because the page allows no inline style."""
    rules = [f".tag-{t.id}{{--tag:{t.color}}}" for t in parts.reader.configuration.tags]
    return Response("\n".join(rules), media_type="text/css", headers={"Cache-Control": "no-cache"})


@router.get("/login")
async def login_form(request: Request, parts: PartsOf, token: str | None = None) -> Response:
    """A token in the address is put into the cookie, and left behind by a page that goes on by itself."""
    return _login(request, parts, token) if token else _form(request)


@router.post("/login")
async def login(request: Request, parts: PartsOf, token: Annotated[str, Form(max_length=500)]) -> Response:
    return _login(request, parts, token)


def _form(request: Request, *, wrong: bool = False) -> Response:
    viewer = stranger(request)
    return render_bare(request, "login.html", 401 if wrong else 200, title=viewer.texts("login.title"), wrong=wrong)


def _login(request: Request, parts: Parts, token: str) -> Response:
    if authenticate(token.strip(), parts.settings.tokens()) is None:
        return _form(request, wrong=True)
    # Not a redirect: after a link from elsewhere a browser would keep a SameSite=Strict cookie back on the next step.
    response = render_bare(request, "welcome.html", title=stranger(request).texts("login.signed_in"))
    secure = request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"
    response.set_cookie(COOKIE, token.strip(), max_age=_COOKIE_SECONDS, httponly=True, samesite="strict", secure=secure)
    return response


@router.post("/logout")
async def logout() -> Response:
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response
