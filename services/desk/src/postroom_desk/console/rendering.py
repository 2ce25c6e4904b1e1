"""Templates, filters, and the headers that every page has."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from postroom_contracts.fields import format_time

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-store",
}
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


@cache
def environment() -> Environment:
    """Return the templates; everything is escaped, a name that is not given is an error."""
    made = Environment(
        loader=PackageLoader("postroom_desk.console"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"iso": iso, "clock": clock_time, "duration": duration, "bytes": size, "words": words}
    return made


def page(template: str, **context: Any) -> str:
    return environment().get_template(template).render(**context)


def iso(moment: datetime) -> str:
    return format_time(moment.astimezone(UTC))


def clock_time(moment: datetime) -> str:
    """Return a time for readers without JavaScript; with it the browser shows its own zone."""
    return moment.astimezone(UTC).strftime("%d %b %H:%M UTC")


def duration(seconds: float | None) -> str:
    """Return a length of time in its two largest units, such as `3 h 12 min`; a dash for None."""
    if seconds is None:
        return "–"
    left = round(seconds)
    parts: list[str] = []
    for length, unit in _UNITS:
        if left >= length or (unit == "s" and not parts):
            parts.append(f"{left // length} {unit}")
            left %= length
    return " ".join(parts[:2])


def size(count: int) -> str:
    """Return a size in decimal units, such as `1.2 MB`."""
    if count < 1000:  # noqa: PLR2004 - decimal units
        return f"{count} B"
    return f"{count / 1000:.0f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"  # noqa: PLR2004


def words(name: str) -> str:
    """Return a code such as `nobody_on_duty` as words."""
    return name.replace("_", " ").replace("-", " ")
