"""Choosing and changing a password. Either ends all other sessions of the person."""

import secrets
from dataclasses import dataclass
from datetime import datetime

from postroom_contracts.configuration import Agent, Configuration
from postroom_runtime.clock import Clock

from postroom_desk.identity.api_tokens import TokenStore
from postroom_desk.identity.hashing import Hasher
from postroom_desk.identity.links import Link, LinkStore, Purpose, made
from postroom_desk.identity.login import LogIn, Outcome, Refused, TooMany
from postroom_desk.identity.passwords import PasswordFault, fault_of
from postroom_desk.identity.people import PeopleStore
from postroom_desk.identity.sessions import Session, SessionStore, Where, digest
from postroom_desk.identity.tries import BY_ACCOUNT, key_of


class UnknownLinkError(Exception):
    """The link was used, has ended, was replaced by a later one, or never was."""


class BadPasswordError(Exception):
    """This password is not taken; `fault` says why."""

    def __init__(self, fault: PasswordFault) -> None:
        super().__init__(fault.code)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Credentials:
    """What changes who can log in."""

    people: PeopleStore
    sessions: SessionStore
    links: LinkStore
    tokens: TokenStore
    hasher: Hasher
    log_in: LogIn
    clock: Clock

    async def link(self, agent_id: str, purpose: Purpose, made_by: str) -> str:
        """Return what stands in the address of a new link; the person's earlier ones end."""
        return (await self.link_until(agent_id, purpose, made_by))[0]

    async def link_until(self, agent_id: str, purpose: Purpose, made_by: str) -> tuple[str, datetime]:
        """As `link`, with the moment at which it ends."""
        token, link = made(agent_id, purpose, self.clock.now(), made_by)
        await self.links.add(link)
        return token, link.ends_at

    async def may_have_link(self, agent: Agent) -> bool:
        """Say whether a link would let this person choose a password: enabled, let in, and passwords are used here."""
        person = await self.people.get(agent.id)
        let_in = agent.enabled and person is not None and not person.disabled
        return let_in and self.log_in.policy.passwords

    async def linked(self, configuration: Configuration, token: str, purpose: Purpose) -> tuple[Link, Agent]:
        """Return the link and whose it is, without using it up. Raises UnknownLinkError."""
        link = await self.links.get(digest(token), self.clock.now())
        agent = configuration.agent(link.agent_id) if link is not None else None
        if link is None or link.purpose != purpose or agent is None or not await self.may_have_link(agent):
            raise UnknownLinkError
        return link, agent

    async def choose(
        self, configuration: Configuration, token: str, purpose: Purpose, password: str, where: Where
    ) -> Outcome:
        """Set the password of a link's person and begin their session; a second factor that they have is asked for.

        Raises UnknownLinkError, and BadPasswordError, after which the link can still be used; TooBusyError.
        """
        link, agent = await self.linked(configuration, token, purpose)
        hashed = await self._hashed(agent, password)
        if await self.links.use(link.id, self.clock.now()) is None:
            raise UnknownLinkError
        person = await self.people.set_password(agent.id, hashed, self.clock.now())
        await self.sessions.remove_of(agent.id)
        return await self.log_in.begin(agent, person, "password", where)

    async def change(self, agent: Agent, session: Session, old: str, new: str, where: Where) -> Outcome:
        """Change one's own password; the session that asks goes on under a new cookie, all others end.

        Raises BadPasswordError, TooBusyError.
        """
        try_id, key = secrets.token_hex(8), key_of(agent.email)
        if (wait := await self.log_in.counted(((BY_ACCOUNT, key),), try_id)) is not None:
            return TooMany(wait)
        person = await self.people.get(agent.id)
        right, _ = await self.hasher.verify(old, person.password_hash if person else None)
        if not right:
            return Refused()
        await self.log_in.tries.give_back(BY_ACCOUNT, key, try_id)
        changed = await self.people.set_password(agent.id, await self._hashed(agent, new), self.clock.now())
        await self.links.remove_of(agent.id)
        await self.sessions.remove_of(agent.id)
        return await self.log_in.begin_at("full", agent.id, changed.version, session.by, where)

    async def _hashed(self, agent: Agent, password: str) -> str:
        names = (agent.first_name, agent.last_name, agent.email, agent.email.partition("@")[0])
        if (fault := fault_of(password, names)) is not None:
            raise BadPasswordError(fault)
        return await self.hasher.hash(password)

    async def disable(self, agent_id: str) -> bool:
        """Let nobody in as this person any more: sessions, links and API tokens end. False: there is no such person."""
        if not await self.people.disable(agent_id):
            return False
        await self.links.remove_of(agent_id)
        await self.tokens.remove_of(agent_id)
        await self.sessions.remove_of(agent_id)
        return True
