"""Folds and batches over doubles: repeats, conflicts, numbers, and what is put aside."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from postroom_contracts.commands import AddNote
from postroom_contracts.events import decode, encode_body, encode_headers
from postroom_contracts.facts import NoteAdded
from postroom_contracts.values import ContentReference
from postroom_runtime.batch import BatchWork, BreakerOpenError
from postroom_runtime.breaker import Breaker
from postroom_runtime.clock import ManualClock
from postroom_runtime.documents import Document, Emit, InMemoryDocumentStore
from postroom_runtime.errors import ConflictError, InfrastructureError
from postroom_runtime.fold import Fold
from postroom_runtime.kafka import Outgoing, Publisher
from postroom_runtime.records import Incoming, read
from postroom_runtime.settings import RuntimeSettings

from tests.integration.runtime.toy import ANN, CountNotes, Notes, note, noted

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
TOPIC = "postroom-conversation-commands"


class RecordingPublisher(Publisher):
    """Keeps what is published; fails when told to."""

    def __init__(self) -> None:
        super().__init__(RuntimeSettings(topic_prefix="postroom-"))
        self.sent: list[Outgoing] = []
        self.fails: BaseException | None = None

    async def publish(self, records: Any, *, max_bytes: int = 0) -> None:
        if self.fails is not None:
            raise self.fails
        self.sent += records

    @property
    def numbers(self) -> list[tuple[str, int]]:
        found = [(r.key, dict(r.headers)["ce_sequence"]) for r in self.sent]
        return [((key or b"").decode(), int(number)) for key, number in found]


class RecordingParking:
    """Keeps what is parked and held."""

    def __init__(self) -> None:
        self.parked: list[tuple[int, str]] = []
        self.held: list[str] = []

    def must_wait(self, incoming: Incoming) -> bool:
        return incoming.key in self.held

    def stands_in_order(self, _: Incoming) -> bool:
        return True

    async def park(self, incoming: Incoming, reason: str, _: str) -> None:
        self.parked.append((incoming.record.offset, reason))

    async def hold(self, incoming: Incoming) -> None:
        self.held.append(incoming.key)

    async def park_behind(self, waiting: Sequence[Incoming]) -> None:
        self.parked += [(i.record.offset, "held") for i in waiting]


class Bench:
    def __init__(self, decider: Any = None) -> None:
        self.publisher = RecordingPublisher()
        self.parking = RecordingParking()
        self.store = InMemoryDocumentStore(Notes)
        self.breaker = Breaker()
        self.committed: dict[str, int] = {}
        self.fold: Fold[Notes, None] = Fold(
            service="router",
            decider=decider or CountNotes(),
            store=self.store,
            publisher=self.publisher,
            clock=ManualClock(NOW),
            models={AddNote.type_name(): AddNote},
        )
        self.work = BatchWork(
            group="unit",
            handler=self.fold,
            parking=self.parking,  # type: ignore[arg-type]
            breaker=self.breaker,
            topic_ids={TOPIC: "1" * 32},
            committed=self.committed,
            ignored_types=frozenset(),
        )

    def ids(self, key: str) -> list[str]:
        found: list[str] = self.store.stored[key]["state"]["ids"]
        return found


def records(*notes: tuple[str, str] | tuple[str, str, str], start: int = 0) -> list[ConsumerRecord[Any, Any]]:
    made = []
    for n, (key, message, *kind) in enumerate(notes):
        event = note(key, message, NOW, *kind)
        headers = tuple(encode_headers(event))
        made.append(
            ConsumerRecord(TOPIC, 0, start + n, 0, 0, key.encode(), encode_body(event.data), None, 0, 0, headers)
        )
    return made


async def test_a_repeated_batch_publishes_the_same_again_and_decides_nothing() -> None:
    bench = Bench()
    batch = records(("c1", "a"), ("c2", "b"), ("c1", "c"))
    await bench.work.carry_out(batch)
    first = list(bench.publisher.sent)
    assert bench.publisher.numbers == [("c1", 1), ("c1", 2), ("c2", 1)]
    stored = dict(bench.store.stored)
    await bench.work.carry_out(batch)
    assert bench.publisher.sent == first * 2
    assert bench.store.stored == stored


async def test_what_was_saved_but_not_published_is_published_by_the_repeat_in_order() -> None:
    bench = Bench()
    bench.publisher.fails = InfrastructureError("away")
    with pytest.raises(InfrastructureError):
        await bench.work.carry_out(records(("c1", "a"), ("c1", "b")))
    bench.publisher.fails = None
    await bench.work.carry_out(records(("c1", "a"), ("c1", "b"), ("c1", "c")))
    assert bench.publisher.numbers == [("c1", 1), ("c1", 2), ("c1", 3)]
    assert bench.ids("c1") == ["a", "b", "c"]


async def test_one_request_at_two_offsets_is_decided_once() -> None:
    bench = Bench()
    await bench.work.carry_out(records(("c1", "a"), ("c1", "a"), ("c1", "b")))
    await bench.work.carry_out(records(("c1", "a"), start=3))
    assert bench.ids("c1") == ["a", "b"]


async def test_output_of_committed_records_is_dropped_at_the_next_write() -> None:
    bench = Bench()
    await bench.work.carry_out(records(("c1", "a"), ("c1", "b")))
    bench.committed[f"{'1' * 32}-0"] = 2
    await bench.work.carry_out(records(("c1", "c"), start=2))
    assert [p["p"][2] for p in stored_out(bench.store.stored["c1"])] == [2]


def stored_out(document: Mapping[str, Any]) -> list[Any]:
    found: list[Any] = document["out"]
    return found


async def test_a_writer_that_was_faster_makes_us_decide_again() -> None:
    class Overtaken(CountNotes):
        done = False

        async def before_save(self, documents: Any, context: None) -> None:
            if not self.done:
                self.done = True
                await other.work.carry_out(records(("c1", "x"), start=5))

    bench, other = Bench(decider := Overtaken()), Bench()
    other.store = bench.store
    other.fold._store = bench.store
    await bench.work.carry_out(records(("c1", "a"), ("c1", "b"), start=6))
    assert decider.done
    assert bench.ids("c1") == ["x", "a", "b"]
    assert bench.publisher.numbers == [("c1", 2), ("c1", 3)]


async def test_conflicts_without_end_are_waited_for() -> None:
    class Always(CountNotes):
        async def before_save(self, documents: Any, context: None) -> None:
            raise ConflictError("again")

    bench = Bench(Always())
    with pytest.raises(InfrastructureError):
        await bench.work.carry_out(records(("c1", "a")))
    assert bench.parking.parked == []


async def test_a_bug_puts_its_key_aside_in_order_and_no_other() -> None:
    bench = Bench()
    await bench.work.carry_out(
        records(("c1", "a"), ("c2", "b"), ("c1", "x", "bug"), ("c1", "c"), ("c2", "d"), ("c1", "e", "permanent"))
    )
    assert bench.parking.parked == [(2, "unexpected"), (3, "held"), (5, "held")]
    assert bench.parking.held == ["c1"]
    assert (bench.ids("c1"), bench.ids("c2")) == (["a"], ["b", "d"])


async def test_when_the_breaker_opens_nothing_of_the_batch_is_parked() -> None:
    bench = Bench()
    with pytest.raises(BreakerOpenError):
        await bench.work.carry_out(records(*((f"c{n}", "x", "bug") for n in range(40))))
    assert bench.parking.parked == []
    assert bench.parking.held == []


async def test_what_is_saved_is_never_parked_as_permanent() -> None:
    """Its number is given: it must go out, so its key waits until what hinders it is mended."""
    from postroom_runtime.errors import PermanentError

    bench = Bench()
    bench.publisher.fails = PermanentError("too large for its topic")
    await bench.work.carry_out(records(("c1", "a")))
    assert bench.parking.parked == [(0, "unexpected")]
    assert bench.parking.held == ["c1"]
    bench.publisher.fails = None
    bench.parking.held.clear()
    await bench.work.carry_out(records(("c1", "a")))
    assert bench.publisher.numbers == [("c1", 1)]


class Concluding(CountNotes):
    """Tells what the batch made of a document, as the desk tells of a conversation's state."""

    def conclude(self, document: Document[Notes]) -> Emit | None:
        if document.state is None or document.state == document.before:
            return None
        content = ContentReference(content_id=f"{document.state.count} notes", sha256="0")
        return Emit(AddNote(actor=ANN, message_id="m", content=content), key="told")


