"""Time as an argument: services ask a clock, tests and the demo move it."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from postroom_contracts.fields import to_milliseconds


class Clock(Protocol):
    def now(self) -> datetime:
        """Return the present instant in UTC with whole milliseconds."""
        ...


class SystemClock:
    """The machine's clock, moved by a fixed `offset_seconds` (0 in production; the demo and tests use it)."""

    def __init__(self, offset_seconds: float = 0.0) -> None:
        self._offset = timedelta(seconds=offset_seconds)

    def now(self) -> datetime:
        return to_milliseconds(datetime.now(UTC) + self._offset)


class ManualClock:
    """Stands still until it is moved."""

    def __init__(self, start: datetime) -> None:
        self._now = to_milliseconds(start)

    def now(self) -> datetime:
        return self._now

    def set(self, moment: datetime) -> None:
        self._now = to_milliseconds(moment)

    def advance(self, seconds: float) -> None:
        self._now = to_milliseconds(self._now + timedelta(seconds=seconds))


def monotonic() -> float:
    """Return seconds for measuring durations and deadlines of our own work; never stored, never compared across hosts."""
    return time.monotonic()
