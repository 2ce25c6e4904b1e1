"""From Kafka's records to what a handler sees: each record decoded alone, so that a bad one harms no other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka import ConsumerRecord
from postroom_contracts.events import Data, EnvelopeError, Event, decode
from pydantic import ValidationError

ORIGIN_TOPIC_ID = "origin-topic-id"
ORIGIN_TOPIC = "origin-topic"
ORIGIN_PARTITION = "origin-partition"
ORIGIN_OFFSET = "origin-offset"
REASON = "reason"
DETAIL = "detail"
MARKER = "postroom-marker"
DISCARD = "postroom-discard"
NULL_RECORD = "postroom-null"
ORIGIN_HEADERS = frozenset(
    {ORIGIN_TOPIC_ID, ORIGIN_TOPIC, ORIGIN_PARTITION, ORIGIN_OFFSET, REASON, DETAIL, NULL_RECORD}
)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a record stands: Kafka's id of the topic, partition, offset."""

    topic_id: str
    partition: int
    offset: int

    @property
    def stream(self) -> str:
        """The key under which a document keeps its position: one partition of one topic."""
        return f"{self.topic_id}-{self.partition}"


@dataclass(frozen=True, slots=True)
class Incoming:
    """One record for a handler.

    `position` is where it counts (a replayed record: its origin), `physical` where it was read. `event` is None for a
    record that was parked or discarded: only its `skipped` sequence is to be noted.
    """

    record: ConsumerRecord
    key: str
    position: Position
    physical: Position
    event: Event | None
    replayed: bool = False
    skipped_source: str = ""
    skipped_sequence: int = 0

    @property
    def the_event(self) -> Event:
        assert self.event is not None
        return self.event


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that cannot be decoded, with why; parked as permanent."""

    incoming: Incoming
    reason: str


def header_map(record: ConsumerRecord) -> dict[str, bytes | None]:
    """Return the headers as a mapping; of a repeated name the last one counts. Keys that are no text cannot occur."""
    return dict(record.headers)


def _text(headers: Mapping[str, bytes | None], name: str) -> str:
    value = headers.get(name)
    return value.decode("utf-8", "replace") if value else ""


def key_text(record: ConsumerRecord) -> str:
    """Return the record's key as text, undecodable bytes escaped, so that every record has a key of its own."""
    key: Any = record.key
    return "" if key is None else key.decode("utf-8", "backslashreplace")


def positions(
    record: ConsumerRecord, headers: Mapping[str, bytes | None], topic_ids: Mapping[str, str]
) -> tuple[Position, Position, bool]:
    """Return (where it counts, where it was read, whether it is a replay).

    A replayed record counts with its origin unless it was parked as permanent: later records of its key went on
    meanwhile, so that by its origin it would always look like a repeat.
    """
    physical = Position(topic_ids[record.topic], record.partition, record.offset)
    origin_offset = _text(headers, ORIGIN_OFFSET)
    if not origin_offset:
        return physical, physical, False
    if _text(headers, REASON) == "permanent":
        return physical, physical, True
    origin = Position(_text(headers, ORIGIN_TOPIC_ID), int(_text(headers, ORIGIN_PARTITION)), int(origin_offset))
    return origin, physical, True


def read(
    record: ConsumerRecord, models: Mapping[str, type[Data]], topic_ids: Mapping[str, str], ignored: frozenset[bytes]
) -> Incoming | Unreadable | None:
    """Return the decoded record, or why it cannot be, or None for a type in `ignored`. Never raises."""
    headers = header_map(record)
    if headers.get("ce_type") in ignored:
        return None
    key = key_text(record)
    try:
        position, physical, replayed = positions(record, headers, topic_ids)
    except ValueError:
        here = Position(topic_ids[record.topic], record.partition, record.offset)
        return Unreadable(Incoming(record, key, here, here, None), "origin headers are not numbers")
    sequence = _text(headers, "ce_sequence")
    skipped = Incoming(
        record,
        key,
        position,
        physical,
        None,
        replayed,
        _text(headers, "ce_source"),
        int(sequence) if sequence.isascii() and sequence.isdigit() and len(sequence) < 16 else 0,  # noqa: PLR2004
    )
    if DISCARD in headers:
        return skipped
    try:
        event = decode(headers, record.value, models)
    except ValidationError as error:
        where = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['type']}" for e in error.errors(include_input=False)[:5])
        return Unreadable(skipped, f"body does not fit {_text(headers, 'ce_type')[:100]}: {where[:500]}")
    except EnvelopeError as error:
        return Unreadable(skipped, str(error))
    except Exception as error:  # noqa: BLE001 - whatever a stranger's bytes raise is this record's fault alone
        return Unreadable(skipped, f"{type(error).__name__} while decoding")
    if not key:
        return Unreadable(skipped, "the key is null")
    return Incoming(record, key, position, physical, event, replayed)
