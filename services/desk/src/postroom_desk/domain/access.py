"""Who may do what in which inbox: computed from the configuration alone, for one person at one moment. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from postroom_contracts.configuration import Agent, Configuration, Inbox, InboxRight, Role


class Ability(StrEnum):
    """What somebody can do in one inbox."""

    READ = "read"
    NOTE = "note"
    HANDLE = "handle"
    """Change anything but the text: own, assign, tag, resolve, snooze, merge, move, ..."""
    SEND = "send"
    """Write to customers."""


_READS = frozenset({Ability.READ})
_NOTES = _READS | {Ability.NOTE}
_SUPERVISES = _NOTES | {Ability.HANDLE}
_SENDS = _SUPERVISES | {Ability.SEND}
_NONE: frozenset[Ability] = frozenset()


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
        return ability in self.inboxes.get(inbox_id, _NONE)


NOTHING = Access(None, None)


def access_of(configuration: Configuration, agent_id: str) -> Access:
    """Return the access of a person; an unknown or disabled one has none."""
    agent = configuration.agent(agent_id)
    if agent is None or not agent.enabled:
        return NOTHING
    teams = frozenset(t.id for t in configuration.teams if agent.id in t.members)
    rights = {i.id: rights_in(i, agent.id, teams) for i in configuration.inboxes}
    abilities = {i.id: _abilities(i, agent, teams, rights[i.id]) for i in configuration.inboxes}
    return Access(
        role=agent.role,
        agent_id=agent.id,
        inboxes={i: a for i, a in abilities.items() if a},
        on_behalf=frozenset(i for i, r in rights.items() if "send_on_behalf" in r and "send_as" not in r),
    )


def access_of_system(configuration: Configuration) -> Access:
    """Return the access of a deployment's own token, bound to nobody: all of it, but for private inboxes."""
    shared = {i.id: _SENDS for i in configuration.inboxes if i.owner is None}
    return Access("admin", None, shared)


def rights_in(inbox: Inbox, agent_id: str, teams: Iterable[str]) -> frozenset[InboxRight]:
    """Return the rights that the configuration gives in this inbox to a member of `teams`."""
    if inbox.owner is not None:
        return frozenset({"full_access", "send_as"}) if inbox.owner == agent_id else frozenset()
    member_of = set(teams)
    if inbox.access is None:
        return frozenset({"full_access", "send_as"}) if member_of & set(inbox.teams) else frozenset()
    mine = (entry for entry in inbox.access if entry.agent == agent_id or entry.team in member_of)
    return frozenset(right for entry in mine for right in entry.rights)


def _abilities(inbox: Inbox, agent: Agent, teams: frozenset[str], rights: frozenset[InboxRight]) -> frozenset[Ability]:
    if inbox.owner is not None and inbox.owner != agent.id:
        return _NONE
    if agent.role == "auditor":
        return _READS
    by_rights = _SENDS if rights & {"send_as", "send_on_behalf"} else _NOTES if rights else _NONE
    supervises = agent.role == "admin" or (agent.role == "lead" and bool(teams & set(inbox.teams)))
    return by_rights | (_SUPERVISES if supervises else _NONE)
