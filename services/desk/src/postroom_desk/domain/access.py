"""What one person may do at one moment, in all inboxes. The rules themselves are `postroom_contracts.rights`. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from postroom_contracts.configuration import Configuration, Role
from postroom_contracts.rights import (
    ALL_ABILITIES,
    NO_ABILITIES,
    Ability,
    abilities_in,
    rights_in,
    sends_on_behalf,
    teams_of,
)

__all__ = ["NOTHING", "Ability", "Access", "access_of", "access_of_system", "rights_in"]


@dataclass(frozen=True, slots=True)
class Access:
    """What one person may do. An inbox that is absent from `inboxes` does not exist for them."""

    role: Role | None
    """None: nobody who may do anything."""
    agent_id: str | None
    inboxes: Mapping[str, frozenset[Ability]] = field(default_factory=dict)
    on_behalf: frozenset[str] = frozenset()
    """Inboxes from which mail goes out with Sender: this person."""

    @property
    def readable(self) -> frozenset[str]:
        """The inboxes whose conversations exist for this person."""
        return frozenset(i for i, abilities in self.inboxes.items() if Ability.READ in abilities)

    def can(self, ability: Ability, inbox_id: str) -> bool:
        return ability in self.inboxes.get(inbox_id, NO_ABILITIES)


NOTHING = Access(None, None)


def access_of(configuration: Configuration, agent_id: str) -> Access:
    """Return the access of a person; an unknown or disabled one has none."""
    agent = configuration.agent(agent_id)
    if agent is None or not agent.enabled:
        return NOTHING
    teams = teams_of(configuration, agent.id)
    abilities = {i.id: abilities_in(i, agent, teams) for i in configuration.inboxes}
    return Access(
        role=agent.role,
        agent_id=agent.id,
        inboxes={i: a for i, a in abilities.items() if a},
        on_behalf=frozenset(i.id for i in configuration.inboxes if sends_on_behalf(i, agent.id, teams)),
    )


def access_of_system(configuration: Configuration) -> Access:
    """Return the access of a deployment's own token, bound to nobody: all of it, but for private inboxes."""
    shared = {i.id: ALL_ABILITIES for i in configuration.inboxes if i.owner is None}
    return Access("admin", None, shared)
