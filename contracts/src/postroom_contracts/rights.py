"""Who may do what in which inbox: computed from the configuration alone, alike in every service. Pure."""

from collections.abc import Iterable
from enum import StrEnum

from postroom_contracts.configuration import Agent, Configuration, Inbox, InboxRight


class Ability(StrEnum):
    """What somebody can do in one inbox."""

    READ = "read"
    NOTE = "note"
    HANDLE = "handle"
    """Change anything but the text: own, assign, tag, resolve, snooze, merge, move, ..."""
    SEND = "send"
    """Write to customers."""


NO_ABILITIES: frozenset[Ability] = frozenset()
_READS = frozenset({Ability.READ})
_NOTES = _READS | {Ability.NOTE}
_SUPERVISES = _NOTES | {Ability.HANDLE}
ALL_ABILITIES = _SUPERVISES | {Ability.SEND}
_WHOLE: frozenset[InboxRight] = frozenset({"full_access", "send_as"})


def teams_of(configuration: Configuration, agent_id: str) -> frozenset[str]:
    """Return the teams that this person is a member of."""
    return frozenset(t.id for t in configuration.teams if agent_id in t.members)


def rights_in(inbox: Inbox, agent_id: str, teams: Iterable[str]) -> frozenset[InboxRight]:
    """Return the rights that the configuration gives in this inbox to a member of `teams`."""
    if inbox.owner is not None:
        return _WHOLE if inbox.owner == agent_id else frozenset()
    member_of = set(teams)
    if inbox.access is None:
        return _WHOLE if member_of & set(inbox.teams) else frozenset()
    mine = (entry for entry in inbox.access if entry.agent == agent_id or entry.team in member_of)
    return frozenset(right for entry in mine for right in entry.rights)


def abilities_in(inbox: Inbox, agent: Agent, teams: frozenset[str]) -> frozenset[Ability]:
    """Return what this person, a member of `teams`, can do in an inbox, by their rights there and their role."""
    if not agent.enabled or (inbox.owner is not None and inbox.owner != agent.id):
        return NO_ABILITIES
    if agent.role == "auditor":
        return _READS
    rights = rights_in(inbox, agent.id, teams)
    by_rights = ALL_ABILITIES if rights & {"send_as", "send_on_behalf"} else _NOTES if rights else NO_ABILITIES
    supervises = agent.role == "admin" or (agent.role == "lead" and bool(teams & set(inbox.teams)))
    return by_rights | (_SUPERVISES if supervises else NO_ABILITIES)


def sends_on_behalf(inbox: Inbox, agent_id: str, teams: Iterable[str]) -> bool:
    """Say whether this person's mail from the inbox must name them as Sender (RFC 5322 section 3.6.2)."""
    rights = rights_in(inbox, agent_id, teams)
    return "send_on_behalf" in rights and "send_as" not in rights


def can(configuration: Configuration, ability: Ability, inbox_id: str | None, agent_id: str) -> bool:
    """Say whether this agent can do that in this inbox; nobody can anything in an unknown one, nor an unknown agent."""
    inbox, agent = configuration.inbox(inbox_id or ""), configuration.agent(agent_id)
    return (
        inbox is not None
        and agent is not None
        and ability in abilities_in(inbox, agent, _teams_that_count(configuration, inbox, agent_id))
    )


def who_can(configuration: Configuration, ability: Ability, inbox_id: str | None) -> frozenset[str]:
    """Return the agents who can do that in this inbox, the same that `can` says of each; none in an unknown one."""
    inbox = configuration.inbox(inbox_id or "")
    if inbox is None:
        return frozenset()
    named = _teams_named(inbox)
    members = {t.id: frozenset(t.members) for t in configuration.teams if t.id in named}
    return frozenset(
        a.id
        for a in configuration.agents
        if ability in abilities_in(inbox, a, frozenset(t for t, people in members.items() if a.id in people))
    )


def on_behalf(configuration: Configuration, inbox_id: str | None, agent_id: str) -> bool:
    """Say whether this person's mail from this inbox must name them as Sender; False for an unknown inbox."""
    inbox = configuration.inbox(inbox_id or "")
    return inbox is not None and sends_on_behalf(inbox, agent_id, _teams_that_count(configuration, inbox, agent_id))


def _teams_that_count(configuration: Configuration, inbox: Inbox, agent_id: str) -> frozenset[str]:
    """Return of the teams that the inbox speaks of those that this person is a member of: cheaper than all."""
    named = _teams_named(inbox)
    return frozenset(t.id for t in configuration.teams if t.id in named and agent_id in t.members)


def _teams_named(inbox: Inbox) -> set[str]:
    return {*inbox.teams, *(entry.team for entry in inbox.access or () if entry.team is not None)}


def owner_of(configuration: Configuration, inbox_id: str | None) -> str | None:
    """Return whose private inbox this is; None: nobody's, or an unknown one."""
    inbox = configuration.inbox(inbox_id or "")
    return inbox.owner if inbox else None
