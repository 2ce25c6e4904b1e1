"""A bad record harms no other: it is parked as it came, the rest of its batch is handled, and commits move on."""

from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.consumer.fetcher import Fetcher, FetchResult
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from postroom_contracts.commands import AddNote
from postroom_contracts.events import encode_body, encode_headers
from postroom_contracts.topics import CONVERSATION_EVENTS
from postroom_runtime.kafka import client_options
from postroom_runtime.parking import Parking

from tests.integration.runtime.support import Bench, check_log, until, until_states
from tests.integration.runtime.test_rebalance import spread
from tests.integration.runtime.toy import GROUP, Toy, note, noted

pytestmark = pytest.mark.connected
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
ORIGIN = {"origin-topic-id", "origin-topic", "origin-partition", "origin-offset", "reason", "detail"}


def encoded(event: Any) -> dict[str, Any]:
    return {"key": event.key.encode(), "value": encode_body(event.data), "headers": encode_headers(event)}


def without(record: dict[str, Any], name: str) -> list[tuple[str, bytes | None]]:
    return [h for h in record["headers"] if h[0] != name]


def bad_records() -> dict[str, dict[str, Any]]:
    """Return records that cannot be read, by what is wrong; all of conversation c1, between good ones."""
    good = encoded(note("c1", "bad", NOW))
    return {
        "header is not UTF-8": {**good, "headers": [*without(good, "ce_source"), ("ce_source", b"\xff\xfe")]},
        "header is null": {**good, "headers": [*without(good, "ce_id"), ("ce_id", None)]},
        "no headers at all": {**good, "headers": []},
        "body is null": {**good, "value": None},
        "key is null": {**good, "key": None},
        "body and headers null": {**good, "value": None, "headers": []},
        "key is not UTF-8": {**good, "key": b"\xc3\x28", "value": b"{"},
        "broken JSON": {**good, "value": b'{"message_id": '},
        "body is not UTF-8": {**good, "value": b"\x80\x81\x82"},
        "deeply nested": {**good, "value": b"[" * 100_000},
        "unknown type": {**good, "headers": [*without(good, "ce_type"), ("ce_type", b"org.postroom.never-heard.v1")]},
        "time is a word": {**good, "headers": [*without(good, "ce_time"), ("ce_time", b"yesterday")]},
        "sequence is a word": {**good, "headers": [*good["headers"], ("ce_sequence", "\u0661".encode())]},
        "as large as Kafka takes": {**good, "value": b"x" * (1_040_000)},
    }


async def test_bad_records_in_mid_batch_are_parked_byte_for_byte_and_harm_no_other(bench: Bench) -> None:
    bad = bad_records()
    async with bench.producer() as producer:
        producer._max_request_size = 2_000_000
        for n, record in enumerate(bad.values()):
            await producer.send_and_wait(bench.commands, **encoded(note("c1", f"m{n}", NOW)), partition=0)
            await producer.send_and_wait(bench.commands, **record, partition=0)
        await producer.send_and_wait(bench.commands, **encoded(note("c1", "last", NOW)), partition=0)
    expected = [*(f"m{n}" for n in range(len(bad))), "last"]
    toy = Toy()
    async with bench.member(toy):
        await until_states(bench, {"c1": expected})
        await until(lambda: _all_committed(bench, 2 * len(bad) + 1), "the last record is committed")
    assert max(toy.decider.batches) >= len(bad), "good and bad ones were to stand in one batch"
    check_log(await bench.effects(), {"c1": expected})
    parked = await bench.records("toy-dlq")
    by_offset = {int(dict(r.headers)["origin-offset"] or b""): r for r in parked}
    assert len(parked) == len(bad)
    for n, (what, record) in enumerate(bad.items()):
        letter = by_offset[2 * n + 1]
        headers = dict(letter.headers)
        assert headers["reason"] == b"permanent", what
        assert headers["origin-topic"] == bench.commands.encode()
        assert headers["origin-partition"] == b"0"
        assert letter.key == record.get("key"), what
        assert letter.value == record["value"], what
        assert [h for h in letter.headers if h[0] not in ORIGIN] == record["headers"], what
    assert bench.holds() == []


async def _all_committed(bench: Bench, offset: int) -> bool:
    return max((await bench.committed()).values(), default=0) == offset


