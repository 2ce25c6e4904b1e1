"""Who is on duty when: by shifts, else by the agent's calendar, else the team's, else the company's."""

from datetime import datetime

from postroom_contracts.business_time import is_open
from postroom_contracts.configuration import Agent, Calendar, Configuration, Team


def calendar_of(configuration: Configuration, agent: Agent, team: Team | None) -> Calendar:
    """Return the calendar that counts for an agent without shifts in `team`; None: no team speaks for them."""
    chosen = agent.calendar or (team and team.calendar) or configuration.company.default_calendar
    return configuration.calendar(chosen)


class Duty:
    """Who is on duty at one instant. Each calendar is looked at once and noted in `calendars`: id -> open."""

    def __init__(self, configuration: Configuration, at: datetime) -> None:
        self._configuration = configuration
        self._at = at
        self.calendars: dict[str, bool] = {}

    def of(self, agent: Agent, team: Team | None) -> bool:
        """Return whether `agent` works now, as a member of `team`. No shifts in the list means never."""
        if agent.shifts is not None:
            return any(shift.start_at <= self._at < shift.end_at for shift in agent.shifts)
        calendar = calendar_of(self._configuration, agent, team)
        if calendar.id not in self.calendars:
            self.calendars[calendar.id] = is_open(calendar, self._at)
        return self.calendars[calendar.id]


def on_duty(configuration: Configuration, agent: Agent, team: Team | None, at: datetime) -> bool:
    """Return whether `agent` works at `at`; the start of a shift or interval is part of it, its end is not."""
    return Duty(configuration, at).of(agent, team)
