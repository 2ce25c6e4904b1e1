"""Pages of the links by which somebody chooses a password: `/invitation/TOKEN` and `/reset/TOKEN`."""

import secrets
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from postroom_desk.api import cookies
from postroom_desk.api.auth import PartsOf, refuse_foreign, where_of
from postroom_desk.api.told import tell
from postroom_desk.console.login import answered
from postroom_desk.console.pages import render_bare
from postroom_desk.console.viewer import stranger
from postroom_desk.identity.credentials import BadPasswordError, UnknownLinkError
from postroom_desk.identity.hashing import TooBusyError
from postroom_desk.identity.links import Purpose
from postroom_desk.identity.login import Begun
from postroom_desk.identity.tries import BY_LINK, address_key
from postroom_desk.parts import Parts

router = APIRouter(include_in_schema=False)
Chosen = Annotated[str, Form(max_length=1000)]


@router.get("/invitation/{token}")
async def invitation(token: str, request: Request, parts: PartsOf) -> Response:
    return await _asked(token, "invitation", request, parts)


@router.get("/reset/{token}")
async def reset(token: str, request: Request, parts: PartsOf) -> Response:
    return await _asked(token, "reset", request, parts)


@router.post("/invitation/{token}")
async def invited(token: str, request: Request, parts: PartsOf, password: Chosen = "", again: Chosen = "") -> Response:
    return await _chosen(token, "invitation", request, parts, password, again)


@router.post("/reset/{token}")
async def replaced(token: str, request: Request, parts: PartsOf, password: Chosen = "", again: Chosen = "") -> Response:
    return await _chosen(token, "reset", request, parts, password, again)


async def _asked(token: str, purpose: Purpose, request: Request, parts: Parts) -> Response:
    """Only show the form: scanners of mail follow every link, and use none up."""
    try_id, key = secrets.token_hex(8), address_key(where_of(request).address)
    if await parts.identity.log_in.counted(((BY_LINK, key),), try_id) is not None:
        return _page(request, 429, "too_many_few")
    try:
        _, agent = await parts.identity.credentials.linked(parts.reader.configuration, token, purpose)
    except UnknownLinkError:
        return _unknown(request)
    await parts.identity.tries.give_back(BY_LINK, key, try_id)
    return _page(request, 200, "", email=agent.email)


async def _chosen(token: str, purpose: Purpose, request: Request, parts: Parts, password: str, again: str) -> Response:
    refuse_foreign(request, parts)
    if not cookies.may_log_in(request, parts.settings):
        return _page(request, 403, "insecure")
    credentials, configuration = parts.identity.credentials, parts.reader.configuration
    email = ""
    try:
        email = (await credentials.linked(configuration, token, purpose))[1].email
        if password != again:
            return _page(request, 422, "differ", email=email)
        outcome = await credentials.choose(configuration, token, purpose, password, where_of(request))
    except UnknownLinkError:
        return _unknown(request)
    except BadPasswordError as error:
        return _page(request, 422, f"fault.{error.fault.code}", email=email, limit=error.fault.limit)
    except TooBusyError:
        return _page(request, 503, "busy", email=email)
    if isinstance(outcome, Begun):
        await tell(request, "password-chosen", session=outcome.session, by=purpose)
    return await answered(request, parts, outcome, "/")


def _unknown(request: Request) -> Response:
    return _page(request, 404, "link_unknown", form=False)


def _page(request: Request, status: int, fault: str, *, email: str = "", form: bool = True, limit: int = 0) -> Response:
    """`fault`: the name of a text of `login`."""
    viewer = stranger(request)
    said = viewer.texts(f"login.{fault}", n=limit) if fault else ""
    title = viewer.texts("login.choose_title")
    shown = form and status != 429  # noqa: PLR2004 - too many tries
    return render_bare(request, "choose.html", status, viewer=viewer, title=title, fault=said, email=email, form=shown)
