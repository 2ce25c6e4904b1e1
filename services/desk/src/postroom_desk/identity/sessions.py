"""Sessions: on the server, by a cookie whose digest alone is stored; they end by log-out, by time, and all at once."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, Protocol

from postroom_runtime.clock import Clock

Stage = Literal["full", "second_factor", "enrol"]
"""`second_factor`: the password was right, a code is missing. `enrol`: a second factor must be set up first."""
By = Literal["password", "sso", "deployment"]
TOKEN_BYTES = 32
STAGE_SECONDS = 600
"""How long somebody may look for their authenticator."""
TOUCH_SECONDS = 60
"""Use is noted so often at most: a page asks many times a second."""
MAX_CLIENT_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Where:
    """From where somebody asks: the network address, and what their browser calls itself."""

    address: str = ""
    client: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a session lasts without use, and at most."""

    idle: timedelta = timedelta(hours=12)
    at_most: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Session:
    """One browser that is logged in. `id` is the digest of its cookie; it logs nobody in."""

    id: str
    name: str
    """The person's agent id, or the name of a token of the deployment."""
    agent_id: str | None
    by: By
    stage: Stage
    created_at: datetime
    seen_at: datetime
    ends_at: datetime
    """Without further use; never later than `last_at`."""
    last_at: datetime
    address: str = ""
    client: str = ""
    version: int = 0
    """The person's, when it began."""
    credential: str = ""
    """Digest of the deployment's token that it was begun with."""


class SessionStore(Protocol):
    """Sessions by id. Every call raises InfrastructureError when MongoDB does not answer."""

    async def add(self, session: Session) -> None: ...

    async def get(self, session_id: str) -> Session | None: ...

    async def touch(self, session: Session) -> None:
        """Note `seen_at` and `ends_at`; a session that has ended stays ended."""
        ...

    async def remove(self, session_id: str) -> bool: ...

    async def remove_of(self, agent_id: str, but: str | None = None) -> int:
        """End all sessions of a person, except `but`; return how many."""
        ...

    async def of(self, agent_id: str) -> list[Session]:
        """Return a person's sessions, newest use first, at most 200."""
        ...

    async def counts(self, now: datetime) -> Mapping[str, int]:
        """Return how many sessions that have not ended each person has; who has none is left out."""
        ...

    async def alive(self, ids: Iterable[str], now: datetime) -> set[str]:
        """Return those of `ids` that have not ended."""
        ...


def digest(token: str) -> str:
    """Return what is stored in place of a token of 32 random bytes: no salt is needed for what cannot be guessed."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def csrf_token(token: str) -> str:
    """Return the session's token for forms and headers, derived from the cookie and no way back to it."""
    mac = hmac.new(token.encode("utf-8", "surrogatepass"), b"postroom csrf", hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac[:24]).decode()


def begun(
    name: str,
    agent_id: str | None,
    by: By,
    stage: Stage,
    where: Where,
    now: datetime,
    limits: Limits,
    *,
    version: int = 0,
    credential: str = "",
) -> tuple[str, Session]:
    """Return a new session with its cookie, which is stored nowhere."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    last_at = now + (limits.at_most if stage == "full" else timedelta(seconds=STAGE_SECONDS))
    session = Session(
        id=digest(token),
        name=name,
        agent_id=agent_id,
        by=by,
        stage=stage,
        created_at=now,
        seen_at=now,
        ends_at=min(now + limits.idle, last_at),
        last_at=last_at,
        address=where.address,
        client=where.client[:MAX_CLIENT_CHARACTERS],
        version=version,
        credential=credential,
    )
    return token, session


@dataclass(frozen=True, slots=True)
class Sessions:
    """Finds the session of a cookie and keeps it alive by use."""

    store: SessionStore
    clock: Clock
    limits: Limits = Limits()

    async def find(self, token: str, *, used: bool = True) -> Session | None:
        """Return the session of this cookie unless it has ended. `used` False: a page asks by itself, nobody works."""
        session = await self.store.get(digest(token))
        now = self.clock.now()
        if session is None or session.ends_at <= now:
            return None
        if not used or now - session.seen_at < timedelta(seconds=TOUCH_SECONDS):
            return session
        later = replace(session, seen_at=now, ends_at=min(now + self.limits.idle, session.last_at))
        await self.store.touch(later)
        return later
