"""Golden examples: one realistic record of each event type, as it stands on Kafka.

The values are written by hand in `example_commands.py` and `example_facts.py`; here they get their headers and key.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from postroom_contracts import example_commands, example_facts
from postroom_contracts.configuration import KEY as CONFIGURATION_KEY
from postroom_contracts.events import Event, encode_body, encode_headers, new_event
from postroom_contracts.example_ids import CONVERSATION, TRACE, Sample
from postroom_contracts.registry import REGISTRATIONS, Registration, source_of
from postroom_contracts.schemas import short_name

SAMPLES: dict[str, Sample] = example_commands.SAMPLES | example_facts.SAMPLES
"""By class name."""
_INBOUND_KEY = "7d2c41d8a9f0b3e6c5a17f8e02b94d6c3f1a5e70"


@dataclass(frozen=True, slots=True)
class Example:
    """One record: `topic` without its prefix, `key` and `headers` as text, `value` as parsed JSON."""

    name: str
    topic: str
    key: str
    headers: dict[str, str]
    value: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        return {"topic": self.topic, "key": self.key, "headers": self.headers, "value": self.value}


def event_of(registration: Registration) -> Event:
    """Return the golden event of a registered type. Raises KeyError when nobody wrote one."""
    sample = SAMPLES[registration.model.__name__]
    subject, key = {
        "inbound": ("support", _INBOUND_KEY),
        "configuration": (CONFIGURATION_KEY, CONFIGURATION_KEY),
        "presence": ("mira", "mira"),
    }.get(registration.model.kind, (CONVERSATION, CONVERSATION))
    return new_event(
        registration.model.model_validate_json(json.dumps(sample.value)),
        source=source_of(registration.producers[0]),
        cause_id=sample.cause,
        subject=subject,
        key=key,
        time=datetime.fromisoformat(sample.at),
        sequence=sample.sequence,
        traceparent=TRACE if registration.model.__name__ == "MessageReceived" else "",
    )


def example_of(registration: Registration) -> Example:
    """Return the golden record of a registered type."""
    event = event_of(registration)
    return Example(
        name=short_name(registration.model),
        topic=registration.topic.name,
        key=event.key,
        headers={name: value.decode() for name, value in encode_headers(event)},
        value=json.loads(encode_body(event.data)),
    )


def all_examples() -> dict[str, Example]:
    """Return example by name, such as `message-received.v1`, of every registered type."""
    return {example.name: example for example in map(example_of, REGISTRATIONS)}
