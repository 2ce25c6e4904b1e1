"""Opening hours laid around an instant, so that what is open (or closed) at it is so at any hour of any day."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def open_around(at: datetime, zone: str, *, before_hours: float = 4, after_hours: float = 8) -> dict[str, list[str]]:
    """Return the same hours for every weekday, open from about `before_hours` before `at` to `after_hours` after it.

    Boundaries are whole minutes of local wall time. Where clocks change in between they move by that hour, so both
    spans must be above one hour and below twelve.
    """
    return _daily(at - timedelta(hours=before_hours), at + timedelta(hours=after_hours), zone)


def closed_around(at: datetime, zone: str) -> dict[str, list[str]]:
    """Return the same hours for every weekday, closed for at least nine hours before and after `at`."""
    return _daily(at + timedelta(hours=10, minutes=1), at + timedelta(hours=14), zone)


def _daily(opens: datetime, closes: datetime, zone: str) -> dict[str, list[str]]:
    start, end = _wall(opens, zone), _wall(closes, zone)
    # Over midnight: the end of the evening before, and the beginning of this one.
    both = [f"00:00-{end}"] * (end != "00:00") + [f"{start}-24:00"]
    intervals = [f"{start}-{end}"] if start < end else both
    return {day: list(intervals) for day in WEEK}


def _wall(at: datetime, zone: str) -> str:
    return f"{at.astimezone(ZoneInfo(zone)):%H:%M}"
