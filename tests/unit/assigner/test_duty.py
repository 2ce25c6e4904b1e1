"""Shifts before the agent's calendar, before the team's, before the company's."""

from datetime import UTC, datetime
from typing import Any

import pytest
from postroom_assigner.domain.duty import on_duty
from postroom_contracts.configuration import Configuration

WEDNESDAY_NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
SHIFT = {"start_at": "2026-03-04T12:00:00Z", "end_at": "2026-03-04T20:00:00Z"}
EARLIER = {"start_at": "2026-03-04T04:00:00Z", "end_at": "2026-03-04T12:00:00Z"}


def company(*, agent: dict[str, Any], team: str | None) -> Configuration:
    open_on = {name: {"id": name, "time_zone": "UTC", "hours": {day: ["09:00-17:00"]}} for name, day in DAYS.items()}
    person = {"id": "ann", "first_name": "Ann", "email": "ann@company.test"} | agent
    return Configuration.model_validate(
        {
            "company": {"name": "C", "default_calendar": "on-wednesday"},
            "calendars": list(open_on.values()),
            "inboxes": [{"id": "i", "name": "I", "account": "m", "address": "i@company.test", "teams": ["t"]}],
            "teams": [{"id": "t", "name": "T", "members": ["ann"], "calendar": team}],
            "agents": [person],
        }
    )


DAYS = {"on-wednesday": "wed", "on-sunday": "sun"}


@pytest.mark.parametrize(
    ("agent", "team", "expected"),
    [
        pytest.param({}, None, True, id="company-open"),
        pytest.param({}, "on-sunday", False, id="team-closed-company-open"),
        pytest.param({"calendar": "on-wednesday"}, "on-sunday", True, id="own-calendar-before-the-team's"),
        pytest.param({"calendar": "on-sunday"}, "on-wednesday", False, id="own-calendar-closed"),
        pytest.param({"shifts": []}, "on-wednesday", False, id="no-shifts-means-never"),
        pytest.param({"shifts": [SHIFT], "calendar": "on-sunday"}, "on-sunday", True, id="shift-begins-now"),
        pytest.param({"shifts": [EARLIER]}, None, False, id="shift-ends-now"),
        pytest.param({"shifts": [EARLIER, SHIFT]}, None, True, id="one-shift-after-another"),
    ],
)
def test_on_duty(agent: dict[str, Any], team: str | None, expected: bool) -> None:
    configuration = company(agent=agent, team=team)
    assert on_duty(configuration, configuration.agents[0], configuration.team("t"), WEDNESDAY_NOON) is expected
