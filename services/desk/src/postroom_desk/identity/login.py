"""Logging in by password. Whoever is not let in learns nothing: same answer, same time, whether the account exists or not."""

import secrets
from dataclasses import dataclass

from postroom_contracts.configuration import Agent, Configuration, Role
from postroom_runtime.clock import Clock

from postroom_desk.identity.hashing import Hasher
from postroom_desk.identity.people import PeopleStore, Person, agent_with_address
from postroom_desk.identity.sessions import By, Limits, Session, SessionStore, Stage, Where, begun
from postroom_desk.identity.tries import BY_ACCOUNT, BY_ADDRESS, Limit, TriesStore, address_key, key_of

MAX_GIVEN_CHARACTERS = 1000


@dataclass(frozen=True, slots=True)
class Begun:
    """A session has begun; `token` goes into the cookie. Its stage says whether something is still missing."""

    token: str
    session: Session


@dataclass(frozen=True, slots=True)
class Refused:
    """Not let in, whatever the reason was."""


@dataclass(frozen=True, slots=True)
class TooMany:
    """Too many tries; the next one is free in so many seconds."""

    retry_seconds: float


Outcome = Begun | Refused | TooMany


@dataclass(frozen=True, slots=True)
class Policy:
    """What the deployment asks of people who log in."""

    passwords: bool = True
    """False: single sign-on alone."""
    second_factor_roles: frozenset[Role] = frozenset()


@dataclass(frozen=True, slots=True)
class LogIn:
    """Checks who somebody is, and begins their session."""

    people: PeopleStore
    sessions: SessionStore
    tries: TriesStore
    hasher: Hasher
    clock: Clock
    limits: Limits
    policy: Policy

    async def by_password(self, configuration: Configuration, email: str, password: str, where: Where) -> Outcome:
        """Check a password. Raises TooBusyError, InfrastructureError."""
        keys = ((BY_ADDRESS, address_key(where.address)), (BY_ACCOUNT, key_of(email)))
        try_id = secrets.token_hex(8)
        if (wait := await self.counted(keys, try_id)) is not None:
            return TooMany(wait)
        agent = agent_with_address(configuration, email)
        person = await self.people.get(agent.id if agent else "-")
        usable = agent is not None and person is not None and not person.disabled and self.policy.passwords
        stored = person.password_hash if person is not None and usable else None
        right, newer = await self.hasher.verify(password[:MAX_GIVEN_CHARACTERS], stored)
        if not right or agent is None or person is None:
            return Refused()
        for limit, key in keys:
            await self.tries.give_back(limit, key, try_id)
        if newer is not None:
            await self.people.renew_hash(person, newer)
        return await self.begin(agent, person, "password", where)

    async def counted(self, keys: tuple[tuple[Limit, str], ...], try_id: str) -> float | None:
        """Count one try under each key; return how long to wait when one has none left. Those behind it are not counted."""
        for limit, key in keys:
            if (wait := await self.tries.take(limit, key, try_id, self.clock.now())) is not None:
                return wait
        return None

    async def begin(self, agent: Agent, person: Person, by: By, where: Where) -> Outcome:
        """Begin a session of somebody who has shown a first factor."""
        stage = self._stage(agent, person, by)
        return await self.begin_at(stage, agent.id, person.version, by, where)

    async def begin_at(self, stage: Stage, agent_id: str, version: int, by: By, where: Where) -> Outcome:
        """Begin a session unless the person's credentials were changed meanwhile: whoever ends all sessions ends this one."""
        token, session = begun(agent_id, agent_id, by, stage, where, self.clock.now(), self.limits, version=version)
        await self.sessions.add(session)
        now = await self.people.get(agent_id)
        if now is None or now.disabled or now.version != version:
            await self.sessions.remove(session.id)
            return Refused()
        if stage == "full":
            await self.people.logged_in(agent_id, session.created_at, by)
        return Begun(token, session)

    def _stage(self, agent: Agent, person: Person, by: By) -> Stage:
        """Single sign-on has its own second factor: the provider's."""
        if by == "sso":
            return "full"
        if person.second_factor is not None:
            return "second_factor"
        return "enrol" if agent.role in self.policy.second_factor_roles else "full"
