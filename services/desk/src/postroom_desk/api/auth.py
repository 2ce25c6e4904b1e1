"""Who asks: a bearer token, or the page's cookie. What they may do is `guard.py`."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from postroom_desk.api.problems import Problem
from postroom_desk.identity.principal import Principal
from postroom_desk.parts import Parts, parts_of
from postroom_desk.settings import is_loopback
from postroom_desk.tokens import authenticate

COOKIE = "postroom_token"
OPEN = Principal("open", by="open")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_bearer = HTTPBearer(auto_error=False, description="An API token.")


async def identify(request: Request) -> Principal | None:
    """Return who asks, or None. Raises Problem for a request that another site made with the page's cookie."""
    parts = parts_of(request)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return authenticate(token.strip(), parts.settings.tokens())
    _refuse_foreign(request, parts)
    if cookie := request.cookies.get(COOKIE):
        found = authenticate(cookie, parts.settings.tokens())
        if found is not None:
            return found
    return OPEN if parts.settings.desk_open else None


def _refuse_foreign(request: Request, parts: Parts) -> None:
    """Without a bearer token only our own pages may ask: no other site's form or script, and no rebound name."""
    host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    if parts.settings.desk_open and not is_loopback(host):
        raise Problem(403, "foreign", "Not allowed", "the open desk answers only under a loopback name")
    origin = request.headers.get("origin")
    foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    if foreign or (
        request.method not in _SAFE
        and request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
    ):
        raise Problem(403, "foreign", "Not allowed", "this request comes from another site")


async def principal(
    request: Request, _documented: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> Principal:
    """Dependency: who asks. Raises Problem 401."""
    found = await identify(request)
    if found is None:
        raise Problem(401, "unauthorized", "Not signed in", "send an API token", headers={"WWW-Authenticate": "Bearer"})
    return found


Who = Annotated[Principal, Depends(principal)]
PartsOf = Annotated[Parts, Depends(parts_of)]
