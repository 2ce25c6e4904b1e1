"""Which messages of a thread are shown: of a long one the newest, and others when somebody asks for them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

SHOWN = 50
STEP = 100
"""Messages by which a page shows more."""
MOST = 500
"""Messages of one page."""
CONTEXT = 5
"""Messages before the one that somebody was led to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What is asked for by ids of messages; without any the newest `limit`, and so where an id is not of this thread.

    `first` and `last`: from there to there, without `last` to the newest. `message`: around it. `before`: the `limit` messages
    before it.
    """

    limit: int = SHOWN
    first: str | None = None
    last: str | None = None
    message: str | None = None
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """Messages `start` to `end` (which is not among them) of `total`."""

    start: int
    end: int
    total: int

    @property
    def earlier(self) -> int:
        return self.start

    @property
    def later(self) -> int:
        return self.total - self.end

    def with_earlier(self) -> "Cut":
        """Return the cut that shows a step more; what would be too much is left out at the end."""
        start = max(0, self.start - STEP)
        return Cut(start, min(self.end, start + MOST), self.total)

    def with_later(self) -> "Cut":
        """Return the cut that shows a step more; what would be too much is left out at the beginning."""
        end = min(self.total, self.end + STEP)
        return Cut(max(self.start, end - MOST), end, self.total)


def cut(ids: Sequence[str], window: Window) -> Cut:
    """Return what `window` shows of a thread whose messages have these ids, in the order of time."""
    total = len(ids)
    places = {identifier: n for n, identifier in enumerate(ids)}
    newest = Cut(max(0, total - window.limit), total, total)
    if window.before is not None:
        end = places.get(window.before)
        return newest if end is None else Cut(max(0, end - window.limit), end, total)
    if window.message is not None:
        place = places.get(window.message)
        if place is None or place >= newest.start:
            return newest
        start = max(0, place - CONTEXT)
        return Cut(start, min(total, start + window.limit), total)
    start = newest.start if window.first is None else places.get(window.first, newest.start)
    end = total if window.last is None else places.get(window.last, total - 1) + 1
    return Cut(start, min(end, start + MOST), total) if start < end else newest
