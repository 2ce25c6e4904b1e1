"""Checks any Kafka record of ours against the committed JSON Schemas, for every test that reads a topic."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol, Self

from aiokafka import AIOKafkaConsumer
from jsonschema import Draft202012Validator, FormatChecker
from postroom_contracts.events import TYPE_PREFIX, EnvelopeError, attributes_of, body_of, is_structured
from postroom_contracts.registry import BY_TYPE, source_of
from postroom_contracts.topics import GROUPS, TOPICS
from postroom_runtime.kafka import client_options
from postroom_runtime.settings import RuntimeSettings

SCHEMAS = Path(__file__).resolve().parents[1] / "contracts" / "schemas"
ORIGIN_HEADERS = ("origin-topic-id", "origin-topic", "origin-partition", "origin-offset", "reason")
OF_EACH_TYPE = 5
FORMATS = FormatChecker(formats=["date"])


class InvalidRecordError(AssertionError):
    """A record that must not stand on the topic; the message names topic, position and what is wrong."""


class Record(Protocol):
    """What is read of a record: aiokafka's ConsumerRecord has it."""

    @property
    def topic(self) -> str: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Iterable[tuple[str, bytes | None]]: ...


@FORMATS.checks("date-time")
def _is_time(value: object) -> bool:
    pattern = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"
    return not isinstance(value, str) or re.fullmatch(pattern, value) is not None


@FORMATS.checks("time")
def _is_wall_time(value: object) -> bool:
    return not isinstance(value, str) or re.fullmatch(r"\d\d:\d\d(:\d\d(\.\d+)?)?", value) is not None


def validate_record(record: Record) -> None:
    """Raise InvalidRecordError unless headers, key, body and topic of `record` are as the contracts say.

    A dead letter must say where it came from; what was parked because it is malformed is not looked into. A record on a
    replay topic is one of its group's source topics. Records on topics that are not ours are refused.
    """
    problems = list(_problems(record))
    if problems:
        where = f"{record.topic}[{getattr(record, 'partition', '?')}]@{getattr(record, 'offset', '?')}"
        raise InvalidRecordError(f"{where}: " + "; ".join(problems))


@dataclass(frozen=True)
class StructuredRecord:
    """A line of a recorded topic (CloudEvents' JSON form) as the record that it was."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]

    @classmethod
    def of(cls, line: str, topic: str) -> Self:
        attributes: dict[str, Any] = json.loads(line)
        body = json.dumps(attributes.pop("data")).encode()
        headers: list[tuple[str, bytes | None]] = [(f"ce_{k}", str(v).encode()) for k, v in attributes.items()]
        headers.append(("content-type", b"application/json"))
        return cls(topic, str(attributes["partitionkey"]).encode(), body, headers)


async def validate_topics(settings: RuntimeSettings, of_each_type: int = OF_EACH_TYPE) -> None:
    """Raise InvalidRecordError unless what stands on the topics is as the contracts say.

    Also what nobody reads: the first records of each type, topic and source, because one takes 2 ms and the later ones
    are made by the same code.
    """
    seen: Counter[object] = Counter()
    topics = [settings.topic(topic.name) for topic in TOPICS]
    consumer = AIOKafkaConsumer(*topics, **client_options(settings), auto_offset_reset="earliest", fetch_max_wait_ms=50)
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        assert {tp.topic for tp in ends} == set(topics)
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=50)).values():
                for record in records:
                    headers = dict(record.headers)
                    kind = (record.topic, headers.get("ce_type"), headers.get("ce_source"))
                    seen[kind] += 1
                    if seen[kind] <= of_each_type:
                        validate_record(record)
    finally:
        await consumer.stop()


def _problems(record: Record) -> Iterable[str]:
    pairs = list(record.headers)
    raw = dict(pairs)
    if len(raw) != len(pairs):
        yield "a header stands twice"
    allowed = _topics_behind(record.topic)
    if not allowed:
        yield "no topic of ours"
    if record.topic.endswith("-dlq"):
        yield from (f"header {name} is missing" for name in ORIGIN_HEADERS if not raw.get(name))
        return
    if is_structured(raw.get("content-type")):
        yield from (f"header {name} stands beside a structured event" for name in raw if name.startswith("ce_"))
        raw = attributes_of(raw, record.value)
    try:
        headers = {name: value.decode() for name, value in raw.items() if value is not None}
    except UnicodeDecodeError:
        yield "a header is not UTF-8"
        return
    yield from _schema_problems("cloudevents-headers", headers)
    registration = BY_TYPE.get(headers.get("ce_type", ""))
    if registration is None:
        yield f"type {headers.get('ce_type')!r} is not registered"
        return
    if registration.topic.name not in allowed:
        yield f"{registration.model.__name__} does not belong on this topic"
    if headers.get("ce_source") not in [source_of(p) for p in registration.producers]:
        yield f"{headers.get('ce_source')} does not make {registration.model.__name__}"
    if (registration.model.kind == "fact") != ("ce_sequence" in headers):
        yield "facts carry ce_sequence, others do not"
    if record.key is None or record.key.decode(errors="replace") != headers.get("ce_partitionkey"):
        yield "the key is not ce_partitionkey"
    body = record.value
    if body is not None and is_structured(raw.get("content-type")):
        try:
            body = body_of(raw["content-type"], body)
        except EnvelopeError as error:
            yield str(error)
            return
    yield from _body_problems(headers["ce_type"].removeprefix(TYPE_PREFIX), body)


def _body_problems(name: str, value: bytes | None) -> Iterable[str]:
    if value is None:
        yield "the body is null"
        return
    try:
        body = json.loads(value)
    except ValueError:
        yield "the body is not JSON"
        return
    yield from _schema_problems(name, body)


def _topics_behind(topic: str) -> set[str]:
    """Return the names (without prefix) of the topics whose records may stand on `topic`; empty: none of ours."""
    for group in GROUPS:
        if topic.endswith((f"-{group.name}-dlq", f"-{group.name}-replay")) or topic in (
            f"{group.name}-dlq",
            f"{group.name}-replay",
        ):
            return {t.name for t in group.topics}
    names = {r.topic.name for r in BY_TYPE.values()}
    return {name for name in names if topic == name or topic.endswith(f"-{name}")}


def _schema_problems(name: str, value: object) -> Iterable[str]:
    for error in validator(name).iter_errors(value):
        yield f"{name} at {error.json_path}: {error.message[:300]}"


@cache
def validator(name: str) -> Draft202012Validator:
    """Return the validator of the committed schema called `name`, such as `message-received.v1`."""
    schema: Mapping[str, Any] = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=FORMATS)
