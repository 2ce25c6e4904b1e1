"""Live streams and waits: bounded, ordered, without a gap that is not told."""

import asyncio

from postroom_contracts.events import encode_body
from postroom_desk.domain.logged import LoggedEvent
from postroom_desk.domain.positions import LogPosition, Positions, parse_positions
from postroom_desk.live import Broadcaster, LookAside, Resync

from tests.component.desk.facts import received


def event(partition: int, offset: int, cause: str = "") -> LoggedEvent:
    headers = {"ce_type": "org.postroom.message-received.v1", "ce_causationid": cause, "ce_subject": "c"}
    return LoggedEvent(LogPosition(partition, offset), headers, encode_body(received()), 0)


def drained(
    queue: asyncio.Queue[LoggedEvent | Resync | LookAside | None],
) -> list[LoggedEvent | Resync | LookAside | None]:
    return [queue.get_nowait() for _ in range(queue.qsize())]


async def test_a_stream_gets_what_comes_after_it_began_once() -> None:
    live = Broadcaster()
    live.publish(event(0, 4))
    stream = live.subscribe()
    for item in (event(0, 5), event(1, 0), event(0, 5), event(0, 4)):
        live.publish(item)
    assert [e.position for e in drained(stream.queue) if isinstance(e, LoggedEvent)] == [
        LogPosition(0, 5),
        LogPosition(1, 0),
    ]
    assert str(stream.positions) == "0:4"


async def test_a_slow_stream_is_told_to_read_again_and_holds_no_more_than_its_queue() -> None:
    live = Broadcaster(queue_size=3)
    slow, quick = live.subscribe(), live.subscribe()
    seen = []
    for n in range(4):
        live.publish(event(0, n))
        seen += drained(quick.queue)
    assert len(seen) == 4
    (resync,) = drained(slow.queue)
    assert isinstance(resync, Resync)
    assert str(resync.positions) == "0:3"
    live.publish(event(0, 4))
    assert len(drained(slow.queue)) == 1


async def test_a_wait_ends_with_the_fact_of_its_cause_and_leaves_nothing_behind() -> None:
    live = Broadcaster()
    with live.expect("request-1", lambda _: True) as fact:
        live.publish(event(0, 1, "another"))
        live.publish(event(0, 2, "request-1"))
        found = await fact.within(1)
    assert found is not None
    assert found.position == LogPosition(0, 2)
    assert live._waiting == {}
    with live.expect("request-2", lambda _: True) as fact:
        assert await fact.within(0.01) is None
    assert live._waiting == {}


async def test_only_the_last_causes_are_remembered() -> None:
    live = Broadcaster()
    for n in range(20_010):
        live.publish(event(0, n, f"cause-{n}"))
    assert live.recent("cause-5") == []
    assert [e.position.offset for e in live.recent("cause-20009")] == [20_009]


def test_positions_are_written_and_read_alike() -> None:
    positions = Positions({3: 7, 0: 12})
    assert str(positions) == "0:12,3:7"
    assert parse_positions(str(positions)) == positions
    assert parse_positions("") == Positions()
    assert positions.includes_all(Positions({0: 12}))
    assert not positions.includes_all(Positions({0: 12, 1: 0}))
