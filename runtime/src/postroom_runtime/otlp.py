"""Spans over OTLP (HTTP, protobuf). Imported only where the extra `traces` is installed and asked for."""

import secrets
from collections.abc import Mapping
from importlib.metadata import version

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags

from postroom_runtime.trail import TraceContext

TIMEOUT_SECONDS = 5
QUEUE = 8192
"""Spans that wait for a slow collector; more are dropped, and nothing waits for them."""


class OtlpSpans:
    """Hands spans to the SDK's own thread, which sends them in batches."""

    def __init__(self, endpoint: str, service: str) -> None:
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=TIMEOUT_SECONDS)
        self._processor = BatchSpanProcessor(exporter, max_queue_size=QUEUE, schedule_delay_millis=1000)
        release = version("postroom-runtime")
        self._resource = Resource(
            {"service.name": f"postroom-{service}", "service.namespace": "postroom", "service.version": release}
        )
        self._scope = InstrumentationScope("postroom", release)

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
        origin = SpanContext(int(context.trace_id, 16), int(context.span_id, 16), not root, TraceFlags(1))
        own = origin if root else SpanContext(origin.trace_id, secrets.randbits(64) or 1, False, TraceFlags(1))
        self._processor.on_end(
            ReadableSpan(
                name=name,
                context=own,
                parent=None if root else origin,
                resource=self._resource,
                attributes=dict(attributes),
                kind=SpanKind.PRODUCER if root else SpanKind.CONSUMER,
                instrumentation_scope=self._scope,
                start_time=min(began_ns, ended_ns),
                end_time=ended_ns,
            )
        )

    def close(self) -> None:
        self._processor.shutdown()  # type: ignore[no-untyped-call]  # the SDK's
