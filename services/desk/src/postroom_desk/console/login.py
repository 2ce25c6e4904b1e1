"""Signing in and out. A person gives mail address and password; an operator may give a token of the deployment."""

import secrets
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from postroom_desk.api import cookies
from postroom_desk.api.auth import PartsOf, identify, refuse_foreign, session_of, where_of
from postroom_desk.api.told import tell, tell_log_in
from postroom_desk.console.pages import render_bare
from postroom_desk.console.signing_in import local
from postroom_desk.console.viewer import stranger
from postroom_desk.identity.hashing import TooBusyError
from postroom_desk.identity.login import Begun, Outcome, Refused, TooMany
from postroom_desk.identity.sessions import Session, begun
from postroom_desk.identity.sign_on import SignOnFault
from postroom_desk.identity.tries import BY_ADDRESS, address_key
from postroom_desk.parts import Parts
from postroom_desk.tokens import authenticate, credential_of

router = APIRouter(include_in_schema=False)
Given = Annotated[str, Form(max_length=1000)]
_STEPS = {"second_factor": "/login/code", "enrol": "/login/enrol"}


@router.get("/login")
async def login_form(request: Request, parts: PartsOf, next: str | None = None) -> Response:  # noqa: A002 - its usual name
    if parts.settings.desk_open or await identify(request) is not None:
        return RedirectResponse(local(next), 303)
    return await form(request, parts, local(next))


@router.post("/login")
async def login(
    request: Request,
    parts: PartsOf,
    email: Given = "",
    password: Given = "",
    token: Given = "",
    next: Given = "",  # noqa: A002
) -> Response:
    refuse_foreign(request, parts)
    if not cookies.may_log_in(request, parts.settings):
        return await form(request, parts, local(next), 403)
    try:
        outcome = await (
            _by_token(request, parts, token.strip()) if token else _by_password(request, parts, email, password)
        )
    except TooBusyError:
        outcome = TooMany(2)
    return await answered(request, parts, outcome, local(next), "deployment" if token else "password")


async def _by_password(request: Request, parts: Parts, email: str, password: str) -> Outcome:
    return await parts.identity.log_in.by_password(parts.reader.configuration, email, password, where_of(request))


async def _by_token(request: Request, parts: Parts, given: str) -> Outcome:
    """Begin a session with a token of the deployment; the token itself does not stay in the browser."""
    where = where_of(request)
    try_id = secrets.token_hex(8)
    key = ((BY_ADDRESS, address_key(where.address)),)
    if (wait := await parts.identity.log_in.counted(key, try_id)) is not None:
        return TooMany(wait)
    tokens = parts.settings.tokens()
    found = authenticate(given, tokens)
    if found is None:
        return Refused()
    await parts.identity.tries.give_back(*key[0], try_id)
    credential = next(credential_of(t) for t in tokens if t.principal == found)
    limits = parts.identity.sessions.limits
    cookie, session = begun(
        found.name, found.agent_id, "deployment", "full", where, parts.clock.now(), limits, credential=credential
    )
    await parts.identity.sessions.store.add(session)
    return Begun(cookie, session)


async def answered(request: Request, parts: Parts, outcome: Outcome, following: str, by: str = "password") -> Response:
    """Return the answer to a log-in: on to the page that was asked for, to the next step, or the form again."""
    await tell_log_in(request, outcome, by)
    match outcome:
        case Begun(token, session):
            await _end_present(request, parts)
            step = _STEPS.get(session.stage)
            way = following if step is None else f"{step}?{urlencode({'next': following})}"
            response: Response = RedirectResponse(way, 303)
            cookies.put(response, request, parts.settings, token)
            return response
        case TooMany(seconds):
            response = await form(request, parts, following, 429, wait_seconds=seconds)
            response.headers["Retry-After"] = str(round(seconds + 0.5))
            return response
        case Refused():
            return await form(request, parts, following, 401)


async def form(
    request: Request,
    parts: Parts,
    following: str,
    status: int = 200,
    wait_seconds: float = 0,
    fault: SignOnFault | None = None,
) -> HTMLResponse:
    """Return the form. It says what to do first where nobody can sign in yet."""
    nobody = status == 200 and not parts.settings.tokens() and not await parts.identity.people.all()  # noqa: PLR2004
    viewer = stranger(request)
    return render_bare(
        request,
        "login.html",
        status,
        viewer=viewer,
        title=viewer.texts("login.title"),
        following=following,
        answer=status,
        minutes=max(1, round(wait_seconds / 60)),
        nobody=nobody,
        passwords=parts.settings.password_login,
        sign_on=parts.settings.oidc_name if parts.identity.sign_on is not None else "",
        fault=viewer.texts(f"login.sso.{fault}") if fault else "",
        mails=parts.identity.letters.can_send(parts.reader.configuration),
        by_token=bool(parts.settings.tokens()),
        insecure=not cookies.may_log_in(request, parts.settings),
    )


async def _end_present(request: Request, parts: Parts) -> Session | None:
    """End the session that this browser has: a new one never goes on under the old cookie."""
    present = await session_of(request)
    if present is not None:
        await parts.identity.sessions.store.remove(present.id)
    return present


@router.post("/logout")
async def logout(request: Request, parts: PartsOf) -> Response:
    """End the session on every replica; its open streams end with it."""
    await identify(request)
    if (ended := await _end_present(request, parts)) is not None:
        await tell(request, "log-out", session=ended)
    response = RedirectResponse("/login", 303)
    cookies.drop(response, request, parts.settings)
    # What other pages of this browser keep of us goes, too (W3C Clear Site Data).
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response
