"""A fact as it stands on Kafka: its headers and body untouched, with its position."""

import builtins
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from postroom_contracts.events import DataT, Event, body_of, decode
from postroom_contracts.registry import models_of
from postroom_contracts.topics import CONVERSATION_EVENTS

from postroom_desk.domain.positions import LogPosition

MODELS = models_of(CONVERSATION_EVENTS)


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One record of `conversation-events`. `timestamp_ms` is the broker's; header values are text."""

    position: LogPosition
    headers: Mapping[str, str]
    body: bytes
    timestamp_ms: int

    @property
    def id(self) -> str:
        return self.headers.get("ce_id", "")

    @property
    def type(self) -> str:
        return self.headers.get("ce_type", "")

    @property
    def conversation_id(self) -> str:
        return self.headers.get("ce_subject", "")

    @property
    def causation_id(self) -> str:
        return self.headers.get("ce_causationid", "")

    @property
    def time(self) -> str:
        return self.headers.get("ce_time", "")

    def cloud_event(self) -> dict[str, Any]:
        """Return it in CloudEvents' JSON form (structured mode); the body is the record's, field by field."""
        attributes: dict[str, Any] = {
            name.removeprefix("ce_"): value for name, value in self.headers.items() if name.startswith("ce_")
        }
        if "sequence" in attributes:
            attributes["sequence"] = int(attributes["sequence"])
        return {**attributes, "data": json.loads(self.body)}

    def event(self) -> Event:
        """Return it decoded. Raises what `events.decode` raises."""
        return decode({k: v.encode() for k, v in self.headers.items()}, self.body, MODELS)

    def data(self, model: builtins.type[DataT]) -> DataT | None:
        """Return its body when it is of `model`, else None."""
        return model.model_validate_json(self.body) if self.type == model.type_name() else None


def logged_event(
    position: LogPosition, headers: Mapping[str, bytes | None], body: bytes | None, timestamp_ms: int
) -> LoggedEvent | None:
    """Return the record as a logged event, or None when it is none of ours (bad headers, null or broken body)."""
    try:
        text = {name: value.decode() for name, value in headers.items() if value is not None}
        plain = body_of(headers.get("content-type"), body or b"")
        json.loads(plain)
        known = text.get("ce_type", "") in MODELS and text.get("ce_subject", "")
        if not known or not text.get("ce_sequence", "0").isdigit():
            return None
    except ValueError:
        return None
    text["content-type"] = "application/json"  # it is kept in one form, whichever mode the record was in
    return LoggedEvent(position, text, plain, timestamp_ms)
