"""Business time against hand-written cases, its own laws, and a count minute by minute."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postroom_contracts.business_time import (
    business_deadline,
    business_seconds,
    is_open,
    next_change,
    next_opening,
)
from postroom_contracts.configuration import WEEKDAYS, Calendar, OpenInterval

HOUR = 3600


def calendar(zone: str, hours: dict[str, list[str]], holidays: list[str] | None = None) -> Calendar:
    return Calendar.model_validate({"id": "c", "time_zone": zone, "hours": hours, "holidays": holidays or []})


def every_day(*intervals: str) -> dict[str, list[str]]:
    return {day: list(intervals) for day in WEEKDAYS}


def workdays(*intervals: str) -> dict[str, list[str]]:
    return {day: list(intervals) for day in WEEKDAYS[:5]}


def at(zone: str, text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)


BERLIN = "Europe/Berlin"
OFFICE = calendar(BERLIN, workdays("09:00-17:00"))
NIGHT = calendar(BERLIN, every_day("00:00-06:00", "22:00-24:00"))
EARLY_NIGHT = calendar(BERLIN, every_day("00:00-02:30", "22:00-24:00"))
LUNCH = calendar("Europe/Warsaw", workdays("08:00-12:00", "13:00-17:00"), ["2026-05-01"])
NEVER = calendar(BERLIN, {})
ALWAYS = calendar(BERLIN, every_day("00:00-24:00"))


@pytest.mark.parametrize(
    ("of", "zone", "start", "end", "seconds"),
    [
        pytest.param(OFFICE, BERLIN, "2026-03-06T16:30", "2026-03-09T10:30", 2 * HOUR, id="over-a-weekend"),
        pytest.param(OFFICE, BERLIN, "2026-03-03T20:00", "2026-03-04T09:15", 15 * 60, id="begun-after-hours"),
        pytest.param(OFFICE, BERLIN, "2026-03-03T17:00", "2026-03-04T09:00", 0, id="whole-night"),
        pytest.param(OFFICE, BERLIN, "2026-03-04T10:00", "2026-03-04T09:00", 0, id="end-before-start"),
        pytest.param(NIGHT, BERLIN, "2026-03-28T23:30", "2026-03-29T06:30", 5.5 * HOUR, id="clocks-forward"),
        pytest.param(NIGHT, BERLIN, "2026-10-24T23:30", "2026-10-25T06:30", 7.5 * HOUR, id="clocks-back"),
        pytest.param(
            EARLY_NIGHT, BERLIN, "2026-03-28T21:00", "2026-03-29T06:30", 4.5 * HOUR, id="end-in-the-skipped-hour"
        ),
        pytest.param(
            EARLY_NIGHT, BERLIN, "2026-10-24T21:00", "2026-10-25T06:30", 4.5 * HOUR, id="end-in-the-repeated-hour"
        ),
        pytest.param(LUNCH, "Europe/Warsaw", "2026-04-30T11:30", "2026-05-04T13:30", 9 * HOUR, id="lunch-and-holiday"),
        pytest.param(LUNCH, "Europe/Warsaw", "2026-04-30T12:15", "2026-04-30T12:45", 0, id="in-the-lunch-break"),
        pytest.param(OFFICE, BERLIN, "2026-03-04T10:00:00.001", "2026-03-04T10:00:00.004", 0.003, id="milliseconds"),
        pytest.param(NEVER, BERLIN, "2020-01-01T00:00", "2026-01-01T00:00", 0, id="never-open"),
        pytest.param(ALWAYS, BERLIN, "2026-03-29T00:00", "2026-03-30T00:00", 23 * HOUR, id="short-day"),
        pytest.param(ALWAYS, BERLIN, "2026-10-25T00:00", "2026-10-26T00:00", 25 * HOUR, id="long-day"),
    ],
)
def test_business_seconds_of_a_span(of: Calendar, zone: str, start: str, end: str, seconds: float) -> None:
    assert business_seconds(of, at(zone, start), at(zone, end)) == seconds


@pytest.mark.parametrize(
    ("hours", "start", "end", "seconds"),
    [
        pytest.param(["02:15-02:45"], "2026-03-29T00:00", "2026-03-29T12:00", 1800, id="interval-inside-the-gap"),
        pytest.param(["02:30-03:15"], "2026-03-29T00:00", "2026-03-29T12:00", 0, id="turned-round-by-the-gap"),
        pytest.param(["02:15-02:45", "03:00-04:00"], "2026-03-29T00:00", "2026-03-29T12:00", 3600, id="overlap-once"),
        pytest.param(["02:30-03:00"], "2026-10-25T00:00", "2026-10-25T12:00", 5400, id="start-in-the-repeated-hour"),
        pytest.param(["02:00-02:30"], "2026-10-25T00:00", "2026-10-25T12:00", 1800, id="inside-the-repeated-hour"),
    ],
)
def test_boundaries_become_instants_once(hours: list[str], start: str, end: str, seconds: float) -> None:
    assert business_seconds(calendar(BERLIN, every_day(*hours)), at(BERLIN, start), at(BERLIN, end)) == seconds


def test_a_day_that_a_zone_left_out_has_no_hours() -> None:
    samoa = calendar("Pacific/Apia", every_day("09:00-17:00"))
    start, end = datetime(2011, 12, 29, 10, tzinfo=UTC), datetime(2011, 12, 31, 10, tzinfo=UTC)
    # Local Thursday 29th, then Saturday 31st, 48 hours: two working days of eight hours, not three.
    assert business_seconds(samoa, start, end) == 16 * HOUR


@pytest.mark.parametrize(
    ("of", "start", "seconds", "deadline"),
    [
        pytest.param(
            NIGHT,
            at(BERLIN, "2026-03-28T23:30"),
            4 * HOUR,
            datetime(2026, 3, 29, 2, 30, tzinfo=UTC),
            id="clocks-forward",
        ),
        pytest.param(
            NIGHT, at(BERLIN, "2026-10-24T23:30"), 4 * HOUR, datetime(2026, 10, 25, 1, 30, tzinfo=UTC), id="clocks-back"
        ),
        pytest.param(
            LUNCH,
            at("Europe/Warsaw", "2026-04-30T11:30"),
            4 * HOUR,
            at("Europe/Warsaw", "2026-04-30T16:30"),
            id="over-lunch",
        ),
        pytest.param(
            LUNCH,
            at("Europe/Warsaw", "2026-04-30T11:30"),
            4.5 * HOUR,
            at("Europe/Warsaw", "2026-04-30T17:00"),
            id="the-end-of-an-interval-not-the-next-start",
        ),
        pytest.param(
            LUNCH,
            at("Europe/Warsaw", "2026-04-30T11:30"),
            4.5 * HOUR + 0.001,
            datetime(2026, 5, 4, 6, 0, 0, 1000, tzinfo=UTC),
            id="a-millisecond-more-is-after-the-holiday",
        ),
        pytest.param(
            LUNCH, at("Europe/Warsaw", "2026-04-30T12:15"), 0, at("Europe/Warsaw", "2026-04-30T12:15"), id="nothing-due"
        ),
        pytest.param(NEVER, at(BERLIN, "2026-03-28T23:30"), 1, None, id="never-open"),
        pytest.param(OFFICE, at(BERLIN, "2026-03-28T23:30"), 30_000 * HOUR, None, id="beyond-the-search"),
    ],
)
def test_deadline(of: Calendar, start: datetime, seconds: float, deadline: datetime | None) -> None:
    assert business_deadline(of, start, seconds) == deadline


def test_the_start_of_an_interval_is_open_and_its_end_is_closed() -> None:
    assert [is_open(OFFICE, at(BERLIN, f"2026-03-04T{t}")) for t in ("08:59:59", "09:00", "16:59:59", "17:00")] == [
        False,
        True,
        True,
        False,
    ]


def test_next_opening_and_next_change() -> None:
    friday_evening, friday_noon = at(BERLIN, "2026-03-06T18:00"), at(BERLIN, "2026-03-06T12:00")
    assert next_opening(OFFICE, friday_evening) == at(BERLIN, "2026-03-09T09:00")
    assert next_opening(OFFICE, friday_noon) == friday_noon
    assert next_change(OFFICE, friday_noon) == at(BERLIN, "2026-03-06T17:00")
    assert next_change(OFFICE, at(BERLIN, "2026-03-06T17:00")) == at(BERLIN, "2026-03-09T09:00")
    assert next_opening(NEVER, friday_noon) is None
    assert next_change(NEVER, friday_noon) is None


def test_hours_that_touch_at_midnight_are_one() -> None:
    assert next_change(NIGHT, at(BERLIN, "2026-03-06T23:00")) == at(BERLIN, "2026-03-07T06:00")
    assert next_change(ALWAYS, at(BERLIN, "2026-03-06T23:00")) is None


def test_a_calendar_made_anew_with_other_hours_is_not_mistaken_for_the_old() -> None:
    start, end = at(BERLIN, "2026-03-04T00:00"), at(BERLIN, "2026-03-05T00:00")
    for hours in range(1, 24):
        of = calendar(BERLIN, every_day(f"00:00-{hours:02d}:00"))
        assert business_seconds(of, start, end) == hours * HOUR
        del of


# --- laws ---------------------------------------------------------------------------------------------------------

ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Africa/Cairo",
    "America/St_Johns",
    "Pacific/Apia",
    "UTC",
]


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    hours: dict[str, Any] = {}
    for day in WEEKDAYS:
        cuts = sorted(draw(st.sets(st.integers(0, 24 * 60), max_size=6)))
        pairs = list(zip(cuts[::2], cuts[1::2], strict=False))
        hours[day] = [
            OpenInterval(start=time(a // 60, a % 60), end=None if b == 1440 else time(b // 60, b % 60))
            for a, b in pairs
        ]
    holidays = draw(st.lists(st.dates(date(2011, 1, 1), date(2011, 12, 31)), max_size=3))
    return Calendar(id="c", time_zone=draw(st.sampled_from(ZONES)), hours=hours, holidays=holidays)


instants = st.integers(0, 365 * 24 * 3600 * 1000).map(
    lambda ms: datetime(2011, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
)
"""2011: Samoa left out a day, Newfoundland changed its clocks a minute after midnight, Brazil at midnight."""


@settings(deadline=None)
@given(calendars(), st.tuples(instants, instants, instants))
def test_spans_add_up(of: Calendar, moments: tuple[datetime, ...]) -> None:
    a, b, c = sorted(moments)
    parts = business_seconds(of, a, b) + business_seconds(of, b, c)
    assert round(parts * 1000) == round(business_seconds(of, a, c) * 1000)


@settings(deadline=None)
@given(calendars(), instants, st.integers(0, 10**9))
def test_business_time_is_never_more_than_wall_time_and_never_negative(of: Calendar, start: datetime, ms: int) -> None:
    assert 0 <= round(business_seconds(of, start, start + timedelta(milliseconds=ms)) * 1000) <= ms


@settings(deadline=None)
@given(calendars(), instants, st.integers(1, 10**8))
def test_a_deadline_is_the_first_instant_that_reaches_its_duration(of: Calendar, start: datetime, ms: int) -> None:
    deadline = business_deadline(of, start, ms / 1000)
    if deadline is None:
        assert not any(of.hours.values())
        return
    assert round(business_seconds(of, start, deadline) * 1000) == ms
    assert round(business_seconds(of, start, deadline - timedelta(milliseconds=1)) * 1000) == ms - 1


@settings(deadline=None)
@given(calendars(), instants)
def test_nothing_changes_before_the_next_change(of: Calendar, start: datetime) -> None:
    change = next_change(of, start)
    if change is None:
        return
    wall = (change - start) // timedelta(milliseconds=1)
    now_open = is_open(of, start)
    assert is_open(of, change) is not now_open
    assert round(business_seconds(of, start, change) * 1000) == (wall if now_open else 0)


def naive_seconds(of: Calendar, start: datetime, minutes: int) -> int:
    """Count minute by minute: open means that some local day's interval, as instants, holds the minute."""
    zone, total = ZoneInfo(of.time_zone), 0
    for n in range(minutes):
        moment = start + timedelta(minutes=n)
        local = moment.astimezone(zone).date()
        total += 60 * any(_holds(of, zone, local + timedelta(days=d), moment) for d in (-1, 0, 1))
    return total


