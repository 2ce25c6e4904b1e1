"""Single sign-on (OpenID Connect): the browser goes to the provider and comes back with a code, once, to the same browser.

Source: OpenID Connect Core 1.0 section 3.1; RFC 7636 (PKCE); RFC 9207 (issuer in the answer); RFC 9700 section 2.1.
"""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from postroom_contracts.configuration import Configuration
from postroom_runtime.clock import Clock

from postroom_desk.identity.login import LogIn, Outcome
from postroom_desk.identity.people import PeopleStore, agent_with_address
from postroom_desk.identity.sessions import Where, digest

LASTS = timedelta(minutes=10)
"""How long somebody may take at the provider."""


SignOnFault = Literal["browser", "late", "unverified", "stranger", "out", "provider", "refused"]


class SignOnError(Exception):
    """The provider, or what came back, does not let this person in; `fault` says why, without naming anybody."""

    def __init__(self, fault: SignOnFault) -> None:
        super().__init__(fault)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Journey:
    """What waits here for a browser that has gone to the provider. `id` is the digest of its state."""

    id: str
    nonce: str
    verifier: str
    following: str
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Claims:
    """What the provider says of a person, its signature checked."""

    subject: str
    email: str
    email_verified: bool


class JourneyStore(Protocol):
    async def add(self, journey: Journey) -> None: ...

    async def use(self, journey_id: str, now: datetime) -> Journey | None:
        """Use it up; of several who do at once one gets it."""
        ...


class Provider(Protocol):
    """The provider. Every call ends in time; raises SignOnError."""

    async def address(self, state: str, nonce: str, verifier: str) -> str:
        """Return where the browser goes."""
        ...

    async def claims(self, code: str, issuer: str | None, journey: Journey) -> Claims:
        """Exchange the code, and check what comes: signature, issuer, audience, times, nonce."""
        ...


@dataclass(frozen=True, slots=True)
class SignOn:
    """`trust_addresses`: addresses count without `email_verified`, where the provider's are all the company's own."""

    provider: Provider
    journeys: JourneyStore
    people: PeopleStore
    log_in: LogIn
    clock: Clock
    trust_addresses: bool = False

    async def begin(self, following: str) -> tuple[str, str]:
        """Return where the browser goes, and the state that it keeps in a cookie. Raises SignOnError."""
        state, nonce, verifier = (secrets.token_urlsafe(48) for _ in range(3))
        way = await self.provider.address(state, nonce, verifier)
        journey = Journey(digest(state), nonce, verifier, following, self.clock.now() + LASTS)
        await self.journeys.add(journey)
        return way, state

    async def finish(
        self,
        configuration: Configuration,
        *,
        state: str,
        kept: str | None,
        code: str,
        issuer: str | None,
        where: Where,
    ) -> tuple[Outcome, str]:
        """Return the log-in of who came back and the page that they wanted. Raises SignOnError."""
        if not kept or not hmac.compare_digest(state.encode("utf-8", "replace"), kept.encode("utf-8", "replace")):
            raise SignOnError("browser")
        journey = await self.journeys.use(digest(state), self.clock.now())
        if journey is None:
            raise SignOnError("late")
        claims = await self.provider.claims(code, issuer, journey)
        if not (claims.email_verified or self.trust_addresses):
            raise SignOnError("unverified")
        agent = agent_with_address(configuration, claims.email)
        if agent is None:
            raise SignOnError("stranger")
        person = await self.people.get(agent.id)
        if person is None:
            await self.people.add(agent.id)
            person = await self.people.get(agent.id)
        if person is None or person.disabled:
            raise SignOnError("out")
        return await self.log_in.begin(agent, person, "sso", where), journey.following
