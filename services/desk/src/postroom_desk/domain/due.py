"""When the next reply of a conversation is due by its policy, and why then. Pure.

It is reckoned from what the view holds, with the newest configuration, by the same business time as everywhere. What was
warned of and missed is the assigner's to decide; its facts stand in the conversation's history.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from postroom_contracts.business_time import business_deadline
from postroom_contracts.configuration import WEEKDAYS, Calendar, Configuration
from postroom_contracts.values import Status

from postroom_desk.domain.view import ConversationView

State = Literal["open", "soon", "missed", "met"]
_AT_REST = frozenset({Status.SPAM, Status.DELETED, Status.MERGED, Status.RESOLVED})
_ENDS = ("ConversationResolved", "ConversationArchived")


@dataclass(frozen=True, slots=True)
class ReplyDue:
    """`due_at` None: the reply was given in time, or the calendar never opens for long enough."""

    deadline: Literal["first_response", "next_response"]
    state: State
    due_at: datetime | None
    seconds: int
    """Business time that the policy gives."""
    policy_id: str
    calendar_id: str
    holidays: tuple[date, ...] = ()
    """Days between the customer's message and the deadline that were counted out, though the calendar opens on such days."""


def reply_due(view: ConversationView, configuration: Configuration, now: datetime) -> ReplyDue | None:
    """Return the deadline of the reply that the customer waits for, or that the first one was in time; None: neither."""
    policy = configuration.policy(view.policy_id)
    first = not view.sent and not any(view.event_counts.get(name) for name in _ENDS)
    kind: Literal["first_response", "next_response"] = "first_response" if first else "next_response"
    if policy is None or view.status in _AT_REST:
        return None
    calendar = configuration.calendar_for(view.inbox_id, view.team_id)
    if view.waiting_since is None:
        return _met(view, policy.id, policy.first_response_seconds, calendar)
    seconds = policy.first_response_seconds if first else policy.next_response_seconds
    if seconds is None:
        return None
    due_at = business_deadline(calendar, view.waiting_since, seconds)
    if due_at is None:
        return None
    percent = policy.warned_at_percent
    warned = None if percent is None else business_deadline(calendar, view.waiting_since, seconds * percent / 100)
    state: State = "missed" if now > due_at else "soon" if warned is not None and now >= warned else "open"
    holidays = _holidays(calendar, view.waiting_since, due_at)
    return ReplyDue(kind, state, due_at, seconds, policy.id, calendar.id, holidays)


def _met(view: ConversationView, policy_id: str, seconds: int | None, calendar: Calendar) -> ReplyDue | None:
    if seconds is None or not view.received or not view.sent or "first_response" in view.breached:
        return None
    return ReplyDue("first_response", "met", None, seconds, policy_id, calendar.id)


def _holidays(calendar: Calendar, start: datetime, end: datetime) -> tuple[date, ...]:
    zone = ZoneInfo(calendar.time_zone)
    first, last = start.astimezone(zone).date(), end.astimezone(zone).date()
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return tuple(d for d in days if d in calendar.holidays and calendar.hours.get(WEEKDAYS[d.weekday()]))