def _holds(of: Calendar, zone: ZoneInfo, day: date, moment: datetime) -> bool:
    def instant(on: date, clock: time) -> datetime:
        return datetime(on.year, on.month, on.day, clock.hour, clock.minute, tzinfo=zone).astimezone(UTC)

    tomorrow = day + timedelta(days=1)
    if day in of.holidays or not instant(day, time(0)) <= moment < instant(tomorrow, time(0)):
        return False
    return any(
        instant(day, i.start) <= moment < (instant(tomorrow, time(0)) if i.end is None else instant(day, i.end))
        for i in of.hours[WEEKDAYS[day.weekday()]]
    )


@settings(max_examples=30, deadline=None)
@given(
    calendars(),
    st.sampled_from([(1, 1), (2, 19), (3, 13), (3, 27), (4, 3), (10, 2), (10, 15), (10, 30), (11, 6), (12, 29)]),
    st.integers(0, 1440),
    st.integers(1, 2000),
)
def test_equals_a_count_minute_by_minute(of: Calendar, day: tuple[int, int], offset: int, minutes: int) -> None:
    start = datetime(2011, *day, tzinfo=UTC) + timedelta(minutes=offset)
    assert business_seconds(of, start, start + timedelta(minutes=minutes)) == naive_seconds(of, start, minutes)
