"""When the next reply is due: the worked example of the metrics, with its reasons."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from postroom_contracts.configuration import Configuration
from postroom_contracts.values import Channel, Status
from postroom_desk.domain.due import ReplyDue, due_order, reply_due
from postroom_desk.domain.view import NOT_DUE, NOT_WAITING, ConversationView

HOURS = dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), "08:00-12:00 13:00-17:00")
CONFIGURATION = Configuration.model_validate(
    {
        "company": {"name": "Acme", "default_calendar": "warsaw"},
        "calendars": [
            {
                "id": "warsaw",
                "time_zone": "Europe/Warsaw",
                "hours": {day: text.split() for day, text in HOURS.items()},
                "holidays": ["2026-05-01", "2026-05-03"],
            }
        ],
        "inboxes": [{"id": "support", "name": "S", "account": "m", "address": "s@acme.test", "teams": ["care"]}],
        "teams": [{"id": "care", "name": "Care", "members": ["ann"]}],
        "agents": [{"id": "ann", "first_name": "Ann", "email": "ann@acme.test"}],
        "policies": [
            {"id": "standard", "first_response_seconds": 14400, "next_response_seconds": 7200},
            {"id": "none"},
        ],
    }
)


def warsaw(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}:00+02:00").astimezone(UTC)


def view(waits: str | None, **fields: Any) -> ConversationView:
    values: dict[str, Any] = {
        "status": Status.OPEN,
        "inbox_id": "support",
        "team_id": "care",
        "policy_id": "standard",
        "channel": Channel.EMAIL,
        "opened_at": warsaw("2026-04-30T11:30"),
        "last_activity_at": warsaw("2026-04-30T11:30"),
        "waiting_order": warsaw(waits) if waits else NOT_WAITING,
        "partition": 0,
        "offset": 0,
        "received": 1,
        "sent": 0,
    }
    return ConversationView(**(values | fields))


@pytest.mark.parametrize(
    ("now", "state"),
    [
        ("2026-04-30T15:41", "open"),
        ("2026-04-30T15:42", "soon"),
        ("2026-04-30T16:30", "soon"),
        ("2026-04-30T16:31", "missed"),
    ],
)
def test_four_business_hours_from_half_past_eleven_end_at_half_past_four(now: str, state: Any) -> None:
    due = reply_due(view("2026-04-30T11:30"), CONFIGURATION, warsaw(now))
    assert due == ReplyDue("first_response", state, warsaw("2026-04-30T16:30"), 14400, "standard", "warsaw")


def test_a_holiday_on_a_working_day_is_counted_out_and_named() -> None:
    due = reply_due(view("2026-04-30T15:00"), CONFIGURATION, warsaw("2026-04-30T15:00"))
    assert due is not None
    assert (due.due_at, due.holidays) == (warsaw("2026-05-04T10:00"), (date(2026, 5, 1),))


def test_a_later_turn_goes_by_the_target_of_next_responses() -> None:
    due = reply_due(view("2026-04-30T13:00", sent=1), CONFIGURATION, warsaw("2026-04-30T13:00"))
    assert due is not None
    assert (due.deadline, due.due_at) == ("next_response", warsaw("2026-04-30T15:00"))


def test_what_was_answered_in_time_is_said_to_be_and_nothing_is_due_without_a_target() -> None:
    now = warsaw("2026-04-30T13:00")
    met = reply_due(view(None, sent=1), CONFIGURATION, now)
    assert met is not None
    assert (met.deadline, met.state, met.due_at) == ("first_response", "met", None)
    assert reply_due(view(None, sent=1, breached=["first_response"]), CONFIGURATION, now) is None
    assert reply_due(view("2026-04-30T11:30", policy_id="none"), CONFIGURATION, now) is None
    assert reply_due(view("2026-04-30T11:30", policy_id=None), CONFIGURATION, now) is None
    assert reply_due(view("2026-04-30T11:30", status=Status.SPAM), CONFIGURATION, now) is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, warsaw("2026-04-30T16:30")),
        ({"sent": 1}, warsaw("2026-04-30T14:30")),
        ({"policy_id": "none"}, NOT_DUE),
        ({"policy_id": None}, NOT_DUE),
        ({"waiting_order": NOT_WAITING}, NOT_DUE),
        ({"status": Status.RESOLVED}, NOT_DUE),
    ],
    ids=["first", "next", "no target", "no policy", "nobody waits", "at rest"],
)
def test_a_list_by_deadline_sorts_by_when_the_reply_is_due(changes: dict[str, Any], expected: datetime) -> None:
    assert due_order(view("2026-04-30T11:30").model_copy(update=changes), CONFIGURATION) == expected
