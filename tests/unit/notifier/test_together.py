"""What tasks ask at the same time goes as one call, and each learns what became of its own."""

import asyncio
from collections.abc import Sequence

import pytest
from postroom_notifier.webhooks.together import Together


class Store:
    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.go_on = asyncio.Event()

    async def carry_out(self, items: Sequence[int]) -> None:
        self.calls.append(list(items))
        await self.go_on.wait()
        if 13 in items:
            raise ConnectionError("away")


async def test_what_comes_while_a_call_is_under_way_goes_together_in_the_next() -> None:
    store = Store()
    together: Together[int] = Together(store.carry_out)
    first = asyncio.create_task(together.put(1))
    while not store.calls:
        await asyncio.sleep(0)
    others = [asyncio.create_task(together.put(n)) for n in (2, 3, 4)]
    await asyncio.sleep(0)
    store.go_on.set()
    await asyncio.gather(first, *others)
    assert store.calls == [[1], [2, 3, 4]]
    await together.put(5)
    assert store.calls[-1] == [5]


async def test_an_error_goes_to_those_of_its_call_alone() -> None:
    store = Store()
    store.go_on.set()
    together: Together[int] = Together(store.carry_out)
    with pytest.raises(ConnectionError):
        await together.put(13)
    await together.put(1)


async def test_one_that_is_cancelled_takes_nobody_with_it() -> None:
    store = Store()
    together: Together[int] = Together(store.carry_out)
    tasks = [asyncio.create_task(together.put(n)) for n in (1, 2)]
    while not store.calls:
        await asyncio.sleep(0)
    tasks[0].cancel()
    store.go_on.set()
    await asyncio.wait_for(tasks[1], 20)
    assert tasks[0].cancelled() or tasks[0].cancelling()
