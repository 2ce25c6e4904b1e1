"""Business time: how much of a span lies in a calendar's opening hours, and when a span of it has passed.

Boundaries are local wall times. Each becomes an instant once: a time that occurs twice means the first occurrence, one
that is skipped is read with the offset before the gap (RFC 5545 section 3.3.5). Between instants everything is counted
in whole milliseconds of elapsed time, so a night in which clocks are set back is an hour longer. All functions are
pure; what is computed for a calendar's day is kept for as long as the calendar object lives.
"""

import weakref
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from postroom_contracts.configuration import WEEKDAYS, Calendar

SEARCH_DAYS = 3660
"""How far ahead an opening is looked for: ten years and a little."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LAST_DAY = date.max.toordinal() - 2

Span = tuple[int, int]
"""A half-open interval in milliseconds since 1970-01-01T00:00Z."""


def to_epoch_ms(at: datetime) -> int:
    """Return milliseconds since 1970-01-01T00:00Z; `at` has a zone. What is finer than a millisecond is cut."""
    return (at - _EPOCH) // _MILLISECOND


def from_epoch_ms(at_ms: int) -> datetime:
    """Return the instant in UTC."""
    return _EPOCH + timedelta(milliseconds=at_ms)


def is_open(calendar: Calendar, at: datetime) -> bool:
    """Return whether `at` lies in the opening hours: the start of an interval does, its end does not."""
    at_ms = to_epoch_ms(at)
    opening = next(_spans(_compiled(calendar), at_ms), None)
    return opening is not None and opening[0] <= at_ms


def business_milliseconds(calendar: Calendar, start_ms: int, end_ms: int) -> int:
    """Return how much of [start_ms, end_ms) is open, in milliseconds; 0 when it ends before it starts."""
    if end_ms <= start_ms:
        return 0
    compiled = _compiled(calendar)
    total, day = 0, compiled.day_before(start_ms)
    while True:
        midnight, spans = compiled.day(day)
        if midnight >= end_ms or day >= _LAST_DAY:
            return total
        for opens, closes in spans:
            low = max(start_ms, opens)
            high = min(end_ms, closes)
            if high > low:
                total += high - low
        day += 1


def business_seconds(calendar: Calendar, start: datetime, end: datetime) -> float:
    """Return how much of [start, end) is open, in seconds with three decimals; 0 when it ends before it starts."""
    return business_milliseconds(calendar, to_epoch_ms(start), to_epoch_ms(end)) / 1000


def business_deadline_ms(calendar: Calendar, start_ms: int, duration_ms: int) -> int | None:
    """Return the first instant by which `duration_ms` of business time have passed since `start_ms`.

    That is the end of an interval, never the start of the next. A duration of 0 or less gives `start_ms`. None: it is
    not reached within SEARCH_DAYS.
    """
    if duration_ms <= 0:
        return start_ms
    remaining = duration_ms
    for opens, closes in _spans(_compiled(calendar), start_ms):
        low = max(opens, start_ms)
        if closes - low >= remaining:
            return low + remaining
        remaining -= closes - low
    return None


def business_deadline(calendar: Calendar, start: datetime, seconds: float) -> datetime | None:
    """Return the first instant, in UTC, by which `seconds` of business time have passed since `start`.

    That is the end of an interval, never the start of the next. None: not reached within SEARCH_DAYS.
    """
    deadline = business_deadline_ms(calendar, to_epoch_ms(start), round(seconds * 1000))
    return None if deadline is None else from_epoch_ms(deadline)


def next_opening(calendar: Calendar, at: datetime) -> datetime | None:
    """Return the first instant at or after `at` that is open, in UTC; None: none within SEARCH_DAYS."""
    at_ms = to_epoch_ms(at)
    opening = next(_spans(_compiled(calendar), at_ms), None)
    return None if opening is None else from_epoch_ms(max(opening[0], at_ms))


def next_change(calendar: Calendar, at: datetime) -> datetime | None:
    """Return the first instant after `at` at which open becomes closed or closed open; None within SEARCH_DAYS.

    Intervals that touch, such as those of two days at midnight, are one.
    """
    at_ms = to_epoch_ms(at)
    end: int | None = None
    for opens, closes in _spans(_compiled(calendar), at_ms):
        if end is None and opens > at_ms:
            return from_epoch_ms(opens)
        if end is not None and opens > end:
            return from_epoch_ms(end)
        end = closes
    # Open to the end of the search means: always open, as far as anybody asks.
    return None


class _Compiled:
    """A calendar's days as instants, each computed once."""

    __slots__ = ("_days", "_holidays", "_week", "_zone", "never_opens")

    def __init__(self, calendar: Calendar) -> None:
        self._zone = ZoneInfo(calendar.time_zone)
        self._week = tuple(tuple((i.start, i.end) for i in calendar.hours.get(day, ())) for day in WEEKDAYS)
        self.never_opens = not any(self._week)
        self._holidays = frozenset(calendar.holidays)
        self._days: dict[int, tuple[int, tuple[Span, ...]]] = {}

    def day_before(self, at_ms: int) -> int:
        """Return the ordinal of the local day before that of `at_ms`.

        One earlier, because where clocks go back over midnight a moment of day d can follow the midnight of d + 1.
        """
        return datetime.fromtimestamp(at_ms // 1000, self._zone).toordinal() - 1

    def day(self, ordinal: int) -> tuple[int, tuple[Span, ...]]:
        """Return the day's first instant and its opening hours, disjoint and in order."""
        known = self._days.get(ordinal)
        if known is None:
            known = self._days[ordinal] = self._compute(date.fromordinal(ordinal))
        return known

    def _compute(self, day: date) -> tuple[int, tuple[Span, ...]]:
        midnight = self._instant(day, time(0))
        next_midnight = self._instant(day + timedelta(days=1), time(0))
        hours = () if day in self._holidays else self._week[day.weekday()]
        spans: list[Span] = []
        # In a gap, boundaries can change places: hence the sorting, and the union below. A local day that a zone left
        # out (Samoa, 2011-12-30) is empty because of the clipping.
        for start, end in sorted(
            (
                max(self._instant(day, start), midnight),
                min(next_midnight if end is None else self._instant(day, end), next_midnight),
            )
            for start, end in hours
        ):
            if end <= start:
                continue
            if spans and start <= spans[-1][1]:
                spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
            else:
                spans.append((start, end))
        return midnight, tuple(spans)

    def _instant(self, day: date, at: time) -> int:
        # fold=0 is what RFC 5545 asks for: the first of two, and in a gap the offset before it (PEP 495).
        return to_epoch_ms(datetime.combine(day, at, tzinfo=self._zone).replace(fold=0).astimezone(UTC))


_CACHE: dict[int, tuple[weakref.ref[Calendar], _Compiled]] = {}
"""By the calendar object's identity: a calendar holds a dict and is not hashable, and hashing its text at each call
would cost more than what is computed."""


def _compiled(calendar: Calendar) -> _Compiled:
    key = id(calendar)
    known = _CACHE.get(key)
    if known is not None and known[0]() is calendar:
        return known[1]
    compiled = _Compiled(calendar)
    _CACHE[key] = (weakref.ref(calendar, lambda gone: _forget(key, gone)), compiled)
    return compiled


def _forget(key: int, gone: weakref.ref[Calendar]) -> None:
    known = _CACHE.get(key)
    if known is not None and known[0] is gone:
        del _CACHE[key]


def _spans(compiled: _Compiled, from_ms: int) -> Iterator[Span]:
    """Yield the opening hours that end after `from_ms`, in order, for SEARCH_DAYS."""
    if compiled.never_opens:
        return
    first = compiled.day_before(from_ms)
    for ordinal in range(first, min(first + SEARCH_DAYS, _LAST_DAY)):
        for span in compiled.day(ordinal)[1]:
            if span[1] > from_ms:
                yield span
