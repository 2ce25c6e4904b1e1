"""Counts of the overview: asked once for many, and less often where counting takes long."""

import asyncio
from typing import Any, cast

import pytest
from postroom_desk import reading
from postroom_desk.reading import Reader


class SlowCounts:
    """Counts as a million conversations do: each time the clock goes on by `takes` seconds."""

    def __init__(self, takes: float) -> None:
        self.now, self.takes, self.asked = 100.0, takes, 0

    async def counts(self) -> list[Any]:
        self.asked += 1
        await asyncio.sleep(0)
        self.now += self.takes
        return []


@pytest.fixture
def reader_of(monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(counted: SlowCounts) -> Reader:
        monkeypatch.setattr(reading, "monotonic", lambda: counted.now)
        none: Any = cast("Any", None)
        return Reader(cast("Any", counted), none, none, none, 1.0)

    return make


async def asked(reader: Reader, counted: SlowCounts, seconds_later: float, *, fresh: bool = False) -> int:
    counted.now += seconds_later
    before = counted.asked
    await reader.counts(frozenset(), fresh=fresh)
    return counted.asked - before


async def test_what_is_cheap_is_counted_again_after_a_third_of_a_second(reader_of: Any) -> None:
    counted = SlowCounts(takes=0.001)
    reader = reader_of(counted)
    assert await asked(reader, counted, 0) == 1
    assert await asked(reader, counted, 0.2) == 0
    assert await asked(reader, counted, 0.2) == 1


async def test_what_takes_a_second_is_counted_again_after_ten(reader_of: Any) -> None:
    counted = SlowCounts(takes=1)
    reader = reader_of(counted)
    await asked(reader, counted, 0)
    assert await asked(reader, counted, 8) == 0
    assert await asked(reader, counted, 2) == 1


async def test_who_names_a_position_gets_what_was_counted_after_it(reader_of: Any) -> None:
    counted = SlowCounts(takes=1)
    reader = reader_of(counted)
    await asked(reader, counted, 0)
    assert await asked(reader, counted, 0, fresh=True) == 1


async def test_many_at_once_are_one_query(reader_of: Any) -> None:
    counted = SlowCounts(takes=0.001)
    reader = reader_of(counted)
    await asyncio.gather(*(reader.counts(frozenset()) for _ in range(50)))
    assert counted.asked == 1
