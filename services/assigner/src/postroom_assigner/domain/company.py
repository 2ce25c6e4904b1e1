"""One version of the configuration with its people and teams at hand by name."""

from dataclasses import dataclass, field

from postroom_contracts.configuration import Agent, Configuration, Team


@dataclass(frozen=True)
class Company:
    """A configuration, indexed once per version."""

    configuration: Configuration
    version: int
    agents: dict[str, Agent] = field(init=False)
    teams: dict[str, Team] = field(init=False)
    _first_teams: dict[str, str] = field(init=False)
    _owners: dict[str, str] = field(init=False)

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
