"""The trail of each message through the house: OpenTelemetry spans and log lines, both off unless settings ask for them.

All spans of a message have one trace, whose id is made from the message's own: a repeat of any step tells the same story
again, and what is published stays the same however often it is. For the same reason every step is a child of ingest's span:
a chain of random span ids would have to travel in events that must not change.
Source: W3C Trace Context, section 3.2; the OTLP exporter is an optional extra (`postroom-runtime[traces]`).
"""

import hashlib
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from postroom_runtime.records import Incoming
from postroom_runtime.settings import RuntimeSettings

log = structlog.get_logger(__name__)
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_SAMPLED = 1


@dataclass(frozen=True, slots=True)
class TraceContext:
    """The part of a traceparent that spans need. Ids are as in the header: lower-case hexadecimal."""

    trace_id: str
    span_id: str
    sampled: bool

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


def read_traceparent(value: str) -> TraceContext | None:
    """Return what a traceparent says; None for an empty or broken one."""
    found = _TRACEPARENT.fullmatch(value)
    return TraceContext(found[1], found[2], bool(int(found[3], 16) & _SAMPLED)) if found else None


def begun_trace(identifier: str, ratio: float) -> TraceContext:
    """Return the root of a message's trace, the same for the same id; `ratio` of all messages are sampled."""
    digest = hashlib.sha256(f"trace\n{identifier}".encode()).hexdigest()
    sampled = int(digest[16:32], 16) < ratio * 2**64  # the lower half of the trace id, as OpenTelemetry's sampler does
    return TraceContext(digest[:32], digest[32:48], sampled)


class SpanSink(Protocol):
    """Where spans go."""

    def span(
        self,
        name: str,
        context: TraceContext,
        began_ns: int,
        ended_ns: int,
        attributes: Mapping[str, str | int],
        *,
        root: bool = False,
    ) -> None:
        """Take a span. `context` is the root's: the span is its child, or with `root` itself."""
        ...

    def close(self) -> None: ...


class Trail:
    """One per process. With nothing asked for, each call is one comparison."""

    def __init__(self) -> None:
        self.spans: SpanSink | None = None
        self.ratio = 1.0
        self.lines = False

    @property
    def on(self) -> bool:
        return self.spans is not None or self.lines

    def configure(self, settings: RuntimeSettings, service: str) -> None:
        """Begin as the settings say. Raises LookupError naming what to install when spans are asked for and cannot be sent."""
        self.lines = settings.log_messages
        self.ratio = settings.traces_ratio
        if settings.traces_endpoint:
            try:
                from postroom_runtime.otlp import OtlpSpans  # noqa: PLC0415 - an optional extra
            except ImportError as error:
                raise LookupError("POSTROOM_TRACES_ENDPOINT needs `pip install postroom-runtime[traces]`") from error
            self.spans = OtlpSpans(settings.traces_endpoint, service)

    def close(self) -> None:
        """Send what waits, in bounded time."""
        if self.spans is not None:
            self.spans.close()
            self.spans = None

    def begin(self, identifier: str) -> str:
        """Return the traceparent of a message that enters the house; empty while nothing is traced."""
        return begun_trace(identifier, self.ratio).traceparent if self.spans is not None else ""

    def handled(self, group: str, batch: Sequence[Incoming], began_ns: int) -> None:
        """Tell of records that a group has handled since `began_ns` (nanoseconds since the epoch)."""
        for incoming in batch:
            event = incoming.event
            if event is None:
                continue
            if self.lines:
                log.info(
                    "handled",
                    group=group,
                    type=event.type,
                    id=event.id,
                    conversation=event.subject,
                    correlation_id=event.correlation_id,
                    causation_id=event.causation_id,
                )
            self.step(group, event.traceparent, began_ns, self._attributes(incoming, began_ns))

    @staticmethod
    def _attributes(incoming: Incoming, began_ns: int) -> dict[str, str | int]:
        event, record = incoming.the_event, incoming.record
        return {
            "messaging.system": "kafka",
            "messaging.destination.name": record.topic,
            "messaging.destination.partition.id": str(record.partition),
            "messaging.kafka.offset": record.offset,
            "cloudevents.event_id": event.id,
            "cloudevents.event_type": event.type,
            "postroom.conversation_id": event.subject,
            "postroom.correlation_id": event.correlation_id,
            "postroom.waited_ms": max(0, began_ns // 1_000_000 - record.timestamp),
        }

    def step(self, name: str, traceparent: str, began_ns: int, attributes: Mapping[str, str | int]) -> None:
        """Tell of one step of a traced message that ends now."""
        context = read_traceparent(traceparent) if self.spans is not None else None
        if context is not None and context.sampled and self.spans is not None:
            self.spans.span(name, context, began_ns, time.time_ns(), attributes)

    def entered(self, name: str, traceparent: str, began_ns: int, attributes: Mapping[str, str | int]) -> None:
        """Tell of the root: the message has been taken in and is published."""
        context = read_traceparent(traceparent) if self.spans is not None else None
        if context is not None and context.sampled and self.spans is not None:
            self.spans.span(name, context, began_ns, time.time_ns(), attributes, root=True)


trail = Trail()
"""The process's own."""

__all__: list[Any] = ["TraceContext", "Trail", "begun_trace", "read_traceparent", "trail"]
