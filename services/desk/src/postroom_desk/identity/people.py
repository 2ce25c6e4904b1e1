"""People as the desk keeps them: credentials of agents. Name, address, role and whether they are enabled is configuration."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from postroom_contracts.configuration import Agent, Configuration


@dataclass(frozen=True, slots=True)
class Person:
    """`version` rises with each change of credentials; a session that began before the latest is not let in."""

    agent_id: str
    version: int = 0
    password_hash: str | None = None
    """None: none yet, or log-in by single sign-on alone."""
    password_changed_at: datetime | None = None
    disabled: bool = False
    second_factor: bytes | None = None
    """The sealed secret of the authenticator; None: there is none."""
    last_step: int = 0
    """The newest time step whose code was used (RFC 6238 section 5.2: no code twice)."""
    recovery: tuple[str, ...] = ()
    """Digests of recovery codes that were not used."""
    last_login_at: datetime | None = None
    last_login_by: str = ""
    """`password` or `sso`."""


class PeopleStore(Protocol):
    """People by agent id. Every call raises InfrastructureError when MongoDB does not answer."""

    async def get(self, agent_id: str) -> Person | None: ...

    async def all(self) -> list[Person]:
        """Return everybody, by agent id."""
        ...

    async def add(self, agent_id: str) -> bool:
        """Make a person without credentials, or enable again who was disabled. False: there was one, enabled."""
        ...

    async def set_password(self, agent_id: str, password_hash: str, at: datetime) -> Person:
        """Store a password; a person that was not there is made."""
        ...

    async def renew_hash(self, person: Person, password_hash: str) -> None:
        """Store the same password under a newer hash, unless it has changed since."""
        ...

    async def disable(self, agent_id: str) -> bool:
        """Let nobody in as this person any more; False when there is no such person."""
        ...

    async def set_second_factor(self, agent_id: str, sealed: bytes | None, recovery: Sequence[str], step: int) -> None:
        """Store the authenticator's secret, digests of new recovery codes and the step that was just used. None: take it off."""
        ...

    async def logged_in(self, agent_id: str, at: datetime, by: str) -> None:
        """Note the latest log-in; it changes no credentials."""
        ...

    async def use_step(self, agent_id: str, step: int) -> bool:
        """Mark the codes up to this time step as used; False when they are already."""
        ...

    async def use_recovery(self, agent_id: str, digest: str) -> bool:
        """Use up a recovery code; False when it is not there (any more)."""
        ...


def agent_with_address(configuration: Configuration, address: str) -> Agent | None:
    """Return the enabled agent who has this mail address, in whatever case; None when nobody or several have it."""
    wanted = address.strip().casefold()
    found = [a for a in configuration.agents if a.enabled and a.email.strip().casefold() == wanted]
    return found[0] if len(found) == 1 and wanted else None
