"""A document is stored and read back as it was."""

from datetime import UTC, datetime

import bson
from bson.codec_options import CodecOptions
from postroom_contracts.fields import UtcTime
from postroom_runtime.documents import Ahead, Document, Pending, from_mongo, to_mongo
from postroom_runtime.kafka import Outgoing
from postroom_runtime.records import Position
from pydantic import BaseModel, ConfigDict

STREAM = "a" * 32
CODEC: CodecOptions[dict[str, object]] = CodecOptions(tz_aware=True, tzinfo=UTC)


class Part(BaseModel):
    model_config = ConfigDict(frozen=True)
    at: UtcTime
    tags: tuple[str, ...] = ()


class State(BaseModel):
    model_config = ConfigDict(frozen=True)
    count: int = 0
    parts: tuple[Part, ...] = ()
    names: dict[str, int] = {}


def pending(offset: int, **more: object) -> Pending:
    record = Outgoing("t", b"k\xff", b"body", [("a", b"\xfe"), ("b", b"")])
    return Pending(Position(STREAM, 2, offset), record)


def document() -> Document[State]:
    moment = datetime(2026, 3, 2, 9, 0, 0, 123000, tzinfo=UTC)
    return Document(
        id="c1",
        state=State(count=3, parts=(Part(at=moment, tags=("x",)),), names={"a.b": 1, "$c": 2}),
        version=7,
        sequence=9,
        applied={f"{STREAM}-2": 41},
        seen={"/postroom/router": 4},
        requests=["r1", "r2"],
        ahead=[
            Ahead("/postroom/router", 6, [("ce_id", b"x")], b"{}", Position(STREAM, 2, 50), "topic"),
            Ahead("/postroom/router", 7, [], None, Position(STREAM, 2, 51), "topic"),
        ],
        out=[pending(40), pending(41)],
    )


def through_bson(stored: dict[str, object]) -> dict[str, object]:
    return bson.decode(bson.encode(stored), codec_options=CODEC)


def test_what_is_stored_is_read_back_equal() -> None:
    before = document()
    after = from_mongo(through_bson(to_mongo(before, 8)), State)
    assert after.version == 8
    assert after.before == before.state
    for name in ("id", "state", "sequence", "applied", "seen", "requests", "ahead", "out"):
        assert getattr(after, name) == getattr(before, name), name
    assert not after.changed
    assert not after.repeated
    assert after.added == []


def test_a_document_that_only_waits_has_no_state() -> None:
    waiting: Document[State] = Document("c1", ahead=document().ahead, changed=True)
    after = from_mongo(through_bson(to_mongo(waiting, 1)), State)
    assert after.state is None
    assert after.ahead == waiting.ahead


def test_a_gap_is_as_old_as_its_first_event_and_over_with_its_last() -> None:
    noon, later = datetime(2026, 3, 2, 12, tzinfo=UTC), datetime(2026, 3, 2, 13, tzinfo=UTC)
    waiting: Document[State] = Document("c1", ahead=document().ahead)
    waiting.note_gap(noon)
    waiting.note_gap(later)
    again = from_mongo(through_bson(to_mongo(waiting, 1)), State)
    assert again.ahead_since == noon
    again.ahead, again.seen = [], {"/postroom/router": 2}
    again.note_gap(later)
    assert to_mongo(again, 2)["ahead_since"] is None


def test_the_last_fifty_requests_are_kept() -> None:
    many = document()
    many.requests = [f"r{n}" for n in range(60)]
    assert from_mongo(to_mongo(many, 1), State).requests == [f"r{n}" for n in range(10, 60)]


def test_pending_output_is_dropped_only_when_its_cause_is_committed() -> None:
    doc = document()
    doc.drop_committed({f"{STREAM}-1": 100})
    assert [p.physical.offset for p in doc.out] == [40, 41]
    doc.drop_committed({f"{STREAM}-2": 41})
    assert [p.physical.offset for p in doc.out] == [41]


def test_a_repeat_publishes_all_that_is_pending_and_else_only_what_is_new() -> None:
    doc = document()
    new = pending(42)
    doc.added = [new]
    assert doc.to_publish() == [new.record]
    doc.out.append(new)
    doc.repeated = True
    assert doc.to_publish() == [p.record for p in doc.out]
