"""Whatever bytes stand on a topic, reading them raises nothing."""

from datetime import UTC, datetime

from aiokafka import ConsumerRecord
from hypothesis import given, settings
from hypothesis import strategies as st
from postroom_contracts.commands import AddNote
from postroom_contracts.events import encode_body, encode_headers, new_event
from postroom_contracts.values import Actor, ContentReference
from postroom_runtime.records import Incoming, Unreadable, read

MODELS = {AddNote.type_name(): AddNote}
IDS = {"t": "1" * 32, "g-replay": "2" * 32}
NAMES = [
    *("ce_id", "ce_type", "ce_source", "ce_time", "ce_subject", "ce_partitionkey", "ce_sequence", "content-type"),
    *("origin-offset", "origin-partition", "origin-topic-id", "origin-topic", "reason", "postroom-discard", "hold"),
]
GOOD = new_event(
    AddNote(actor=Actor(kind="agent", id="a"), message_id="m", content=ContentReference(content_id="c", sha256="0")),
    source="/postroom/desk",
    cause_id="r",
    subject="c1",
    time=datetime(2026, 3, 2, tzinfo=UTC),
)


def record(
    headers: list[tuple[str, bytes | None]], body: bytes | None, key: bytes | None = b"c1", topic: str = "t"
) -> ConsumerRecord[bytes, bytes]:
    return ConsumerRecord(topic, 1, 7, 0, 0, key, body, None, 0, 0, tuple(headers))


values = (
    st.none() | st.binary(max_size=40) | st.sampled_from([b"5", b"-5", "\u0665".encode(), b"9" * 5000, b"permanent"])
)
changes = st.dictionaries(st.sampled_from(NAMES), values, max_size=6)
bodies = (
    st.none() | st.binary(max_size=100) | st.just(encode_body(GOOD.data)) | st.just(b"[" * 5000) | st.just(b"1e999999")
)


@settings(max_examples=200, deadline=None)
@given(
    changes, st.sets(st.sampled_from(NAMES)), bodies, st.none() | st.binary(max_size=10), st.sampled_from(sorted(IDS))
)
def test_reading_never_raises(
    changed: dict[str, bytes | None], dropped: set[str], body: bytes | None, key: bytes | None, topic: str
) -> None:
    headers = {**dict(encode_headers(GOOD)), **changed}
    pairs = [(name, value) for name, value in headers.items() if name not in dropped]
    found = read(record(pairs, body, key, topic), MODELS, IDS, frozenset())
    assert isinstance(found, Incoming | Unreadable)
    incoming = found if isinstance(found, Incoming) else found.incoming
    assert 0 <= incoming.position.offset < 10**15
    assert incoming.physical.offset == 7
    if topic == "t":
        assert incoming.position == incoming.physical
        assert not incoming.replayed
    if isinstance(found, Incoming) and found.event is not None:
        assert found.key


@given(st.lists(st.tuples(st.text(max_size=8), values), max_size=12), st.binary(max_size=60))
def test_any_headers_and_bytes_are_parked(headers: list[tuple[str, bytes | None]], body: bytes) -> None:
    assert isinstance(read(record(headers, body), MODELS, IDS, frozenset()), Unreadable)


def test_an_ignored_type_is_skipped_without_a_look_at_the_rest() -> None:
    headers: list[tuple[str, bytes | None]] = [("ce_type", b"org.postroom.other.v1")]
    assert read(record(headers, None, None), MODELS, IDS, frozenset({b"org.postroom.other.v1"})) is None


def test_the_reason_names_fields_but_not_what_they_hold() -> None:
    body = encode_body(GOOD.data).replace(b'"m"', b'{"secret@example.com": "my text"}')
    found = read(record(list(encode_headers(GOOD)), body), MODELS, IDS, frozenset())
    assert isinstance(found, Unreadable)
    assert "message_id" in found.reason
    assert "secret" not in found.reason
    assert "my text" not in found.reason


def test_a_replayed_record_counts_where_it_first_stood_unless_it_was_permanent() -> None:
    origin: list[tuple[str, bytes | None]] = [
        *encode_headers(GOOD),
        ("origin-topic-id", b"1" * 32),
        ("origin-topic", b"t"),
        ("origin-partition", b"1"),
        ("origin-offset", b"3"),
    ]
    held = read(
        record([*origin, ("reason", b"held")], encode_body(GOOD.data), topic="g-replay"), MODELS, IDS, frozenset()
    )
    assert isinstance(held, Incoming)
    assert (held.position.stream, held.position.offset, held.late) == ("1" * 32 + "-1", 3, False)
    assert held.origin_topic == "t"
    late = read(
        record([*origin, ("reason", b"permanent")], encode_body(GOOD.data), topic="g-replay"), MODELS, IDS, frozenset()
    )
    assert isinstance(late, Incoming)
    assert (late.position.stream, late.position.offset, late.late) == ("2" * 32 + "-1", 7, True)
