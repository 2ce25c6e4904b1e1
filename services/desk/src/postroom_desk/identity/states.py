"""What can be said of somebody's log-in, and whether an admin is left who can. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from postroom_contracts.configuration import Agent, Configuration

from postroom_desk.identity.people import Person

LoginState = Literal["not_invited", "invited", "active", "single_sign_on", "disabled", "not_enabled", "gone"]
"""`not_enabled`: by the configuration. `gone`: is no agent of it any more. `invited`: has chosen no password yet."""


@dataclass(frozen=True, slots=True)
class Ways:
    """How people log in at this deployment."""

    passwords: bool = True
    sign_on: bool = False


def login_state(agent: Agent | None, person: Person | None, ways: Ways) -> LoginState:
    """Return the one state that says what an admin must know first."""
    if agent is None:
        return "gone"
    if not agent.enabled:
        return "not_enabled"
    if person is not None and person.disabled:
        return "disabled"
    if person is not None and person.password_hash is not None and ways.passwords:
        return "active"
    if not ways.passwords or (person is not None and person.last_login_by == "sso"):
        return "single_sign_on"
    return "not_invited" if person is None else "invited"


def can_log_in(agent: Agent, person: Person | None, ways: Ways) -> bool:
    """Say whether this person could log in now."""
    if not agent.enabled or (person is not None and person.disabled):
        return False
    return ways.sign_on or (ways.passwords and person is not None and person.password_hash is not None)


def admins_who_can(configuration: Configuration, people: Mapping[str, Person], ways: Ways) -> frozenset[str]:
    """Return the admins who could log in now."""
    admins = (a for a in configuration.agents if a.role == "admin")
    return frozenset(a.id for a in admins if can_log_in(a, people.get(a.id), ways))
