"""Who is told of what, and by which ways: computed from the configuration alone, alike in desk and notifier. Pure."""

from collections.abc import Mapping

from postroom_contracts.configuration import Configuration, Preferences, ToldKind, Way
from postroom_contracts.rights import Ability, can

_ALL: frozenset[Way] = frozenset({"console", "mail", "chat"})
_CONSOLE: frozenset[Way] = frozenset({"console"})
WAYS: Mapping[ToldKind, frozenset[Way]] = {
    "assigned": _ALL,
    "replied": _ALL,
    "mentioned": _ALL,
    "deadline_warned": _ALL,
    "deadline_breached": _ALL,
    "unassigned": _CONSOLE,
    "woken": _CONSOLE,
    "draft": _CONSOLE,
}
"""The ways that there are for each kind. `chat`: to destinations that name the agent."""


def usual_ways(configuration: Configuration, kind: ToldKind) -> frozenset[Way]:
    """Return how somebody is told who has said nothing: by the house's `defaults`, as far as there are such ways."""
    return _there(configuration, kind) & frozenset(configuration.notifications.defaults.get(kind, _ALL))


def general_ways(configuration: Configuration, agent_id: str, kind: ToldKind) -> frozenset[Way]:
    """Return how this agent is told of it, whatever they have said of single inboxes."""
    section = configuration.notifications
    chosen = section.preferences.get(agent_id, Preferences()).ways.get(kind)
    ways = usual_ways(configuration, kind) if chosen is None else _there(configuration, kind) & frozenset(chosen)
    return ways - {"mail"} if kind in section.muted.get(agent_id, ()) else ways


def ways_of(configuration: Configuration, agent_id: str, kind: ToldKind, inbox_id: str | None) -> frozenset[Way]:
    """Return how this agent is told of it, of a conversation in this inbox; empty: not at all.

    In this order: a muted inbox; what they chose for the inbox; what they chose, without mail of a kind that they muted;
    the house's defaults. What the house has switched off is sent by nobody's choice. Rights are not looked at.
    """
    own = configuration.notifications.preferences.get(agent_id, Preferences())
    if inbox_id in own.muted_inboxes:
        return frozenset()
    chosen = own.inbox_ways.get(inbox_id or "", {}).get(kind)
    if chosen is not None:
        return _there(configuration, kind) & frozenset(chosen)
    return general_ways(configuration, agent_id, kind)


def _there(configuration: Configuration, kind: ToldKind) -> frozenset[Way]:
    return WAYS[kind] if getattr(configuration.notifications, kind, True) else WAYS[kind] & _CONSOLE


def told_of_deadline(
    configuration: Configuration, owner_id: str | None, team_id: str | None, inbox_id: str | None
) -> list[str]:
    """Return who is told that a deadline is near or missed: the owner; without one the team's leads, else the whole team.

    Of them those who are enabled and may read the inbox, in the team's order; an owner who may not is nobody.
    """
    if owner_id is not None and _reads(configuration, owner_id, inbox_id):
        return [owner_id]
    return leads_of(configuration, team_id, inbox_id) or _readers(configuration, team_id, inbox_id)


def told_of_silence(
    configuration: Configuration, owner_id: str, team_id: str | None, inbox_id: str | None
) -> list[str]:
    """Return who is told that an owner lost a conversation for giving no answer: that owner, and the team's leads."""
    owner = [owner_id] if _reads(configuration, owner_id, inbox_id) else []
    return list(dict.fromkeys([*owner, *leads_of(configuration, team_id, inbox_id)]))


def leads_of(configuration: Configuration, team_id: str | None, inbox_id: str | None) -> list[str]:
    """Return the team's leads who are enabled and may read the inbox, in the team's order."""
    members = _readers(configuration, team_id, inbox_id)
    return [a for a in members if (agent := configuration.agent(a)) is not None and agent.role == "lead"]


def _readers(configuration: Configuration, team_id: str | None, inbox_id: str | None) -> list[str]:
    team = configuration.team(team_id)
    return [a for a in (team.members if team else ()) if _reads(configuration, a, inbox_id)]


def _reads(configuration: Configuration, agent_id: str, inbox_id: str | None) -> bool:
    agent = configuration.agent(agent_id)
    return agent is not None and agent.enabled and can(configuration, Ability.READ, inbox_id, agent_id)
