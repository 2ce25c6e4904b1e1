"""One version of the configuration with its people and teams at hand by name."""

from collections.abc import Collection
from dataclasses import dataclass, field

from postroom_contracts.configuration import Agent, Configuration, Team
from postroom_contracts.rights import Ability, who_can


@dataclass(frozen=True)
class Company:
    """A configuration, indexed once per version."""

    configuration: Configuration
    version: int
    agents: dict[str, Agent] = field(init=False)
    teams: dict[str, Team] = field(init=False)
    _first_teams: dict[str, str] = field(init=False)
    _owners: dict[str, str] = field(init=False)
    _handlers: dict[str, frozenset[str] | None] = field(init=False, default_factory=dict)
    _barred: dict[tuple[str, str | None], frozenset[str]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "agents", {a.id: a for a in self.configuration.agents})
        object.__setattr__(self, "teams", {t.id: t for t in self.configuration.teams})
        object.__setattr__(self, "_first_teams", {i.id: i.teams[0] for i in self.configuration.inboxes if i.teams})
        object.__setattr__(self, "_owners", {i.id: i.owner for i in self.configuration.inboxes if i.owner})

    def team(self, team_id: str | None) -> Team | None:
        return self.teams.get(team_id) if team_id else None

    def team_of_inbox(self, inbox_id: str | None) -> str | None:
        """Return the team that an inbox's mail goes to when no rule says otherwise: its first."""
        return self._first_teams.get(inbox_id) if inbox_id else None

    def owner_of_inbox(self, inbox_id: str | None) -> str | None:
        """Return whose private inbox it is; None: nobody's."""
        return self._owners.get(inbox_id) if inbox_id else None

    def enabled(self, agent_id: str | None) -> bool:
        """Return whether this is an agent who may own conversations."""
        agent = self.agents.get(agent_id) if agent_id else None
        return agent is not None and agent.enabled

    def handlers(self, inbox_id: str | None) -> frozenset[str] | None:
        """Return who may own conversations of this inbox; None: it is unknown, and nothing is known of rights in it."""
        if inbox_id is None:
            return None
        if inbox_id not in self._handlers:
            known = self.configuration.inbox(inbox_id) is not None
            self._handlers[inbox_id] = who_can(self.configuration, Ability.HANDLE, inbox_id) if known else None
        return self._handlers[inbox_id]

    def may_handle(self, agent_id: str, inbox_id: str | None) -> bool:
        """Return whether this agent may own conversations of this inbox. Disabled people may be asked about: they may not."""
        handlers = self.handlers(inbox_id)
        return handlers is None or agent_id in handlers

    def barred(self, team: Team, inbox_id: str | None) -> frozenset[str]:
        """Return the team's enabled members who may not own conversations of this inbox."""
        key = (team.id, inbox_id)
        found = self._barred.get(key)
        if found is None:
            barred = (m for m in team.members if self.enabled(m) and not self.may_handle(m, inbox_id))
            found = self._barred[key] = frozenset(barred)
        return found

    def closed_to(self, agent_ids: Collection[str]) -> list[str]:
        """Return the inboxes of whose conversations none of these agents may own any."""
        people = frozenset(agent_ids)
        return [i.id for i in self.configuration.inboxes if people.isdisjoint(self.handlers(i.id) or ())]