async def test_what_a_given_up_fact_lets_through_is_concluded_too() -> None:
    """It waited for a missing one; the record that gives that one up is the only one of its batch."""
    bench = Bench()
    fold: Fold[Notes, None] = Fold(
        service="desk",
        decider=Concluding(),
        store=bench.store,
        publisher=bench.publisher,
        clock=ManualClock(NOW),
        models={NoteAdded.type_name(): NoteAdded},
    )

    def fact(sequence: int) -> Incoming:
        event = noted("c1", f"m{sequence}", NOW, sequence)
        body, headers = encode_body(event.data), tuple(encode_headers(event))
        record = ConsumerRecord(TOPIC, 0, sequence, 0, 0, b"c1", body, None, 0, 0, headers)
        found = read(record, fold.models, {TOPIC: "1" * 32}, frozenset())
        assert isinstance(found, Incoming)
        return found

    for batch in ([fact(1)], [fact(3)], [fact(2).as_skipped()]):
        await fold.handle(batch, {})
    told = [decode(dict(r.headers), r.body or b"", {AddNote.type_name(): AddNote}).data for r in bench.publisher.sent]
    assert [data.content.content_id for data in told if isinstance(data, AddNote)] == ["1 notes", "2 notes"]
    assert bench.ids("c1") == ["m1", "m3"]
