"""Figures of analytics: remembered for a while, and never waited for twice."""

import asyncio
from collections.abc import Mapping
from typing import Any

from postroom_desk.adapters.http import HttpPeer, RememberedFigures


class SlowFigures:
    def __init__(self) -> None:
        self.asked = 0
        self.open = asyncio.Event()
        self.open.set()

    async def get(self, path: str, query: Mapping[str, str]) -> tuple[int, Any] | None:
        self.asked += 1
        number = self.asked
        await self.open.wait()
        return 200, number


async def test_many_looks_ask_once_and_a_slow_answer_keeps_nobody_waiting() -> None:
    behind = SlowFigures()
    figures = RememberedFigures(behind, seconds=0)
    first = await asyncio.gather(*(figures.get("/summary", {}) for _ in range(5)))
    assert first == [(200, 1)] * 5
    behind.open.clear()
    async with asyncio.timeout(20):
        assert await figures.get("/summary", {}) == (200, 1)
    behind.open.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert await figures.get("/summary", {}) == (200, 2)


async def test_an_answer_is_used_for_its_time() -> None:
    behind = SlowFigures()
    figures = RememberedFigures(behind, seconds=60)
    assert [await figures.get("/summary", {}) for _ in range(3)] == [(200, 1)] * 3
    assert await figures.get("/summary", {"cut": "team"}) == (200, 2)


async def test_nobody_there_is_no_answer() -> None:
    peer = HttpPeer("http://127.0.0.1:9", 1)
    assert await peer.get("/summary", {}) is None
    await peer.close()
    assert await HttpPeer(None, 1).get("/summary", {}) is None
