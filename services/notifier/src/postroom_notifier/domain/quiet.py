"""Quiet hours: until when a mail to an agent waits. Pure."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from postroom_contracts.configuration import QuietHours


def quiet_until(hours: QuietHours | None, at: datetime) -> datetime | None:
    """Return when the quiet hours end in which `at` lies; None when it lies in none.

    By the clock on the wall: a night in which clocks change is an hour shorter or longer.
    """
    if hours is None:
        return None
    zone = ZoneInfo(hours.time_zone)
    local = at.astimezone(zone)
    start, end, clock = time.fromisoformat(hours.start), time.fromisoformat(hours.end), local.time()
    over_midnight = end < start
    within = (clock >= start or clock < end) if over_midnight else start <= clock < end
    if not within:
        return None
    day = local.date() + timedelta(days=int(over_midnight and clock >= start))
    return datetime.combine(day, end, zone).astimezone(UTC)
