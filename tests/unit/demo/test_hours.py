"""Opening hours laid around a moment hold at that moment, whatever the hour, the day and the zone's clock changes."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from postroom_contracts.business_time import business_seconds, is_open
from postroom_contracts.configuration import Calendar
from postroom_demo.hours import closed_around, open_around

ZONES = ["Europe/Lisbon", "Asia/Tokyo", "America/St_Johns", "Australia/Lord_Howe", "America/Havana", "Pacific/Apia"]
MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2032, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001
AHEAD = [timedelta(0), timedelta(seconds=40), timedelta(minutes=5), timedelta(hours=2), timedelta(hours=6)]


def calendar(zone: str, hours: dict[str, list[str]]) -> Calendar:
    return Calendar.model_validate({"id": "c", "time_zone": zone, "hours": hours})


@given(MOMENTS, st.sampled_from(ZONES))
@example(datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "Europe/Lisbon")  # 01:30 for the first time
@example(datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "Europe/Lisbon")  # 01:30 again
@example(datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "Europe/Lisbon")  # 01:00 became 02:00
@example(datetime(2026, 3, 29, 4, 59, tzinfo=UTC), "Europe/Lisbon")
@example(datetime(2027, 1, 1, 0, 0, tzinfo=UTC), "Europe/Lisbon")
def test_what_is_laid_open_is_open_then_and_for_hours(moment: datetime, zone: str) -> None:
    laid = calendar(zone, open_around(moment, zone))
    assert all(is_open(laid, moment + ahead) for ahead in AHEAD)
    assert is_open(laid, moment - timedelta(hours=2))


@given(MOMENTS, st.sampled_from(ZONES))
@example(datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "Europe/Lisbon")
@example(datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "Europe/Lisbon")
def test_where_it_is_laid_closed_the_business_clock_stands_still(moment: datetime, zone: str) -> None:
    laid = calendar(zone, closed_around(moment, zone))
    assert business_seconds(laid, moment - timedelta(hours=6), moment + timedelta(hours=6)) == 0


def test_hours_over_midnight_are_the_two_parts_of_each_day() -> None:
    moment = datetime(2026, 3, 6, 22, 0, tzinfo=ZoneInfo("Europe/Lisbon"))
    assert open_around(moment, "Europe/Lisbon")["fri"] == ["00:00-06:00", "18:00-24:00"]


@pytest.mark.parametrize("hour", [16, 20], ids=["ends-at-midnight", "begins-before-it"])
def test_no_interval_is_empty(hour: int) -> None:
    moment = datetime(2026, 3, 6, hour, 0, tzinfo=ZoneInfo("Europe/Lisbon"))
    assert all(i.partition("-")[0] != i.partition("-")[2] for i in open_around(moment, "Europe/Lisbon")["mon"])