async def test_record_without_key_and_body_is_parked_with_a_marker(bench: Bench) -> None:
    async with bench.producer() as producer:
        # aiokafka refuses such a record, Kafka and other clients do not: what is written here is the batch itself
        builder = producer.create_batch()
        assert builder.append(key=None, value=None, timestamp=None, headers=[("ce_id", b"1")])
        builder.close()
        await producer.send_batch(builder, bench.commands, partition=1)
        await producer.send_and_wait(bench.commands, **encoded(note("c1", "m", NOW)), partition=1)
    async with bench.member():
        await until_states(bench, {"c1": ["m"]})
    (letter,) = await bench.records("toy-dlq")
    assert (letter.key, letter.value) == (None, b"")
    assert dict(letter.headers)["postroom-null"] == b"1"


async def test_permanent_failure_holds_nothing_and_a_bug_holds_its_key_only(bench: Bench) -> None:
    kinds = {"m2": "permanent", "m4": "bug"}
    await bench.publish(note("c1", f"m{n}", NOW, kinds.get(f"m{n}", "fine")) for n in range(7))
    await bench.publish(note("c2", f"n{n}", NOW) for n in range(7))
    async with bench.member():
        await until_states(bench, {"c1": ["m0", "m1", "m3"], "c2": [f"n{n}" for n in range(7)]})
        await until(lambda: _parked(bench, 4), "four are parked")
    reasons = [(dict(r.headers)["reason"], encoded_message(r)) for r in await bench.records("toy-dlq")]
    assert sorted(reasons) == [(b"held", "m5"), (b"held", "m6"), (b"permanent", "m2"), (b"unexpected", "m4")]
    assert [hold["key"] for hold in bench.holds()] == ["c1"]


def encoded_message(record: Any) -> str:
    return AddNote.model_validate_json(record.value).message_id


async def _parked(bench: Bench, count: int) -> bool:
    return len(await bench.records("toy-dlq")) == count


async def test_forged_origin_on_a_source_topic_is_not_believed(bench: Bench) -> None:
    forged = encoded(note("c1", "forged", NOW))
    forged["headers"] += [("origin-offset", b"4000"), ("origin-partition", b"0"), ("origin-topic-id", b"x")]
    marker = {"key": b"c1", "value": b"", "headers": [("postroom-marker", b"9"), ("postroom-discard", b"1")]}
    async with bench.producer() as producer:
        for record in (forged, marker, encoded(note("c1", "next", NOW))):
            await producer.send_and_wait(bench.commands, **record, partition=0)
    async with bench.member():
        await until_states(bench, {"c1": ["forged", "next"]})
        await until(lambda: _parked(bench, 1), "the marker on a source topic is parked as unreadable")
    (document,) = bench.notes().values()
    assert list(document["applied"].values()) == [2]


async def test_event_too_large_to_publish_parks_its_cause_and_leaves_no_gap(bench: Bench) -> None:
    def big(message: str) -> Any:
        return note("c1", message, NOW, "x" * 199)

    toy = Toy()
    many = toy.decider
    large = [f"agent-{n:05}-{'x' * 50}" for n in range(20_000)]

    class Amplify(type(many)):  # type: ignore[misc]
        def decide(self, state: Any, incoming: Any, context: None) -> Any:
            decision = super().decide(state, incoming, context)
            if incoming.the_event.data.message_id == "big":
                emit = decision.emit[0]
                fact = emit.data.model_copy(update={"mentions": large})
                decision.emit[0] = type(emit)(fact)
            return decision

    toy.decider = Amplify()
    await bench.publish([note("c1", "m1", NOW), big("big"), note("c1", "m2", NOW)])
    async with bench.member(toy):
        await until_states(bench, {"c1": ["m1", "m2"]})
    check_log(await bench.effects(), {"c1": ["m1", "m2"]})
    assert [encoded_message(r) for r in await bench.records("toy-dlq")] == ["big"]


async def test_fact_parked_as_permanent_counts_as_seen(bench: Bench) -> None:
    """Whether it cannot be read or its decision says so, and whether its turn had come or not."""
    unreadable = encoded(noted("c1", "m2", NOW, 2)) | {"value": b"{"}
    facts = [encoded(noted("c1", f"m{n}", NOW, n)) for n in (1, 3)]
    early = [
        encoded(noted("c2", "m2", NOW, 2, "permanent")),
        encoded(noted("c2", "m3", NOW, 3)) | {"value": b"["},
        encoded(noted("c2", "m4", NOW, 4)),
        encoded(noted("c2", "m1", NOW, 1)),
        encoded(noted("c2", "m5", NOW, 5, "permanent")),
        encoded(noted("c2", "m6", NOW, 6)),
    ]
    async with bench.producer() as producer:
        for record in (facts[0], unreadable, facts[1], *early):
            await producer.send_and_wait(bench.topic(CONVERSATION_EVENTS.name), **record)
    async with bench.member(Toy(decides=False, follows=True)):
        await until_states(bench, {"c1": ["m1", "m3"], "c2": ["m1", "m4", "m6"]}, collection="followed")
    assert len(await bench.records("toy-followers-dlq")) == 4
    assert bench.holds() == []
    assert all(not d["ahead"] for d in bench.notes("followed").values())


