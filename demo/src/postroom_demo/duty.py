"""Who is on duty at an instant, in words, for people who watch."""

from datetime import datetime
from typing import Any

from postroom_contracts.business_time import is_open, next_opening
from postroom_contracts.configuration import Agent, Configuration, Team


def duty(configuration: Configuration, at: datetime) -> list[dict[str, Any]]:
    """Return per inbox: team, state (`on_duty`, `begins`, `out_of_hours`), how many people, a text, the calendar's state."""
    return [_of_inbox(configuration, inbox.id, inbox.teams[0], at) for inbox in configuration.inboxes if inbox.teams]


def _of_inbox(configuration: Configuration, inbox_id: str, team_id: str, at: datetime) -> dict[str, Any]:
    team = configuration.team(team_id)
    assert team is not None
    people = [agent for m in team.members if (agent := configuration.agent(m)) is not None and agent.enabled]
    working = [agent for agent in people if _works(configuration, agent, team, at)]
    calendar = configuration.calendar_for(inbox_id, team_id)
    begins = min((b for a in people if (b := _begins(configuration, a, team, at)) is not None), default=None)
    soon = begins is not None and (begins - at).total_seconds() < 600
    if working:
        state, text = "on_duty", f"{len(working)} of {len(people)} on duty"
    elif begins is not None and soon:
        state, text = "begins", f"begins in {(begins - at).total_seconds():.0f} s"
    else:
        state = "out_of_hours"
        text = f"out of hours until {begins:%H:%M} UTC" if begins is not None else "out of hours"
    return {
        "inbox": inbox_id,
        "team": team_id,
        "state": state,
        "text": text,
        "on_duty": [agent.id for agent in working],
        "business_clock": "runs" if is_open(calendar, at) else "stands still",
        "time_zone": calendar.time_zone,
    }


def _works(configuration: Configuration, agent: Agent, team: Team, at: datetime) -> bool:
    if agent.shifts is not None:
        return any(shift.start_at <= at < shift.end_at for shift in agent.shifts)
    return is_open(configuration.calendar(_calendar(configuration, agent, team)), at)


def _begins(configuration: Configuration, agent: Agent, team: Team, at: datetime) -> datetime | None:
    if agent.shifts is not None:
        return min((shift.start_at for shift in agent.shifts if shift.start_at > at), default=None)
    return next_opening(configuration.calendar(_calendar(configuration, agent, team)), at)


def _calendar(configuration: Configuration, agent: Agent, team: Team) -> str:
    return agent.calendar or team.calendar or configuration.company.default_calendar
