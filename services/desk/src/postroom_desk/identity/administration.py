"""What admins do about who may log in. None of it can lock the last admin out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from postroom_contracts.configuration import Agent, Configuration
from postroom_runtime.clock import Clock

from postroom_desk.identity.api_tokens import ApiToken, TokenStore
from postroom_desk.identity.credentials import Credentials
from postroom_desk.identity.letters import Letter, Letters
from postroom_desk.identity.links import Purpose
from postroom_desk.identity.people import PeopleStore, Person
from postroom_desk.identity.sessions import Session, SessionStore
from postroom_desk.identity.states import LoginState, Ways, admins_who_can, login_state


class UnknownPersonError(Exception):
    """Nobody has this id."""


class LastAdminError(Exception):
    """After it no admin could log in."""


class NotPossibleError(Exception):
    """It does not fit this person's state; `code` says why: `not_enabled`, `disabled`, `not_invited`, `active`, `sso`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Known:
    """One person: as the configuration and as the desk have them. Either may be missing, not both."""

    agent_id: str
    agent: Agent | None
    person: Person | None
    state: LoginState
    sessions: int = 0
    tokens: int = 0
    letter: Letter | None = None


@dataclass(frozen=True, slots=True)
class Administration:
    """Every call raises InfrastructureError when MongoDB does not answer."""

    people: PeopleStore
    sessions: SessionStore
    tokens: TokenStore
    credentials: Credentials
    letters: Letters
    clock: Clock
    ways: Ways

    async def all(self, configuration: Configuration) -> list[Known]:
        """Return everybody: the agents in the configuration's order, then those who are gone from it."""
        people, letters = await self._people(), await self.letters.store.all()
        now = self.clock.now()
        sessions, tokens = await self.sessions.counts(now), await self.tokens.counts(now)
        agents: dict[str, Agent | None] = {a.id: a for a in configuration.agents}
        agents |= {agent_id: None for agent_id in people if agent_id not in agents}
        return [
            Known(
                agent_id,
                agent,
                people.get(agent_id),
                login_state(agent, people.get(agent_id), self.ways),
                sessions.get(agent_id, 0),
                tokens.get(agent_id, 0),
                letters.get(agent_id),
            )
            for agent_id, agent in agents.items()
        ]

    async def one(self, configuration: Configuration, agent_id: str) -> Known:
        """Raises UnknownPersonError."""
        found = next((k for k in await self.all(configuration) if k.agent_id == agent_id), None)
        if found is None:
            raise UnknownPersonError(agent_id)
        return found

    async def sessions_of(self, agent_id: str) -> list[Session]:
        now = self.clock.now()
        return [s for s in await self.sessions.of(agent_id) if s.ends_at > now]

    async def tokens_of(self, agent_id: str) -> list[ApiToken]:
        return await self.tokens.of(agent_id)

    async def _people(self) -> Mapping[str, Person]:
        return {p.agent_id: p for p in await self.people.all()}

    async def link(
        self, configuration: Configuration, agent_id: str, purpose: Purpose, made_by: str
    ) -> tuple[str, datetime] | None:
        """Have a link mailed, and return None; where no mail can be sent, return the link's token and its end.

        An invitation lets a disabled person in again. Raises UnknownPersonError, NotPossibleError.
        """
        known = await self.one(configuration, agent_id)
        _check_link(known, purpose, self.ways)
        assert known.agent is not None
        if purpose == "invitation":
            await self.people.add(agent_id)
        if self.letters.can_send(configuration):
            await self.letters.want(known.agent, purpose, "", made_by)
            return None
        return await self.credentials.link_until(agent_id, purpose, made_by)

    async def disable(self, configuration: Configuration, agent_id: str) -> None:
        """End sessions, links and tokens, and let nobody in. Raises UnknownPersonError, LastAdminError.

        Who has never logged in is kept out, too: a first single sign-on would let them in.
        """
        known = await self.one(configuration, agent_id)
        await self.require_admin_without(configuration, agent_id)
        if known.person is None:
            await self.people.add(agent_id)
        await self.credentials.disable(agent_id)
        if known.agent is not None and known.agent.role == "admin" and not await self._some_admin(configuration):
            await self.people.add(agent_id)  # two admins disabled each other at once
            raise LastAdminError

    async def enable(self, configuration: Configuration, agent_id: str) -> None:
        """Let a disabled person in again, with the password that they had. Raises UnknownPersonError, NotPossibleError."""
        known = await self.one(configuration, agent_id)
        if known.person is None or not known.person.disabled:
            raise NotPossibleError("active" if known.person else "not_invited")
        await self.people.add(agent_id)

    async def end_sessions(self, configuration: Configuration, agent_id: str) -> int:
        """Raises UnknownPersonError."""
        await self.one(configuration, agent_id)
        return await self.sessions.remove_of(agent_id)

    async def take_off_second_factor(self, configuration: Configuration, agent_id: str) -> bool:
        """Take it off and end all sessions; False when there was none. Raises UnknownPersonError."""
        known = await self.one(configuration, agent_id)
        if known.person is None or known.person.second_factor is None:
            return False
        await self.people.set_second_factor(agent_id, None, [], 0)
        await self.sessions.remove_of(agent_id)
        return True

    async def require_admin_without(self, configuration: Configuration, agent_id: str) -> None:
        """Raises LastAdminError when this is the one admin who can log in."""
        if admins_who_can(configuration, await self._people(), self.ways) == {agent_id}:
            raise LastAdminError

    async def keeper(self) -> Callable[[Configuration, Configuration], None]:
        """Return what looks at a change of the configuration, before and after.

        It raises LastAdminError when an admin could log in before, and none after.
        """
        people = await self._people()

        def check(before: Configuration, after: Configuration) -> None:
            if admins_who_can(before, people, self.ways) and not admins_who_can(after, people, self.ways):
                raise LastAdminError

        return check

    async def _some_admin(self, configuration: Configuration) -> bool:
        return bool(admins_who_can(configuration, await self._people(), self.ways))


def _check_link(known: Known, purpose: Purpose, ways: Ways) -> None:
    """Raises NotPossibleError."""
    if not ways.passwords:
        raise NotPossibleError("sso")
    if known.agent is None or not known.agent.enabled:
        raise NotPossibleError("not_enabled")
    if purpose == "invitation" and known.state == "active":
        raise NotPossibleError("active")
    if purpose == "reset" and known.person is None:
        raise NotPossibleError("not_invited")
    if purpose == "reset" and known.person is not None and known.person.disabled:
        raise NotPossibleError("disabled")
