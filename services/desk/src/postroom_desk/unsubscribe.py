"""The one-click address of notification mail (RFC 8058): `POST /u/TOKEN` mutes one kind for one agent, without a log-in.

A GET only asks: scanners of mail follow every link. The token is signed, so that nobody mutes others; a repeat changes nothing.
"""

from typing import Any, get_args

from fastapi import APIRouter, Request
from fastapi.responses import Response
from postroom_contracts.configuration import MutableKind
from postroom_contracts.signed_ids import Unsubscribe, read_unsubscribe_token

from postroom_desk.api.auth import PartsOf
from postroom_desk.api.problems import Problem
from postroom_desk.console.pages import render_bare
from postroom_desk.console.viewer import stranger
from postroom_desk.domain.preferring import without_mail
from postroom_desk.parts import Parts

router = APIRouter(prefix="/u", include_in_schema=False)


@router.get("/{token}")
async def ask(token: str, request: Request, parts: PartsOf) -> Response:
    return _answer(request, _said(token, parts), done=False)


@router.post("/{token}")
async def mute(token: str, request: Request, parts: PartsOf) -> Response:
    """Whatever the body says: mail clients post `List-Unsubscribe=One-Click`, the page an empty form."""
    said = _said(token, parts)
    if said is not None:
        if parts.writer is None:
            raise Problem(503, "unavailable", "Not available", "the configuration cannot be written here")
        kind: Any = said.kind
        await parts.writer.change(
            lambda c: without_mail(c, said.agent_id, kind), applied_by=f"one-click of {said.agent_id}"
        )
    return _answer(request, said, done=True)


def _said(token: str, parts: Parts) -> Unsubscribe | None:
    try:
        keys = parts.settings.keys()
    except ValueError:  # a desk without signing keys has signed nothing
        return None
    said = read_unsubscribe_token(token, keys)
    known = said is not None and said.kind in get_args(MutableKind)
    return said if known and parts.reader.configuration.agent(said.agent_id if said else None) else None


def _answer(request: Request, said: Unsubscribe | None, *, done: bool) -> Response:
    texts = stranger(request).texts
    when = texts(f"unsubscribe.when.{said.kind}") if said else ""
    title = texts("unsubscribe.title")
    return render_bare(request, "unsubscribe.html", 200 if said else 404, title=title, when=when, done=done)
