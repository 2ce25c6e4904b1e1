"""One's own account: password, sessions. Second factor and tokens have modules of their own."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from postroom_desk.api import cookies
from postroom_desk.api.auth import PartsOf, where_of
from postroom_desk.api.told import tell
from postroom_desk.console.me import Me, Mine, account_page
from postroom_desk.identity.credentials import BadPasswordError
from postroom_desk.identity.hashing import TooBusyError
from postroom_desk.identity.login import Begun, Refused, TooMany
from postroom_desk.parts import Parts

router = APIRouter(include_in_schema=False)
Given = Annotated[str, Form(max_length=1000)]


@router.get("/account")
async def account(mine: Mine, parts: PartsOf, saved: bool = False) -> Response:
    return await _account(mine, parts, saved=saved)


async def _account(mine: Me, parts: Parts, status: int = 200, fault: str = "", *, saved: bool = False) -> Response:
    person = await parts.identity.people.get(mine.agent.id)
    return account_page(
        "account.html",
        mine,
        status,
        title=mine.viewer.texts("account.title"),
        person=person,
        fault=fault,
        saved=saved,
        passwords=parts.settings.password_login,
    )


@router.post("/account/password")
async def change_password(
    request: Request, mine: Mine, parts: PartsOf, old: Given = "", password: Given = "", again: Given = ""
) -> Response:
    """Change the password; all other sessions end."""
    texts = mine.viewer.texts
    if not parts.settings.password_login:
        return await _account(mine, parts, 403, texts("account.sso_only"))
    if password != again:
        return await _account(mine, parts, 422, texts("login.differ"))
    try:
        outcome = await parts.identity.credentials.change(mine.agent, mine.session, old, password, where_of(request))
    except BadPasswordError as error:
        return await _account(mine, parts, 422, texts(f"login.fault.{error.fault.code}", n=error.fault.limit))
    except TooBusyError:
        return await _account(mine, parts, 503, texts("login.busy"))
    match outcome:
        case Begun(token, session):
            await tell(request, "password-changed", session=session)
            response = RedirectResponse("/account?saved=true", 303)
            cookies.put(response, request, parts.settings, token)
            return response
        case TooMany():
            await tell(request, "password-changed", "refused", session=mine.session)
            return await _account(mine, parts, 429, texts("account.wait_quarter"))
        case Refused():
            await tell(request, "password-changed", "refused", session=mine.session)
            return await _account(mine, parts, 403, texts("account.present_wrong"))


@router.get("/account/sessions")
async def sessions(mine: Mine, parts: PartsOf) -> Response:
    found = [s for s in await parts.identity.sessions.store.of(mine.agent.id) if s.ends_at > parts.clock.now()]
    return account_page(
        "sessions.html", mine, title=mine.viewer.texts("account.session.title"), sessions=found, present=mine.session.id
    )


@router.post("/account/sessions/end")
async def end_sessions(
    request: Request, mine: Mine, parts: PartsOf, session: Given = "", everywhere: Annotated[bool, Form()] = False
) -> Response:
    """End one of one's own sessions; without `session` all others, or all with `everywhere`."""
    store = parts.identity.sessions.store
    if session:
        found = await store.get(session)
        if found is not None and found.agent_id == mine.agent.id:
            await store.remove(session)
            await tell(request, "session-ended", session=mine.session, about=session)
    else:
        await store.remove_of(mine.agent.id, but=None if everywhere else mine.session.id)
        await tell(request, "sessions-ended", session=mine.session, which="all" if everywhere else "others")
    ended = everywhere or session == mine.session.id
    response = RedirectResponse("/login" if ended else "/account/sessions", 303)
    if ended:
        cookies.drop(response, request, parts.settings)
    return response
