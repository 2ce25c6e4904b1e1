"""Who asks: a bearer token, or the session of a browser. What they may do is decided by `guard`."""

from contextvars import ContextVar
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from postroom_desk.api import cookies
from postroom_desk.api.csrf import is_foreign, require_token
from postroom_desk.api.problems import Problem
from postroom_desk.audit.trace import Trace
from postroom_desk.identity.principal import Principal
from postroom_desk.identity.sessions import Session, Where, csrf_token
from postroom_desk.parts import Parts, parts_of
from postroom_desk.settings import is_loopback
from postroom_desk.tokens import authenticate, credential_of

OPEN = Principal("open", by="open")
BY_ITSELF = "x-by-itself"
"""A page that shows what has happened meanwhile sends it; nobody works there for that."""
CSRF: ContextVar[str] = ContextVar("csrf", default="")
"""Of the session of this request; what renders a page puts it into its forms."""
_bearer = HTTPBearer(auto_error=False, description="An API token: of the deployment, or one's own.")


async def identify(request: Request) -> Principal | None:
    """Return who asks, or None. Raises Problem 403 for what another site made a browser ask."""
    parts = parts_of(request)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        found = authenticate(token.strip(), parts.settings.tokens())
        return found or await parts.identity.tokens.whose(token.strip(), parts.reader.configuration)
    refuse_foreign(request, parts)
    session = await session_of(request)
    if session is not None and session.stage == "full":
        await require_token(request, csrf_token(cookies.read(request, parts.settings) or ""))
        return _principal(session)
    return OPEN if parts.settings.desk_open else None


async def session_of(request: Request) -> Session | None:
    """Return the browser's session, of whatever stage, if the one whose it is may still log in."""
    parts = parts_of(request)
    cookie = cookies.read(request, parts.settings)
    CSRF.set("")
    if not cookie:
        return None
    session = await parts.identity.sessions.find(cookie, used=not _by_itself(request))
    if session is None or not is_let_in(session, parts):
        return None
    CSRF.set(csrf_token(cookie))
    return session


def _by_itself(request: Request) -> bool:
    """Say whether a page asks that nobody works on: it follows what happens."""
    return BY_ITSELF in request.headers or "text/event-stream" in request.headers.get("accept", "")


def is_let_in(session: Session, parts: Parts) -> bool:
    """Say whether the one whose session it is still exists: an enabled agent, a token of the deployment."""
    if session.by == "deployment":
        return any(
            t.principal.name == session.name and credential_of(t) == session.credential for t in parts.settings.tokens()
        )
    agent = parts.reader.configuration.agent(session.agent_id)
    return agent is not None and agent.enabled


def _principal(session: Session) -> Principal:
    return Principal(session.name, session.agent_id, session_id=session.id, by="session")


def refuse_foreign(request: Request, parts: Parts) -> None:
    """Without a bearer token only our own pages may ask: no other site's form or script, and no rebound name."""
    host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    if parts.settings.desk_open and not is_loopback(host):
        raise Problem(403, "foreign", "Not allowed", "the open desk answers only under a loopback name")
    if is_foreign(request):
        raise Problem(403, "foreign", "Not allowed", "this request comes from another site")


def where_of(request: Request) -> Where:
    """Return from where a request comes. Behind a proxy uvicorn reads it from the proxies in FORWARDED_ALLOW_IPS alone."""
    return Where(request.client.host if request.client else "", request.headers.get("user-agent", ""))


async def principal(
    request: Request, _documented: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> Principal:
    """Dependency: who asks. Raises Problem 401."""
    found = await identify(request)
    if found is None:
        if request.headers.get("authorization"):
            request.state.audit = Trace("failed-token")
        raise Problem(401, "unauthorized", "Not signed in", "send an API token", headers={"WWW-Authenticate": "Bearer"})
    return found


Who = Annotated[Principal, Depends(principal)]
PartsOf = Annotated[Parts, Depends(parts_of)]
