"""When the next reply of a conversation is due by its policy, and why then. Pure.

It is reckoned from what the view holds, with the newest configuration, by the same business time as everywhere. What was
warned of and missed is the assigner's to decide; its facts stand in the conversation's history.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from postroom_contracts.business_time import business_deadline
from postroom_contracts.configuration import WEEKDAYS, Calendar, Configuration, Policy
from postroom_contracts.values import Status

from postroom_desk.domain.view import NOT_DUE, ConversationView

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


@dataclass(frozen=True, slots=True)
class Reckoned:
    """By what a list by deadline sorts a conversation, and by which version of the configuration that was reckoned."""

    at: datetime
    configuration_version: int


def reply_due(view: ConversationView, configuration: Configuration, now: datetime) -> ReplyDue | None:
    """Return the deadline of the reply that the customer waits for, or that the first one was in time; None: neither."""
    policy = configuration.policy(view.policy_id)
    if policy is None or view.status in _AT_REST:
        return None
    calendar = configuration.calendar_for(view.inbox_id, view.team_id)
    if view.waiting_since is None:
        return _met(view, policy.id, policy.first_response_seconds, calendar)
    kind, seconds = _promised(view, policy)
    due_at = None if seconds is None else business_deadline(calendar, view.waiting_since, seconds)
    if seconds is None or due_at is None:
        return None
    percent = policy.warned_at_percent
    warned = None if percent is None else business_deadline(calendar, view.waiting_since, seconds * percent / 100)
    state: State = "missed" if now > due_at else "soon" if warned is not None and now >= warned else "open"
    holidays = _holidays(calendar, view.waiting_since, due_at)
    return ReplyDue(kind, state, due_at, seconds, policy.id, calendar.id, holidays)


def due_order(view: ConversationView, configuration: Configuration) -> datetime:
    """Return when that reply is due, the soonest first in a list by deadline; `NOT_DUE` where none is."""
    policy = configuration.policy(view.policy_id)
    if policy is None or view.status in _AT_REST or view.waiting_since is None:
        return NOT_DUE
    _, seconds = _promised(view, policy)
    if seconds is None:
        return NOT_DUE
    calendar = configuration.calendar_for(view.inbox_id, view.team_id)
    return business_deadline(calendar, view.waiting_since, seconds) or NOT_DUE


def _promised(view: ConversationView, policy: Policy) -> tuple[Literal["first_response", "next_response"], int | None]:
    """Return which reply the customer waits for, and the business seconds that the policy gives for it."""
    if view.sent or any(view.event_counts.get(name) for name in _ENDS):
        return "next_response", policy.next_response_seconds
    return "first_response", policy.first_response_seconds


def _met(view: ConversationView, policy_id: str, seconds: int | None, calendar: Calendar) -> ReplyDue | None:
    if seconds is None or not view.received or not view.sent or "first_response" in view.breached:
        return None
    return ReplyDue("first_response", "met", None, seconds, policy_id, calendar.id)


def _holidays(calendar: Calendar, start: datetime, end: datetime) -> tuple[date, ...]:
    zone = ZoneInfo(calendar.time_zone)
    first, last = start.astimezone(zone).date(), end.astimezone(zone).date()
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return tuple(d for d in days if d in calendar.holidays and calendar.hours.get(WEEKDAYS[d.weekday()]))
