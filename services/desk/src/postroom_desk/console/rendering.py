"""Templates, filters, and the headers that every page has."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from babel.dates import format_datetime, format_skeleton, format_time
from babel.numbers import format_decimal
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context, select_autoescape
from jinja2.runtime import Context
from postroom_contracts.fields import format_time as format_utc

from postroom_desk.api.auth import CSRF
from postroom_desk.console.texts import LANGUAGES, Texts
from postroom_desk.console.viewer import Viewer

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-store",
}
_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_KILO, _MEGA = 1000, 1_000_000


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
    made.filters |= {"iso": iso, "clock": _clock, "duration": _duration, "since": _since, "bytes": _size, "day": _day}
    made.filters |= {"hours": _hours, "weekday": _weekday}
    made.globals["csrf"] = CSRF.get
    return made


def page(template: str, viewer: Viewer, **context: Any) -> str:
    """Return a template filled for one viewer: `t`, `th` and `word` give texts in their language."""
    texts = viewer.texts
    return (
        environment()
        .get_template(template)
        .render(viewer=viewer, t=texts, th=texts.html, word=texts.word, languages=LANGUAGES, **context)
    )


def iso(moment: datetime) -> str:
    return format_utc(moment.astimezone(UTC))


def _viewer(context: Context) -> Viewer:
    viewer: Viewer = context["viewer"]
    return viewer


@pass_context
def _clock(context: Context, moment: datetime) -> str:
    """Return a time in the viewer's zone and language; with the date unless it is today."""
    viewer = _viewer(context)
    local, today = viewer.local(moment), viewer.local(context["now"]).date()
    locale = viewer.texts.locale
    if local.date() == today:
        return format_time(local, "short", locale=locale)
    day = format_skeleton("MMMd" if local.year == today.year else "yMMMd", local, locale=locale)
    return f"{day}, {format_time(local, 'short', locale=locale)}"


@pass_context
def _day(context: Context, moment: datetime) -> str:
    """Return date and time in full, for titles."""
    viewer = _viewer(context)
    return format_datetime(viewer.local(moment), "full" if viewer.zone else "long", locale=viewer.texts.locale)


@pass_context
def _since(context: Context, moment: datetime) -> str:
    """Return how long ago a time is, in its largest unit, such as `3 h`."""
    seconds = max(0.0, (context["now"] - moment).total_seconds())
    return _lengths(_viewer(context).texts, seconds)[0]


@pass_context
def _duration(context: Context, seconds: float | None) -> str:
    """Return a length of time in its two largest units, such as `3 h 12 min`; a dash for None."""
    return "–" if seconds is None else " ".join(_lengths(_viewer(context).texts, seconds)[:2])


@pass_context
def _hours(context: Context, seconds: int) -> str:
    """Return business time in hours and minutes: a day of it would be understood as 24 hours."""
    texts, (hours, rest) = _viewer(context).texts, divmod(seconds, 3600)
    parts = [("hour", hours), ("minute", rest // 60), ("second", rest % 60)]
    return " ".join(texts(f"frame.js.{unit}", n=n) for unit, n in parts if n)


@pass_context
def _weekday(context: Context, day: date) -> str:
    """Return a day such as `Fri, May 1`."""
    return format_skeleton("MMMEd", day, locale=_viewer(context).texts.locale)


def _lengths(texts: Texts, seconds: float) -> list[str]:
    left = round(seconds)
    parts: list[str] = []
    for length, unit in _UNITS:
        if left >= length or (unit == "second" and not parts):
            parts.append(texts(f"frame.js.{unit}", n=left // length))
            left %= length
    return parts


@pass_context
def _size(context: Context, count: int) -> str:
    """Return a size in decimal units, such as `1.2 MB`."""
    locale = _viewer(context).texts.locale
    if count < _KILO:
        return f"{count} B"
    if count < _MEGA:
        return f"{count / _KILO:.0f} kB"
    return f"{format_decimal(round(count / _MEGA, 1), locale=locale)} MB"
