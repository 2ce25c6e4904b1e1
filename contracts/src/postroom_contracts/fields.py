"""Field types of every contract: times, identifiers, and the class of what a field may hold.

Each field is `public` (may stand on the public event log), `personal` (names, addresses, texts: only on work
topics that forget) or `secret` (never on any topic). A field without a mark is public.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, Field, PlainSerializer, StringConstraints

FieldClass = Literal["public", "personal", "secret"]


def to_milliseconds(value: datetime) -> datetime:
    """Return `value` in UTC, cut to whole milliseconds, the precision of MongoDB: a stored time equals its event's."""
    if value.tzinfo is not UTC:
        value = value.astimezone(UTC)
    rest = value.microsecond % 1000
    return value.replace(microsecond=value.microsecond - rest) if rest else value  # `replace` costs most of it


def format_time(value: datetime) -> str:
    """Return RFC 3339 with milliseconds and `Z`, such as `2026-03-06T15:30:00.000Z`."""
    return value.isoformat(timespec="milliseconds")[:23] + "Z"


UtcTime = Annotated[
    AwareDatetime,
    AfterValidator(to_milliseconds),
    PlainSerializer(format_time, return_type=str, when_used="json"),
]
"""A timezone-aware instant in UTC with whole milliseconds; RFC 3339 in JSON."""


def _marked(field_class: FieldClass) -> Any:
    return Field(json_schema_extra={"x-postroom-class": field_class})


Personal = _marked("personal")
"""Annotated[str, Personal]: may identify a person; never on `conversation-events`."""
Secret = _marked("secret")

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=200)]
"""An id of ours or of a provider: opaque, compared byte for byte."""

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
"""A name given in the configuration: lower case, digits, hyphens; at most 63 characters."""
