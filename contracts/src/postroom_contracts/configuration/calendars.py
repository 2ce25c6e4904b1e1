"""Business hours."""

from datetime import date, time
from typing import Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from postroom_contracts.configuration.base import Section
from postroom_contracts.fields import Slug

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class OpenInterval(Section):
    """A half-open interval of local wall time in one day; `end` 24:00 is written as null."""

    start: time
    end: time | None = None
    """None: until midnight."""


def checked_zone(name: str) -> str:
    """Return the name. Raises ValueError for one that is no IANA time zone."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is not an IANA time zone such as Europe/Berlin") from error
    return name


class Calendar(Section):
    """Business hours: IANA zone, several half-open intervals a day, holidays (whole local days)."""

    id: Slug
    time_zone: str
    hours: dict[Weekday, list[OpenInterval]]
    holidays: list[date] = Field(default_factory=list)

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return checked_zone(value)

    @field_validator("hours", mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        """Accept `"09:00-17:00"` and `"22:00-24:00"` beside the long form."""
        if not isinstance(value, dict):
            return value
        return {day: [_interval(i) for i in h] if isinstance(h, list) else h for day, h in value.items()}

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for day, intervals in self.hours.items():
            last = time(0)
            for n, interval in enumerate(intervals):
                if interval.start < last or (interval.end is not None and interval.end <= interval.start):
                    raise ValueError(f"hours of {day}: interval {n + 1} must start after the one before and end later")
                if interval.end is None and n + 1 < len(intervals):
                    raise ValueError(f"hours of {day}: interval {n + 2} starts after 24:00")
                last = interval.end or last
        return self


def _interval(value: object) -> object:
    if not isinstance(value, str):
        return value
    start, dash, end = value.partition("-")
    if not dash:
        raise ValueError(f"{value!r} is not an interval such as 09:00-17:00")
    return {"start": start.strip(), "end": None if end.strip() == "24:00" else end.strip()}
