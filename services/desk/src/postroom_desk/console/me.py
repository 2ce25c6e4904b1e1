"""Whose account page this is: a person in their own session. A token, of whatever kind, changes no credentials."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse
from postroom_contracts.configuration import Agent

from postroom_desk.api.auth import session_of
from postroom_desk.api.problems import Problem
from postroom_desk.console.rendering import SECURITY_HEADERS, page
from postroom_desk.console.viewer import Viewer, page_needs, stranger
from postroom_desk.domain.permissions import Operation
from postroom_desk.identity.sessions import Session, Stage
from postroom_desk.parts import parts_of


@dataclass(frozen=True, slots=True)
class Me:
    """Who looks at their own account."""

    agent: Agent
    session: Session
    viewer: Viewer
    now: datetime


async def me(request: Request, viewer: Annotated[Viewer, Depends(page_needs(Operation.OWN_CREDENTIALS))]) -> Me:
    """Dependency: the person. Raises NotSignedInError, and Problem 403 for who is none or comes from elsewhere."""
    session = await session_of(request)
    agent = parts_of(request).reader.configuration.agent(viewer.signed_in.principal.agent_id)
    if session is None or agent is None or viewer.signed_in.principal.by != "session" or session.by == "deployment":
        raise Problem(403, "no-person", "Not allowed", "only a person who has signed in has an account")
    return Me(agent, session, viewer, parts_of(request).clock.now())


async def person_at(request: Request, stage: Stage) -> Me | None:
    """Return who is at this stage of signing in; None when nobody is."""
    session = await session_of(request)
    agent = parts_of(request).reader.configuration.agent(session.agent_id) if session else None
    if session is None or agent is None or session.stage != stage:
        return None
    return Me(agent, session, stranger(request), parts_of(request).clock.now())


Mine = Annotated[Me, Depends(me)]


def account_page(template: str, who: Me, status: int = 200, **context: Any) -> HTMLResponse:
    """Render a page of one's account."""
    body = page(template, who.viewer, agent=who.agent, now=who.now, **context)
    return HTMLResponse(body, status, headers=SECURITY_HEADERS)
