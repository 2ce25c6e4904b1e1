"""The envelope: CloudEvents 1.0 in Kafka's binary mode, or, where a deployment wants it, in structured mode.

Source: CloudEvents 1.0.2 and its Kafka protocol binding 1.0.2, sections 3.2 and 3.3; extensions `partitionkey` and
`sequence` of the CloudEvents extension documents.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter

from postroom_contracts import newer
from postroom_contracts.fields import format_time, to_milliseconds
from postroom_contracts.ids import event_id

TYPE_PREFIX = "org.postroom."
CONTENT_TYPE = b"application/json"
STRUCTURED_TYPE = b"application/cloudevents+json; charset=UTF-8"
_STRUCTURED = b"application/cloudevents"
EventMode = Literal["binary", "structured"]


class Data(BaseModel):
    """The body of a record. Frozen; fields that a newer release added are ignored, `decode` sees to it at every depth.

    `type_name`, `attributes` and the registry (`registry.py`) are derived from the class name.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    version: ClassVar[int] = 1
    kind: ClassVar[Literal["inbound", "command", "fact", "configuration", "state", "presence"]]

    @classmethod
    def type_name(cls) -> str:
        """Return the CloudEvents `type`, such as `org.postroom.message-received.v1`."""
        return _type_name(cls)


@cache
def _type_name(cls: type[Data]) -> str:
    kebab = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", cls.__name__).lower()
    return f"{TYPE_PREFIX}{kebab}.v{cls.version}"


DataT = TypeVar("DataT", bound=Data)


class EnvelopeError(ValueError):
    """A record's headers do not make a CloudEvent of ours; the message names the attribute."""


@dataclass(frozen=True, slots=True)
class Event:
    """One record: attributes and body.

    `subject` is the conversation (on `inbound-messages` the inbox), `key` the record's key and `partitionkey`.
    `sequence` counts 1, 2, 3 ... per conversation and source; None for commands and inbound records.
    """

    id: str
    source: str
    data: Data
    subject: str
    time: datetime
    key: str
    sequence: int | None = None
    correlation_id: str = ""
    causation_id: str = ""
    traceparent: str = ""
    type: str = field(default="")

    def __post_init__(self) -> None:
        if not self.type:
            object.__setattr__(self, "type", type(self.data).type_name())


def new_event(
    data: Data,
    *,
    source: str,
    cause_id: str,
    subject: str,
    time: datetime,
    key: str | None = None,
    sequence: int | None = None,
    correlation_id: str = "",
    traceparent: str = "",
    discriminator: str = "",
) -> Event:
    """Return the event that follows from `cause_id`: the same cause, type and discriminator give the same id."""
    return Event(
        id=event_id(cause_id, type(data).type_name(), discriminator),
        source=source,
        data=data,
        subject=subject,
        time=to_milliseconds(time),
        key=subject if key is None else key,
        sequence=sequence,
        correlation_id=correlation_id or cause_id,
        causation_id=cause_id,
        traceparent=traceparent,
    )


Headers = list[tuple[str, bytes]]


def encode_headers(event: Event) -> Headers:
    """Return the record's headers: `ce_` attributes in UTF-8 and the content type."""
    headers: Headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", event.id.encode()),
        ("ce_source", event.source.encode()),
        ("ce_type", event.type.encode()),
        ("ce_time", format_time(event.time).encode()),
        ("ce_subject", event.subject.encode()),
        ("ce_partitionkey", event.key.encode()),
        ("ce_correlationid", event.correlation_id.encode()),
        ("ce_causationid", event.causation_id.encode()),
        ("content-type", CONTENT_TYPE),
    ]
    if event.sequence is not None:
        headers.append(("ce_sequence", b"%d" % event.sequence))
    if event.traceparent:
        headers.append(("ce_traceparent", event.traceparent.encode()))
    return headers


def encode_body(data: Data) -> bytes:
    """Return the JSON body; absent optional fields are left out. Raises NotWrittenYetError (`newer.py`)."""
    body = data.__pydantic_serializer__.to_json(data, exclude_none=True)
    if newer.NOT_WRITTEN_YET:
        newer.refuse(data.type_name().removeprefix(TYPE_PREFIX), body, newer.NOT_WRITTEN_YET)
    return body


