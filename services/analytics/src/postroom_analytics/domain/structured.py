"""Events in CloudEvents' JSON form (structured mode), as `postroom_contracts.events.as_dict` writes them."""

from collections.abc import Mapping
from typing import Any

from postroom_contracts.events import EnvelopeError, Event
from postroom_contracts.fields import UtcTime
from pydantic import TypeAdapter

from postroom_analytics.domain.reading import FACTS

_TIME: TypeAdapter[Any] = TypeAdapter(UtcTime)


def event_from_dict(attributes: Mapping[str, Any]) -> Event:
    """Return the event. Raises EnvelopeError for an unknown type and pydantic.ValidationError for a bad body."""
    model = FACTS.get(attributes["type"])
    if model is None:
        raise EnvelopeError(f"type {attributes['type']!r} is not known here")
    return Event(
        id=attributes["id"],
        source=attributes["source"],
        data=model.model_validate(attributes["data"]),
        subject=attributes["subject"],
        time=_TIME.validate_python(attributes["time"]),
        key=attributes.get("partitionkey", attributes["subject"]),
        sequence=attributes.get("sequence"),
        correlation_id=attributes.get("correlationid", ""),
        causation_id=attributes.get("causationid", ""),
        traceparent=attributes.get("traceparent", ""),
        type=attributes["type"],
    )
