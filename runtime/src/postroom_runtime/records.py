"""From Kafka's records to what a handler sees: each record decoded alone, so that a bad one harms no other."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from aiokafka import ConsumerRecord
from postroom_contracts.events import Data, EnvelopeError, Event, attributes_of, decode
from pydantic import ValidationError

ORIGIN_TOPIC_ID = "origin-topic-id"
ORIGIN_TOPIC = "origin-topic"
ORIGIN_PARTITION = "origin-partition"
ORIGIN_OFFSET = "origin-offset"
REASON = "reason"
DETAIL = "detail"
HOLD = "hold"
MARKER = "postroom-marker"
DISCARD = "postroom-discard"
NULL_RECORD = "postroom-null"
UNREADABLE = ("type ", "body does not fit ")
"""How the detail of a record begins that another release may be able to read; earlier releases wrote it so, too."""
ORIGIN_HEADERS = frozenset(
    {ORIGIN_TOPIC_ID, ORIGIN_TOPIC, ORIGIN_PARTITION, ORIGIN_OFFSET, REASON, DETAIL, HOLD, NULL_RECORD}
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

    @property
    def late(self) -> bool:
        """Whether it was parked as permanent and comes again: its number was counted as seen, so it says nothing now."""
        return self.replayed and self.position == self.physical

    @property
    def origin_topic(self) -> str:
        """The topic on which it first stood, also when it is read from a replay topic."""
        return (_text(header_map(self.record), ORIGIN_TOPIC) if self.replayed else "") or self.record.topic

    def as_skipped(self) -> "Incoming":
        """Return what is left of a record that was parked for good: its number, which counts as seen."""
        event = self.event
        if event is None or event.sequence is None or self.late:
            return self if event is None else replace(self, event=None)
        return replace(self, event=None, skipped_source=event.source, skipped_sequence=event.sequence)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that cannot be decoded, with why; parked as permanent."""

    incoming: Incoming
    reason: str


def header_map(record: ConsumerRecord) -> dict[str, bytes | None]:
    """Return the headers as a mapping, in structured mode with the attributes from the body beside them.

    Of a repeated name the last one counts. Keys that are no text cannot occur.
    """
    return attributes_of(dict(record.headers), record.value)


def _text(headers: Mapping[str, bytes | None], name: str) -> str:
    value = headers.get(name)
    return value.decode("utf-8", "replace") if value else ""


def key_text(record: ConsumerRecord) -> str:
    """Return the record's key as text, undecodable bytes escaped, so that every record has a key of its own."""
    key: Any = record.key
    return "" if key is None else key.decode("utf-8", "backslashreplace")


def is_replay(topic: str) -> bool:
    """Say whether `topic` is a group's replay topic; only there our own headers of parking are believed."""
    return topic.endswith("-replay")


def _origin(headers: Mapping[str, bytes | None], physical: Position) -> Position:
    """Return where a replayed record counts. Raises ValueError when its headers do not say so.

    That is its origin, unless it was parked as permanent: later records of its key went on meanwhile, so that by its
    origin it would always look like a repeat.
    """
    if _text(headers, REASON) == "permanent":
        return physical
    return Position(
        _text(headers, ORIGIN_TOPIC_ID),
        _number(_text(headers, ORIGIN_PARTITION)),
        _number(_text(headers, ORIGIN_OFFSET)),
    )


def _number(text: str) -> int:
    """Return the number that `text` is; more than 15 digits are none. Raises ValueError."""
    if text.isascii() and text.isdigit() and len(text) < 16:  # noqa: PLR2004 - fits a double and MongoDB's integers
        return int(text)
    raise ValueError("not a number")


def read(
    record: ConsumerRecord, models: Mapping[str, type[Data]], topic_ids: Mapping[str, str], ignored: frozenset[bytes]
) -> Incoming | Unreadable | None:
    """Return the decoded record, or why it cannot be, or None for a type in `ignored`. Never raises."""
    headers = header_map(record)
    if headers.get("ce_type") in ignored:
        return None
    key = key_text(record)
    position = physical = Position(topic_ids[record.topic], record.partition, record.offset)
    replayed = is_replay(record.topic)
    if replayed:
        try:
            position = _origin(headers, physical)
        except ValueError:
            return Unreadable(_skipped(record, key, physical, physical, headers, replayed), "origin headers are wrong")
        if DISCARD in headers:
            return _skipped(record, key, position, physical, headers, replayed)
    try:
        event = decode(headers, record.value, models)
    except Exception as error:  # noqa: BLE001 - whatever a stranger's bytes raise is this record's fault alone
        return Unreadable(_skipped(record, key, position, physical, headers, replayed), _reason(error, headers))
    if not key:
        return Unreadable(_skipped(record, key, position, physical, headers, replayed), "the key is null or empty")
    return Incoming(record, key, position, physical, event, replayed)


def _skipped(
    record: ConsumerRecord,
    key: str,
    position: Position,
    physical: Position,
    headers: Mapping[str, bytes | None],
    replayed: bool,
) -> Incoming:
    """Return what can be known of a record without its body: its place, and its number if that can be read."""
    try:
        sequence = _number(_text(headers, "ce_sequence"))
    except ValueError:
        sequence = 0
    return Incoming(record, key, position, physical, None, replayed, _text(headers, "ce_source"), sequence)


def _reason(error: Exception, headers: Mapping[str, bytes | None]) -> str:
    """Return why a record cannot be read, by names and places, without what it says."""
    if isinstance(error, EnvelopeError):
        return str(error)
    if isinstance(error, ValidationError):
        found = error.errors(include_input=False, include_context=False, include_url=False)[:5]
        where = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['type']}" for e in found)
        return f"body does not fit {_text(headers, 'ce_type')[:100]}: {where[:500]}"
    return f"{type(error).__name__} while decoding"
