"""The trail of a message: one trace whatever repeats, sampled by ratio, nothing while nothing is asked for."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from postroom_contracts.commands import AddNote
from postroom_contracts.events import Event, new_event
from postroom_contracts.values import Actor, ContentReference
from postroom_runtime.records import Incoming, Position
from postroom_runtime.trail import TraceContext, Trail, begun_trace, read_traceparent

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


class Kept:
    def __init__(self) -> None:
        self.spans: list[tuple[str, TraceContext, Mapping[str, str | int], bool]] = []

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
        assert ended_ns >= began_ns
        self.spans.append((name, context, attributes, root))

    def close(self) -> None: ...


def incoming(traceparent: str) -> Incoming:
    data = AddNote(
        actor=Actor(kind="agent", id="a"), message_id="m", content=ContentReference(content_id="c", sha256="0")
    )
    event: Event = new_event(
        data,
        source="/postroom/desk",
        cause_id="cause",
        subject="c1",
        time=NOW,
        traceparent=traceparent,
        correlation_id="k",
    )
    fields: dict[str, Any] = dict.fromkeys(
        ("timestamp_type", "checksum", "serialized_key_size", "serialized_value_size"), 0
    )
    record: ConsumerRecord[Any, Any] = ConsumerRecord(
        topic="t", partition=1, offset=7, timestamp=1, key=b"c1", value=b"", headers=(), **fields
    )
    place = Position("id", 1, 7)
    return Incoming(record, "c1", place, place, event)


def test_the_same_message_has_the_same_trace_and_another_has_another() -> None:
    one = begun_trace("ledger-1", 1.0)
    assert one == begun_trace("ledger-1", 1.0)
    assert one.trace_id != begun_trace("ledger-2", 1.0).trace_id
    assert read_traceparent(one.traceparent) == one


def test_the_ratio_says_how_many_are_sampled() -> None:
    sampled = [begun_trace(f"ledger-{n}", 0.25).sampled for n in range(4000)]
    assert 0.22 < sum(sampled) / 4000 < 0.28
    assert not any(begun_trace(f"ledger-{n}", 0.0).sampled for n in range(100))
    assert all(begun_trace(f"ledger-{n}", 1.0).sampled for n in range(100))


@pytest.mark.parametrize(
    "value", ["", "00", "00-" + "g" * 32 + "-" + "0" * 16 + "-01", "00-" + "0" * 32 + "-" + "0" * 16 + "-01-x", "é"]
)
def test_a_traceparent_of_any_form_is_read(value: str) -> None:
    assert read_traceparent(value) is None


def test_a_handled_record_is_a_child_of_the_message_s_root() -> None:
    trail, kept = Trail(), Kept()
    trail.spans = kept
    root = begun_trace("ledger-1", 1.0)
    trail.handled("router-decide", [incoming(root.traceparent), incoming("")], 5_000_000)
    ((name, context, attributes, is_root),) = kept.spans
    assert (name, context, is_root) == ("router-decide", root, False)
    assert attributes["messaging.kafka.offset"] == 7
    assert attributes["postroom.correlation_id"] == "k"
    assert attributes["postroom.waited_ms"] == 4
    trail.entered("ingest", root.traceparent, 1, {})
    assert kept.spans[1][3] is True


def test_what_is_not_sampled_makes_no_span() -> None:
    trail, kept = Trail(), Kept()
    trail.spans = kept
    trail.handled("desk", [incoming(begun_trace("ledger-1", 0.0).traceparent)], 1)
    assert kept.spans == []


def test_nothing_is_told_and_no_trace_is_begun_while_nothing_is_asked_for() -> None:
    trail = Trail()
    assert not trail.on
    assert trail.begin("ledger-1") == ""
