"""What one agent wants: inboxes that are left out, and hours in which mail waits."""

from datetime import UTC, datetime, timedelta

import pytest
from postroom_contracts.configuration import QuietHours
from postroom_contracts.values import Priority
from postroom_notifier.domain.quiet import quiet_until
from pydantic import ValidationError

from tests.unit.notifier.company import FRIDAY, Facts, configuration
from tests.unit.notifier.test_follow import due, told

NIGHT = {"start": "15:00", "end": "08:30", "time_zone": "Europe/Berlin"}
"""FRIDAY is 15:02 in Berlin, in winter."""


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("start", "end", "at", "until"),
    [
        ("22:00", "07:00", utc(2026, 3, 6, 20, 59), None),  # 21:59 in Berlin
        ("22:00", "07:00", utc(2026, 3, 6, 21, 0), utc(2026, 3, 7, 6, 0)),
        ("22:00", "07:00", utc(2026, 3, 7, 5, 59), utc(2026, 3, 7, 6, 0)),
        ("22:00", "07:00", utc(2026, 3, 7, 6, 0), None),
        ("12:00", "13:00", utc(2026, 3, 6, 11, 30), utc(2026, 3, 6, 12, 0)),
        ("22:00", "07:00", utc(2026, 3, 28, 22, 0), utc(2026, 3, 29, 5, 0)),  # summer time begins in this night
    ],
)
def test_quiet_hours_end_by_the_clock_on_the_wall(start: str, end: str, at: datetime, until: datetime | None) -> None:
    assert quiet_until(QuietHours(start=start, end=end, time_zone="Europe/Berlin"), at) == until


@pytest.mark.parametrize("wrong", [{"start": "8:00"}, {"end": "24:00"}, {"time_zone": "Mars/Base"}, {"end": "15:00"}])
def test_hours_that_are_none_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        QuietHours.model_validate(NIGHT | wrong)


def test_mail_waits_until_quiet_hours_end_and_the_log_s_order_stays() -> None:
    f, settings = Facts(), configuration(preferences={"ana": {"quiet_hours": NIGHT}})
    received, assigned = f.received(), f.assigned()
    [held] = due(received, assigned, settings=settings)
    assert held.due_at == held.next_at == utc(2026, 3, 7, 7, 30)
    assert held.cause_at == assigned.time


def test_urgent_conversations_and_other_people_are_not_held_back() -> None:
    settings = configuration(preferences={"ben": {"quiet_hours": NIGHT}})
    f = Facts()
    [own] = due(f.received(), f.assigned("ana"), settings=settings)
    f = Facts()
    [urgent] = due(f.received(priority=Priority.URGENT), f.assigned("ben"), settings=settings)
    assert own.due_at < FRIDAY + timedelta(hours=1)
    assert urgent.due_at < FRIDAY + timedelta(hours=1)


def test_nothing_of_a_muted_inbox_is_told() -> None:
    f = Facts()
    settings = configuration(preferences={"ana": {"muted_inboxes": ["support"]}})
    assert told(f.received(), f.assigned("ana"), f.received("m2", watchers=["ben"]), settings=settings) == [
        ("replied", "ben")
    ]
