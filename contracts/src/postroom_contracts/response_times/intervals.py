"""Arithmetic of half-open intervals in milliseconds: pauses are quiet times without those in which a turn is open."""

from collections.abc import Iterable

from postroom_contracts.business_time import business_deadline_ms, business_milliseconds
from postroom_contracts.configuration import Calendar

Interval = tuple[int, int]
FOREVER = 1 << 62
"""Later than every instant: the end of what has not ended."""


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the same times as disjoint intervals in order; empty ones vanish."""
    result: list[Interval] = []
    for start, end in sorted(intervals):
        if end <= start:
            continue
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((start, end))
    return result


def subtract(intervals: Iterable[Interval], holes: Iterable[Interval]) -> list[Interval]:
    """Return the times of `intervals` that lie in none of `holes`, disjoint and in order."""
    result = union(intervals)
    for low, high in union(holes):
        result = [
            piece
            for start, end in result
            for piece in ((start, min(end, low)), (max(start, high), end))
            if piece[1] > piece[0]
        ]
    return result


def clip(intervals: Iterable[Interval], start: int, end: int) -> list[Interval]:
    """Return the times of `intervals` within [start, end)."""
    return [(max(a, start), min(b, end)) for a, b in intervals if min(b, end) > max(a, start)]


def wall_total(intervals: Iterable[Interval]) -> int:
    return sum(end - start for start, end in intervals)


def business_total(calendar: Calendar, intervals: Iterable[Interval]) -> int:
    return sum(business_milliseconds(calendar, start, end) for start, end in intervals)


def net_deadline(calendar: Calendar, start: int, duration_ms: int, pauses: Iterable[Interval]) -> int | None:
    """Return the first instant by which `duration_ms` of business time outside `pauses` have passed since `start`.

    `pauses` are disjoint and in order; one may end at FOREVER. None: not reached as things stand.
    """
    remaining, cursor = duration_ms, start
    for low, high in pauses:
        used = business_milliseconds(calendar, cursor, low)
        if used >= remaining:
            break
        if high >= FOREVER:
            return None
        remaining -= used
        cursor = max(cursor, high)
    return business_deadline_ms(calendar, cursor, remaining)
