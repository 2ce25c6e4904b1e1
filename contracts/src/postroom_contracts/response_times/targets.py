"""What became of SLA targets: met, breached, cancelled, or still open."""

from dataclasses import dataclass
from typing import Literal

from postroom_contracts.business_time import business_deadline_ms
from postroom_contracts.configuration import Calendar
from postroom_contracts.response_times.intervals import Interval, net_deadline
from postroom_contracts.response_times.model import Target

TargetOutcome = Literal["open", "met", "breached", "cancelled"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`deadline_at` is None where the calendar never opens long enough, or while a pause without end extends it."""

    outcome: TargetOutcome
    deadline_at: int | None

    @property
    def breached(self) -> bool:
        return self.outcome == "breached"


def judge_response(target: Target, calendar: Calendar, start: int, closed_at: int | None, *, answered: bool) -> Verdict:
    """Return what became of a response target: no pause extends its deadline."""
    return _judge(target, business_deadline_ms(calendar, start, target.duration_ms), closed_at, answered=answered)


def judge_resolution(
    target: Target, calendar: Calendar, start: int, pauses: list[Interval], resolved_at: int | None
) -> Verdict:
    """Return what became of a resolution target: pauses extend its deadline. `pauses`: disjoint, in order."""
    deadline = net_deadline(calendar, start, target.duration_ms, pauses)
    return _judge(target, deadline, resolved_at, answered=True)


def concerns(target: Target, closed_at: int | None) -> bool:
    """Return whether a target was set before its turn or episode ended by fact time, however late that was told."""
    return closed_at is None or target.set_at <= closed_at


def _judge(target: Target, deadline: int | None, closed_at: int | None, *, answered: bool) -> Verdict:
    cancelled = target.cancelled_at is not None and (closed_at is None or target.cancelled_at < closed_at)
    end = target.cancelled_at if cancelled else closed_at
    if end is None:
        noticed = deadline is not None and target.noticed_at is not None and deadline <= target.noticed_at
        return Verdict("breached" if noticed else "open", deadline)
    if deadline is not None and end > deadline:
        return Verdict("breached", deadline)
    return Verdict("met" if answered and not cancelled else "cancelled", deadline)
