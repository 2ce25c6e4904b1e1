"""The company's configuration is right at any moment: one team on duty, one about to be, one out of hours."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from postroom_contracts.configuration import Configuration
from postroom_demo.company import MailPorts, configuration
from postroom_demo.duty import duty
from postroom_demo.people import ANSWER_ADDRESS, INBOXES, PEOPLE
from postroom_runtime.configuration_file import load_configuration

MOMENTS = {
    "sunday-night": datetime(2026, 3, 8, 3, 0, tzinfo=UTC),
    "friday-afternoon": datetime(2026, 3, 6, 15, 0, tzinfo=UTC),
    "clocks-go-forward": datetime(2026, 3, 29, 1, 0, tzinfo=UTC),
    "clocks-go-back": datetime(2026, 10, 25, 1, 15, tzinfo=UTC),
    "new-year": datetime(2026, 12, 31, 23, 59, 50, tzinfo=UTC),
}


def laid(tmp_path: Path, moment: datetime) -> Configuration:
    files = {address: tmp_path / address for address in (*(i.address for i in INBOXES), ANSWER_ADDRESS)}
    path = tmp_path / "company.yaml"
    path.write_text(yaml.safe_dump(configuration(moment, MailPorts(2525, 1143), files), allow_unicode=True))
    return load_configuration(path)


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
def test_at_the_start_one_team_works_one_begins_one_is_away(tmp_path: Path, moment: datetime) -> None:
    company = laid(tmp_path, moment)
    found = {one["inbox"]: (one["state"], one["business_clock"]) for one in duty(company, moment)}
    assert found == {
        "support": ("on_duty", "runs"),
        "sales": ("begins", "runs"),
        "billing": ("out_of_hours", "stands still"),
    }


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
def test_forty_seconds_later_the_second_team_works(tmp_path: Path, moment: datetime) -> None:
    company = laid(tmp_path, moment)
    before = duty(company, moment + timedelta(seconds=39.999))[1]
    after = duty(company, moment + timedelta(seconds=40))[1]
    assert (before["on_duty"], after["on_duty"]) == ([], ["paulo", "haruka"])


def test_three_of_six_people_are_played_and_the_zones_are_two(tmp_path: Path) -> None:
    company = laid(tmp_path, MOMENTS["friday-afternoon"])
    assert [p.played for p in PEOPLE].count(True) == 3
    assert len(company.agents) == 6
    assert len({c.time_zone for c in company.calendars}) == 2
    assert (len(company.inboxes), len(company.teams)) == (3, 3)
