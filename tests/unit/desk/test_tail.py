"""The tail misses nothing, whatever the client does after an error."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaConnectionError
from postroom_contracts.events import encode_body, encode_headers, new_event
from postroom_desk.adapters import tail
from postroom_desk.adapters.tail import KafkaTail
from postroom_desk.live import Broadcaster
from postroom_runtime.settings import RuntimeSettings

from tests.component.desk.facts import at, received

TP = TopicPartition("events", 0)


def record(offset: int) -> Any:
    event = new_event(
        received(f"m{offset}"),
        source="/postroom/router",
        cause_id=str(offset),
        subject="c",
        time=at("15:00"),
        sequence=1,
    )
    headers = tuple(encode_headers(event))
    return ConsumerRecord("events", 0, offset, 0, 0, b"c", encode_body(event.data), 0, 0, 0, headers)


class Client:
    """A consumer whose polls give what a test says; a seek is followed as a broker with records 0 to 9 would."""

    def __init__(self, *polls: list[int] | Exception) -> None:
        self._polls = list(polls)
        self.seeks: list[int] = []

    async def getmany(self, timeout_ms: int) -> Mapping[TopicPartition, list[Any]]:
        del timeout_ms
        if not self._polls:
            raise asyncio.CancelledError
        poll = self._polls.pop(0)
        if isinstance(poll, Exception):
            raise poll
        return {TP: [record(offset) for offset in poll]}

    def seek(self, tp: TopicPartition, offset: int) -> None:
        assert tp == TP
        self.seeks.append(offset)


async def taken(monkeypatch: pytest.MonkeyPatch, client: Client) -> list[int]:
    monkeypatch.setattr(tail, "ERROR_SECONDS", 0.0)
    live = Broadcaster()
    stream = live.subscribe()
    follower = KafkaTail(RuntimeSettings(), live)
    follower._consumer = client
    follower._next[TP] = 1
    with pytest.raises(asyncio.CancelledError):
        await follower.follow()
    found = []
    while not stream.queue.empty():
        item = stream.queue.get_nowait()
        found.append(item.position.offset)  # type: ignore[union-attr]
    return found


async def test_after_an_error_it_goes_on_behind_what_was_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client([1, 2], KafkaConnectionError(), [3, 4])
    assert await taken(monkeypatch, client) == [1, 2, 3, 4]
    assert client.seeks == [3]


async def test_a_client_that_went_to_the_end_by_itself_is_brought_back(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client([1], [5, 6], [2, 3, 4, 5, 6], [7])
    assert await taken(monkeypatch, client) == [1, 2, 3, 4, 5, 6, 7]
    assert client.seeks == [2]


async def test_what_the_broker_does_not_have_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client([1], [5], [5, 6], [7])
    assert await taken(monkeypatch, client) == [1, 5, 6, 7]
