"""The second factor: asked for after the password (`/login/code`), set up and taken off (`/account/second-factor`)."""

from typing import Annotated

import segno
from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from postroom_desk.api import cookies
from postroom_desk.api.auth import PartsOf, refuse_foreign, where_of
from postroom_desk.api.csrf import require_token
from postroom_desk.api.told import tell, tell_log_in
from postroom_desk.console.login import answered
from postroom_desk.console.me import Me, Mine, account_page, person_at
from postroom_desk.console.pages import render_bare
from postroom_desk.console.signing_in import local
from postroom_desk.console.viewer import stranger
from postroom_desk.identity.login import Begun, TooMany
from postroom_desk.identity.second_factor import NoSealError
from postroom_desk.identity.sessions import csrf_token
from postroom_desk.parts import Parts

router = APIRouter(include_in_schema=False)
Given = Annotated[str, Form(max_length=1000)]


# --- after the password ---------------------------------------------------------------------------------------------


@router.get("/login/code")
async def code_form(request: Request, next: str | None = None) -> Response:  # noqa: A002 - its usual name
    if await person_at(request, "second_factor") is None:
        return RedirectResponse("/login", 303)
    return _code_page(request, local(next))


@router.post("/login/code")
async def code_given(request: Request, parts: PartsOf, code: Given = "", next: Given = "") -> Response:  # noqa: A002
    refuse_foreign(request, parts)
    who = await person_at(request, "second_factor")
    if who is None:
        return RedirectResponse("/login", 303)
    await require_token(request, csrf_token(cookies.read(request, parts.settings) or ""))
    outcome = await parts.identity.second_factor.complete(who.agent, who.session, code, where_of(request))
    if isinstance(outcome, Begun):
        return await answered(request, parts, outcome, local(next), "second-factor")
    await tell_log_in(request, outcome, "second-factor")
    match outcome:
        case TooMany(seconds):
            answer = _code_page(request, local(next), 429, "too_many_few")
            answer.headers["Retry-After"] = str(round(seconds + 0.5))
            return answer
        case _:
            return _code_page(request, local(next), 401, "code_wrong")


def _code_page(request: Request, following: str, status: int = 200, fault: str = "") -> HTMLResponse:
    """`fault`: the name of a text of `login`."""
    viewer = stranger(request)
    said = viewer.texts(f"login.{fault}") if fault else ""
    title = viewer.texts("login.code_title")
    return render_bare(request, "code.html", status, viewer=viewer, title=title, following=following, fault=said)


# --- of one's account -----------------------------------------------------------------------------------------------


async def _mine(request: Request, parts: Parts) -> Me | None:
    """Return the person who sets one up because they must, before they are let in."""
    who = await person_at(request, "enrol")
    if who is not None and request.method == "POST":
        await require_token(request, csrf_token(cookies.read(request, parts.settings) or ""))
    return who


@router.get("/account/second-factor")
async def second_factor(mine: Mine, parts: PartsOf) -> Response:
    return await _shown(mine, parts)


@router.get("/login/enrol")
async def enrol(request: Request, parts: PartsOf) -> Response:
    who = await _mine(request, parts)
    return RedirectResponse("/login", 303) if who is None else await _shown(who, parts)


async def _shown(mine: Me, parts: Parts, status: int = 200, fault: str = "", secret: str | None = None) -> HTMLResponse:
    person = await parts.identity.people.get(mine.agent.id)
    present = person is not None and person.second_factor is not None
    image = ""
    if not present:
        try:
            secret = secret or parts.identity.second_factor.new_secret()
        except NoSealError:
            secret = None
    if secret:
        image = segno.make(parts.identity.second_factor.address(mine.agent, secret), error="m").svg_data_uri(scale=4)
    return account_page(
        "second_factor.html",
        mine,
        status,
        title=mine.viewer.texts("account.second_factor"),
        present=present,
        left=len(person.recovery) if person else 0,
        secret=secret,
        image=image,
        fault=mine.viewer.texts(fault) if fault else "",
        must=mine.session.stage == "enrol",
        required=mine.agent.role in parts.settings.roles_with_second_factor(),
    )


@router.post("/account/second-factor")
async def set_up(request: Request, mine: Mine, parts: PartsOf, secret: Given = "", code: Given = "") -> Response:
    return await _set_up(request, mine, parts, secret, code)


@router.post("/login/enrol")
async def enrolled(request: Request, parts: PartsOf, secret: Given = "", code: Given = "") -> Response:
    refuse_foreign(request, parts)
    who = await _mine(request, parts)
    return RedirectResponse("/login", 303) if who is None else await _set_up(request, who, parts, secret, code)


async def _set_up(request: Request, mine: Me, parts: Parts, secret: str, code: str) -> Response:
    """Show recovery codes, once. All other sessions end; this one goes on under a new cookie."""
    person = await parts.identity.people.get(mine.agent.id)
    if person is None or person.second_factor is not None or not _is_secret(secret):
        return await _shown(mine, parts, 422, "account.factor.again")
    codes = await parts.identity.second_factor.set_up(mine.agent, secret, code)
    if codes is None:
        return await _shown(mine, parts, 422, "account.factor.clock", secret)
    identity = parts.identity
    await identity.sessions.store.remove_of(mine.agent.id)
    now = await identity.people.get(mine.agent.id)
    version = now.version if now else 0
    begun = await identity.log_in.begin_at("full", mine.agent.id, version, mine.session.by, where_of(request))
    await tell(request, "second-factor-set-up", session=mine.session)
    answer = account_page("recovery.html", mine, title=mine.viewer.texts("account.recovery.title"), codes=codes)
    if isinstance(begun, Begun):
        cookies.put(answer, request, parts.settings, begun.token)
    return answer


def _is_secret(secret: str) -> bool:
    return len(secret) == 32 and set(secret) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")  # noqa: PLR2004 - base 32


@router.post("/account/second-factor/off")
async def take_off(request: Request, mine: Mine, parts: PartsOf, code: Given = "") -> Response:
    """Take it off; a code is asked for once more, so that a browser left open is not enough."""
    match await parts.identity.second_factor.check(mine.agent, code, where_of(request)):
        case TooMany():
            return await _shown(mine, parts, 429, "login.too_many_few")
        case True:
            await parts.identity.second_factor.take_off(mine.agent)
            await tell(request, "second-factor-taken-off", session=mine.session)
            return RedirectResponse("/account/second-factor", 303)
    return await _shown(mine, parts, 403, "login.code_wrong")