async def test_group_reads_nothing_of_another_groups_replay(bench: Bench) -> None:
    async with bench.member() as runtime:
        (consumer,) = runtime.consumers
        assert {tp.topic for tp in consumer._handle.assignment()} == {
            bench.commands,
            bench.topic(f"{GROUP.name}-replay"),
        }


@pytest.mark.parametrize("late", [False, True], ids=["commits known", "commits still being read"])
async def test_poll_that_fails_at_one_partition_loses_nothing_of_another(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    """aiokafka moves on in the partitions that it had read when another's bytes are found corrupt, and drops their records."""
    read, fetched = FetchResult.getall, Fetcher.fetched_records
    read_before: list[Any] = []
    spoilt: list[FetchResult] = []

    async def one_poll(self: Fetcher, *args: Any, **options: Any) -> Any:
        read_before.clear()
        return await fetched(self, *args, **options)

    def corrupt_once(self: FetchResult, max_records: int | None = None) -> Any:
        if read_before and not spoilt:
            spoilt.append(self)
            raise CorruptRecordException
        found = read(self, max_records)
        read_before.extend(found)
        return found

    load = Parking.load

    async def load_late(self: Parking) -> None:
        await until(lambda: bool(spoilt), "a poll has failed", 5)
        await load(self)

    if late:
        monkeypatch.setattr(Parking, "load", load_late)
    monkeypatch.setattr(Fetcher, "fetched_records", one_poll)
    monkeypatch.setattr(FetchResult, "getall", corrupt_once)
    notes, expected = spread(120, 30)
    await bench.publish(notes)
    async with bench.member():
        await until(lambda: bool(spoilt), "a poll has failed")
        more = [note(key, f"after-{key}", NOW) for key in expected]
        await bench.publish(more)
        for key, messages in expected.items():
            messages.append(f"after-{key}")
        await until_states(bench, expected)
    check_log(await bench.effects(), expected)


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_records_that_another_client_or_a_broker_has_compressed_are_read(bench: Bench, codec: str) -> None:
    """A cluster may be set to compress whatever is written; a codec that is not there stops a consumer for good."""
    producer = AIOKafkaProducer(**client_options(bench.settings), acks="all", compression_type=codec)
    await producer.start()
    try:
        for n in range(3):
            await producer.send_and_wait(bench.commands, **encoded(note("c1", f"m{n}", NOW)))
    finally:
        await producer.stop()
    async with bench.member():
        await until_states(bench, {"c1": ["m0", "m1", "m2"]})


class NotUtf8(str):
    """A header's name as other clients write it."""

    __slots__ = ()

    def encode(self, *_: object) -> bytes:
        return b"\xff" + super().encode()


async def test_header_name_that_is_not_utf8_stops_nothing(bench: Bench) -> None:
    """aiokafka's own consumer would raise at the whole batch, for ever."""
    odd = (NotUtf8("odd"), b"1")
    readable, broken = encoded(note("c1", "m2", NOW)), encoded(note("c1", "m3", NOW)) | {"value": b"{"}
    batch = [encoded(note("c1", "m1", NOW)), readable, broken, encoded(note("c1", "m4", NOW))]
    readable["headers"].append(odd)
    broken["headers"].append(odd)
    async with bench.producer() as producer:
        builder = producer.create_batch()
        builder._builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, 0, 100_000)
        for record in batch:
            assert builder.append(timestamp=None, **record)
        await (await producer.send_batch(builder, bench.commands, partition=0))
    async with bench.member():
        await until_states(bench, {"c1": ["m1", "m2", "m4"]}, 15)
    (letter,) = await bench.records("toy-dlq")
    assert dict(letter.headers)["\\xffodd"] == b"1"
    assert dict(letter.headers)["origin-offset"] == b"2"
