"""A new password for who forgot theirs: `/login/forgot`. The answer is the same whether there is such an account or not."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from postroom_desk.api.auth import PartsOf, refuse_foreign, where_of
from postroom_desk.api.told import tell
from postroom_desk.console.pages import render_bare
from postroom_desk.console.viewer import stranger
from postroom_desk.identity.login import TooMany
from postroom_desk.parts import Parts

router = APIRouter(include_in_schema=False)
_MINUTE = 60


@router.get("/login/forgot")
async def asked(request: Request, parts: PartsOf) -> Response:
    return _page(request) if _offered(parts) else RedirectResponse("/login", 303)


@router.post("/login/forgot")
async def ask(request: Request, parts: PartsOf, email: Annotated[str, Form(max_length=1000)] = "") -> Response:
    """What was typed is told to nobody but who sends the mail."""
    refuse_foreign(request, parts)
    if not _offered(parts):
        return RedirectResponse("/login", 303)
    if not email.strip():
        return _page(request, 422)
    outcome = await parts.identity.forgotten.ask(email, stranger(request).texts.language, where_of(request))
    await tell(request, "password-forgotten", "refused" if outcome else "done")
    if isinstance(outcome, TooMany):
        minutes = max(1, round(outcome.retry_seconds / _MINUTE))
        page = _page(request, 429, stranger(request).texts("login.too_many", minutes=minutes))
        page.headers["Retry-After"] = str(round(outcome.retry_seconds + 0.5))
        return page
    return _page(request, done=True)


def _offered(parts: Parts) -> bool:
    return parts.settings.password_login and parts.identity.letters.can_send(parts.reader.configuration)


def _page(request: Request, status: int = 200, fault: str = "", *, done: bool = False) -> Response:
    viewer = stranger(request)
    title = viewer.texts("login.forgot.title")
    return render_bare(request, "forgot.html", status, viewer=viewer, title=title, fault=fault, done=done)
