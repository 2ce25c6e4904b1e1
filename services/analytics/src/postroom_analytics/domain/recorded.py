"""Recorded logs: one JSON object per line, configurations and events, complete or written by hand (`docs/metrics.md`).

An event line is CloudEvents' JSON form as `postroom_contracts.events.as_dict` writes it. What is left out of a line
written by hand is filled in: ids, sequences and required fields, always in the same way.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from postroom_contracts.configuration import WEEKDAYS, ConfigurationApplied
from postroom_contracts.events import EnvelopeError, Event
from postroom_contracts.fields import format_time
from postroom_contracts.ids import derived_id
from postroom_contracts.registry import BY_TYPE, source_of
from pydantic import ValidationError

from postroom_analytics.domain.structured import event_from_dict

_BY_CLASS_NAME = {registration.model.__name__: name for name, registration in BY_TYPE.items()}
_RESULTS = frozenset(_BY_CLASS_NAME[name] for name in ("MessageSent", "MessageFailed", "MessageBounced"))
_EVER = [{"start": "00:00"}]


class RecordedLogError(ValueError):
    """A line cannot be read; the message names it and what was expected."""


def read_log(lines: Iterable[str]) -> Iterator[ConfigurationApplied | Event]:
    """Yield the records of a log in its order. Raises RecordedLogError with the number of the line, from 1.

    Empty lines and objects with nothing but `comment` are passed over.
    """
    filler = _Filler()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = _record(json.loads(line), number, filler)
        except (ValueError, KeyError, TypeError, ValidationError, EnvelopeError) as error:
            raise RecordedLogError(f"line {number}: {error}") from error
        if record is not None:
            yield record


def _record(value: Any, number: int, filler: "_Filler") -> ConfigurationApplied | Event | None:
    if not isinstance(value, dict):
        raise RecordedLogError("expected a JSON object")
    if "configuration" in value:
        return filler.configuration(value)
    if "type" in value:
        return event_from_dict(filler.event(value, number))
    if set(value) == {"comment"}:
        return None
    raise RecordedLogError("expected `configuration`, `type` or `comment`")


@dataclass(slots=True)
class _Filler:
    """Fills in what a line leaves out, from its number and from what stood before it."""

    version: int = 0
    inbox: str = "support"
    agent: str = "ann"
    sequences: dict[tuple[str, str], int] = field(default_factory=dict)
    last_reply: dict[str, str] = field(default_factory=dict)
    epochs: dict[str, int] = field(default_factory=dict)

    def configuration(self, value: Mapping[str, Any]) -> ConfigurationApplied:
        self.version = int(value.get("configuration_version", self.version + 1))
        snapshot = _complete(value["configuration"])
        applied = ConfigurationApplied.model_validate(
            {
                "applied_at": format_time(datetime(1970, 1, 1, tzinfo=UTC)),
                **value,
                "configuration_version": self.version,
                "configuration": snapshot,
            }
        )
        self.inbox = applied.configuration.inboxes[0].id
        self.agent = applied.configuration.agents[0].id
        return applied

    def event(self, value: Mapping[str, Any], number: int) -> dict[str, Any]:
        type_name = _BY_CLASS_NAME.get(value["type"], value["type"])
        registration = BY_TYPE.get(type_name)
        if registration is None:
            raise RecordedLogError(f"type {value['type']!r} is not known")
        subject = value.get("subject", "c1")
        source = value.get("source", source_of(registration.producers[0]))
        sequence = value.get("sequence", self.sequences.get((subject, source), 0) + 1)
        self.sequences[subject, source] = max(sequence, self.sequences.get((subject, source), 0))
        data = dict(value.get("data", {}))
        for name, info in registration.model.model_fields.items():
            if name not in data and info.is_required():
                data[name] = self._required(name, value["time"], subject, number)
        if type_name in _RESULTS and "message_id" not in value.get("data", {}):
            # What a result speaks of is the latest reply, unless it says otherwise.
            data["message_id"] = self.last_reply[subject]
        if type_name == _BY_CLASS_NAME["ReplyAccepted"]:
            self.last_reply[subject] = data["message_id"]
        return {
            "id": derived_id("recorded", str(number)),
            **value,
            "type": type_name,
            "source": source,
            "subject": subject,
            "sequence": sequence,
            "data": data,
        }

    def _required(self, name: str, at: str, subject: str, number: int) -> Any:
        if name == "message_id":
            return f"m{number}"
        if name.endswith("_at") or name == "until":
            return at
        if name == "epoch":
            self.epochs[subject] = self.epochs.get(subject, 0) + 1
            return self.epochs[subject]
        if name in _FIXED:
            return _FIXED[name]
        own: dict[str, Any] = {
            "inbox_id": self.inbox,
            "configuration_version": self.version,
            "actor": {"kind": "agent", "id": self.agent},
            "agent_id": self.agent,
            "previous_agent_id": self.agent,
            "ledger_id": f"l{number}",
            "content": {"content_id": f"c{number}", "sha256": "0" * 64},
            "record": {"policy": "manual", "decided_at": at, "configuration_version": self.version},
        }
        if name not in own:
            raise RecordedLogError(f"`data.{name}` is missing")
        return own[name]


_FIXED: dict[str, Any] = {
    "account_id": "account",
    "channel": "email",
    "message_kind": "message",
    "contact_id": "customer",
    "recipients": ["customer"],
    "contact_ids": ["customer"],
    "body_bytes": 0,
    "status": "open",
    "previous": "open",
    "via": "api",
    "delivery_id": "delivery",
    "generation": 1,
    "reason": "manual",
    "permanent": True,
}


def _complete(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with the sections that every one needs; a calendar that is always open, if it has none."""
    calendars = snapshot.get("calendars") or [
        {"id": "always", "time_zone": "UTC", "hours": dict.fromkeys(WEEKDAYS, _EVER)}
    ]
    return {
        "company": {"name": "Example", "default_calendar": calendars[0]["id"]},
        "inboxes": [
            {"id": "support", "name": "Support", "account": "a", "address": "support@example.org", "teams": ["care"]}
        ],
        "teams": [{"id": "care", "name": "Care", "members": ["ann"]}],
        "agents": [{"id": "ann", "first_name": "Ann", "email": "ann@example.org"}],
        **snapshot,
        "calendars": calendars,
    }