def encode(event: Event, mode: EventMode = "binary") -> tuple[Headers, bytes]:
    """Return headers and body of the record; in structured mode the body is the whole event in JSON.

    The attributes do not stand in the headers then, though section 3.3 allows it: an SDK takes that for binary mode.
    """
    if mode == "binary":
        return encode_headers(event), encode_body(event.data)
    if newer.NOT_WRITTEN_YET:
        encode_body(event.data)  # it refuses in either mode
    whole = as_dict(event)
    if event.sequence is not None:
        whole["sequence"] = str(event.sequence)  # the extension's type is String
    whole["datacontenttype"] = CONTENT_TYPE.decode()
    body = json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()
    return [("content-type", STRUCTURED_TYPE)], body


def is_structured(content_type: bytes | None) -> bool:
    return content_type is not None and content_type.startswith(_STRUCTURED)


def attributes_of(headers: dict[str, bytes | None], body: bytes | None) -> dict[str, bytes | None]:
    """Return the headers as they are in binary mode, whichever mode the record is in.

    What is no CloudEvent gives no attributes: `decode` then names the first that is missing.
    """
    if not is_structured(headers.get("content-type")):
        return headers
    try:
        event = json.loads(body or b"")
        found = {f"ce_{name}": str(value).encode() for name, value in event.items() if name != "data"}
    except (ValueError, AttributeError):
        found = {}
    return headers | found


def body_of(content_type: bytes | None, body: bytes) -> bytes:
    """Return the JSON of the event's data, whichever mode the record is in. Raises EnvelopeError."""
    if not is_structured(content_type):
        return body
    try:
        return json.dumps(json.loads(body)["data"]).encode()
    except (ValueError, KeyError, TypeError) as error:
        raise EnvelopeError("the body is not a CloudEvent in JSON with `data`") from error


_TIME: TypeAdapter[datetime] = TypeAdapter(datetime)


def header(headers: Mapping[str, bytes | None], name: str) -> str:
    """Return the attribute `name` as text. Raises EnvelopeError when it is missing, null or not UTF-8."""
    value = headers.get(name)
    if value is None:
        raise EnvelopeError(f"header {name} is missing")
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise EnvelopeError(f"header {name} is not UTF-8") from error


def optional_header(headers: Mapping[str, bytes | None], name: str) -> str:
    return header(headers, name) if headers.get(name) is not None else ""


def decode(headers: Mapping[str, bytes | None], body: bytes | None, models: Mapping[str, type[Data]]) -> Event:
    """Return the event of a record; `headers` are its headers, in structured mode those of `attributes_of`.

    `models` maps a CloudEvents type to its body's model. Raises EnvelopeError for headers that are not ours or a type
    outside `models`, and pydantic.ValidationError for a body that does not fit.
    """
    type_name = header(headers, "ce_type")
    model = models.get(type_name)
    if model is None:
        raise EnvelopeError(f"type {type_name[:200]!r} is not known here")
    if body is None:
        raise EnvelopeError("the body is null")
    try:
        time = to_milliseconds(_TIME.validate_strings(header(headers, "ce_time")))
    except ValueError as error:
        raise EnvelopeError("header ce_time is not an RFC 3339 time with a zone") from error
    sequence = optional_header(headers, "ce_sequence")
    if sequence and not (sequence.isascii() and sequence.isdigit() and len(sequence) < 16):  # noqa: PLR2004 - fits a double
        raise EnvelopeError("header ce_sequence is not a number")
    return Event(
        id=header(headers, "ce_id"),
        source=header(headers, "ce_source"),
        data=model.__pydantic_validator__.validate_json(  # a newer desk may know more
            body_of(headers.get("content-type"), body), extra="ignore"
        ),
        subject=header(headers, "ce_subject"),
        time=time,
        key=optional_header(headers, "ce_partitionkey"),
        sequence=int(sequence) if sequence else None,
        correlation_id=optional_header(headers, "ce_correlationid"),
        causation_id=optional_header(headers, "ce_causationid"),
        traceparent=optional_header(headers, "ce_traceparent"),
        type=type_name,
    )


def as_dict(event: Event) -> dict[str, Any]:
    """Return the event in CloudEvents' JSON form (structured mode), for people and recorded logs."""
    attributes: dict[str, Any] = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "time": format_time(event.time),
        "subject": event.subject,
        "partitionkey": event.key,
        "correlationid": event.correlation_id,
        "causationid": event.causation_id,
    }
    if event.sequence is not None:
        attributes["sequence"] = event.sequence
    if event.traceparent:
        attributes["traceparent"] = event.traceparent
    attributes["data"] = event.data.model_dump(mode="json", exclude_none=True)
    return attributes
