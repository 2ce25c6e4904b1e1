"""Live streams: what is missed comes first, in order, and once."""

import json
from dataclasses import replace

import pytest
from postroom_contracts.facts import NoteAdded
from postroom_desk.api import streams
from postroom_desk.api.auth import OPEN
from postroom_desk.api.guard import Asker, access_for
from postroom_desk.domain.permissions import Operation
from postroom_desk.domain.positions import LogPosition, Positions

from tests.component.desk.doubles import DeskBench
from tests.component.desk.facts import ANA, CONVERSATION, received, replied


def house(desk: DeskBench) -> Asker:
    return Asker(OPEN, access_for(OPEN, desk.app.state.parts), Operation.FOLLOW_EVENTS)


async def collect(desk: DeskBench, seen: Positions | None, count: int, conversation: str | None = None) -> list[str]:
    """Return the first `count` items as `event or type`@id."""
    found: list[str] = []
    items = streams.events(desk.app.state.parts, house(desk), seen, conversation)
    async for item in items:
        found.append(f"{item.event or item.data['type']}@{item.id}")
        if len(found) == count:
            break
    await items.aclose()  # type: ignore[attr-defined]
    assert desk.live.streams == 0
    return found


async def test_what_was_missed_comes_first_then_what_happens() -> None:
    desk = DeskBench()
    await desk.happens(received(), CONVERSATION)
    await desk.happens(replied(), CONVERSATION)
    await desk.happens(received(), "other", partition=1)
    found = await collect(desk, Positions({0: 0}), 3)
    assert found == ["hello@0:0", "reply-accepted@0:1", "message-received@0:1,1:0"]


async def test_a_first_connection_gets_nothing_old() -> None:
    desk = DeskBench()
    await desk.happens(received(), CONVERSATION)
    items = streams.events(desk.app.state.parts, house(desk), None, None)
    assert (await anext(items)).id == "0:0"
    await desk.happens(replied(), CONVERSATION)
    assert (await anext(items)).data["type"] == "reply-accepted"
    await items.aclose()  # type: ignore[attr-defined]


async def test_who_was_away_for_too_long_is_told_to_read_again() -> None:
    desk = DeskBench()
    await desk.happens(received(), CONVERSATION)
    for n in range(5):
        await desk.happens(NoteAdded(message_id=f"n{n}", actor=ANA, content=received().content), CONVERSATION)
    streams.MAX_CATCH_UP, before = 3, streams.MAX_CATCH_UP
    streams.CHUNK, chunk = 2, streams.CHUNK
    try:
        found = await collect(desk, Positions(), 6)
    finally:
        streams.MAX_CATCH_UP, streams.CHUNK = before, chunk
    assert found[-1] == "resync@0:5"
    assert found[1:5] == ["message-received@0:0", *(f"note-added@0:{n}" for n in (1, 2, 3))]


async def test_a_stream_of_one_conversation_leaves_out_the_others() -> None:
    desk = DeskBench()
    await desk.happens(received(), CONVERSATION)
    await desk.happens(received(), "other")
    await desk.happens(replied(), CONVERSATION)
    found = await collect(desk, Positions(), 3, CONVERSATION)
    assert found == ["hello@", "message-received@0:0", "reply-accepted@0:2"]


async def test_a_read_model_that_stands_still_costs_a_stream_nothing() -> None:
    """As when the replica that folded a partition has died: the tail's memory has what the read model has not."""
    desk = DeskBench()
    await desk.happens(received(), CONVERSATION)
    await desk.happens(replied(), CONVERSATION)
    desk.events.events, desk.events.reached = [], Positions()
    assert await collect(desk, Positions({0: 0}), 2) == ["hello@0:0", "reply-accepted@0:1"]
    assert await collect(desk, Positions(), 3) == ["hello@", "message-received@0:0", "reply-accepted@0:1"]


async def test_what_neither_memory_nor_read_model_has_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "CATCH_UP_SECONDS", 0.05)
    desk = DeskBench()
    desk.live.reached.advance(LogPosition(0, 4))  # where the tail began
    await desk.happens(received(), CONVERSATION)
    desk.live.publish(replace(desk.events.events[0], position=LogPosition(0, 5)))
    desk.events.events, desk.events.reached = [], Positions()
    assert await collect(desk, Positions({0: 3}), 2) == ["hello@0:3", "resync@0:5"]
    assert await collect(desk, Positions({0: 4}), 2) == ["hello@0:4", "message-received@0:5"]


async def test_a_fact_is_made_into_text_once_for_all_streams() -> None:
    desk = DeskBench()
    streamed = [streams.events(desk.app.state.parts, house(desk), None, None) for _ in range(2)]
    for items in streamed:
        await anext(items)
    await desk.happens(received(), CONVERSATION)
    first, second = [(await anext(items)).data for items in streamed]
    assert first.model_dump_json() is second.model_dump_json()
    assert json.loads(first.model_dump_json()) == first
    for items in streamed:
        await items.aclose()  # type: ignore[attr-defined]
