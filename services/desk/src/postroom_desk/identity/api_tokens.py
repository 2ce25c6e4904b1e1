"""A person's own API tokens: named, for some uses, until a day. The digest alone is kept; the token is shown once."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from postroom_contracts.configuration import Configuration
from postroom_runtime.clock import Clock

from postroom_desk.identity.principal import Principal, Scope
from postroom_desk.identity.sessions import TOKEN_BYTES, digest

PREFIX = "postroom_"
"""So that scanners for leaked secrets recognise one."""
MAX_DAYS = 366
MAX_TOKENS = 50
USED_SECONDS = 60
"""Use is noted so often at most."""
HINT_CHARACTERS = len(PREFIX) + 4


class TokenNameTakenError(Exception):
    """The person has a token of this name."""


class TooManyTokensError(Exception):
    """The person has as many tokens as anybody may."""


@dataclass(frozen=True, slots=True)
class ApiToken:
    """`id` is the token's digest, `hint` its beginning, by which its owner knows it again."""

    id: str
    agent_id: str
    name: str
    scopes: tuple[Scope, ...]
    hint: str
    created_at: datetime
    ends_at: datetime
    used_at: datetime | None = None


class TokenStore(Protocol):
    """Tokens by id. Every call raises InfrastructureError when MongoDB does not answer."""

    async def add(self, token: ApiToken) -> None:
        """Store it. Raises TokenNameTakenError."""
        ...

    async def get(self, token_id: str) -> ApiToken | None: ...

    async def of(self, agent_id: str) -> list[ApiToken]:
        """Return a person's tokens, newest first."""
        ...

    async def counts(self, now: datetime) -> Mapping[str, int]:
        """Return how many tokens that have not ended each person has; who has none is left out."""
        ...

    async def used(self, token_id: str, at: datetime) -> None: ...

    async def remove(self, agent_id: str, token_id: str) -> bool:
        """Withdraw one of this person's tokens; False when they have no such."""
        ...

    async def remove_of(self, agent_id: str) -> int: ...


@dataclass(frozen=True, slots=True)
class ApiTokens:
    """Makes and recognises them."""

    store: TokenStore
    clock: Clock

    async def make(self, agent_id: str, name: str, scopes: Iterable[Scope], days: int) -> tuple[str, ApiToken]:
        """Return the token, which is shown once, and what is kept. Raises TokenNameTakenError, TooManyTokensError."""
        if len(await self.store.of(agent_id)) >= MAX_TOKENS:
            raise TooManyTokensError
        now = self.clock.now()
        text = PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
        token = ApiToken(
            id=digest(text),
            agent_id=agent_id,
            name=name,
            scopes=tuple(sorted(set(scopes))),
            hint=text[:HINT_CHARACTERS],
            created_at=now,
            ends_at=now + timedelta(days=min(days, MAX_DAYS)),
        )
        await self.store.add(token)
        return text, token

    async def whose(self, text: str, configuration: Configuration) -> Principal | None:
        """Return who a token acts as; None for one that is none, has ended, or whose person is no enabled agent."""
        if not text.startswith(PREFIX):
            return None
        token, now = await self.store.get(digest(text)), self.clock.now()
        agent = configuration.agent(token.agent_id) if token else None
        if token is None or token.ends_at <= now or agent is None or not agent.enabled:
            return None
        if token.used_at is None or now - token.used_at >= timedelta(seconds=USED_SECONDS):
            await self.store.used(token.id, now)
        return Principal(token.name, token.agent_id, frozenset(token.scopes), by="token")
