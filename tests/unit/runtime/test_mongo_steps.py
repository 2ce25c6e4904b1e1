"""Steps give the same under both drivers: calls in order, their results and errors, the end."""

import asyncio
import threading
from typing import Any

import pytest
from postroom_runtime.mongo_steps import Steps, in_transaction, in_turn
from pymongo import AsyncMongoClient


class Motors:
    """Stands for an object of Motor's: beneath it is what answers at once."""

    def __init__(self, delegate: Any) -> None:
        self.delegate = delegate


class Calls:
    """Notes what is called; answers at once, or with something to be awaited."""

    def __init__(self, *, awaited: bool) -> None:
        self.awaited = awaited
        self.made: list[str] = []
        self.in_transaction = False
        self.thread: int | None = None

    def call(self, name: str, result: Any = None) -> Any:
        self.thread = threading.get_ident()
        if not self.awaited:
            return self._made(name, result)
        return self._later(name, result)

    async def _later(self, name: str, result: Any) -> Any:
        await asyncio.sleep(0)
        return self._made(name, result)

    def _made(self, name: str, result: Any) -> Any:
        self.made.append(name)
        if isinstance(result, Exception):
            raise result
        return result

    def start_session(self) -> Any:
        return self

    def start_transaction(self, **_: Any) -> Any:
        self.in_transaction = True
        return self.call("start")

    def commit_transaction(self) -> Any:
        self.in_transaction = False
        return self.call("commit")

    def abort_transaction(self) -> Any:
        self.in_transaction = False
        return self.call("abort")

    def end_session(self) -> Any:
        return self.call("end")


@pytest.fixture(params=["motor", "pymongo"])
def calls(request: pytest.FixtureRequest) -> Calls:
    return Calls(awaited=request.param == "pymongo")


async def carried_out(calls: Calls, steps: Any) -> Any:
    """Carry the steps out over `calls` as the driver's kind of object."""
    if not calls.awaited:
        return await in_turn(Motors(calls), steps)
    client: AsyncMongoClient[Any] = AsyncMongoClient("mongodb://127.0.0.1:1", connect=False)
    try:
        return await in_turn(client, lambda _: steps(calls))
    finally:
        await client.close()


def adding(calls: Calls) -> Steps[int]:
    first = yield calls.call("first", 2)
    second = yield calls.call("second", 3)
    return int(first + second)


async def test_calls_are_made_in_order_and_their_results_come_back(calls: Calls) -> None:
    assert await carried_out(calls, adding) == 5
    assert calls.made == ["first", "second"]
    assert (calls.thread == threading.get_ident()) is calls.awaited, "Motor's calls are made on one other thread"


async def test_an_error_can_be_caught_by_the_steps_and_else_comes_out(calls: Calls) -> None:
    def steps(calls: Calls) -> Steps[str]:
        try:
            yield calls.call("fails", LookupError("gone"))
        except LookupError as error:
            again = yield calls.call("again", str(error))
        yield calls.call("fails too", KeyError(again))
        return "never"

    with pytest.raises(KeyError, match="gone"):
        await carried_out(calls, steps)
    assert calls.made == ["fails", "again", "fails too"]


async def test_steps_without_a_call_have_an_outcome_too(calls: Calls) -> None:
    def steps(calls: Calls) -> Steps[int]:
        if calls.made:
            yield calls.call("never")
        return 7

    assert await carried_out(calls, steps) == 7


async def test_a_transaction_commits_at_the_end_and_aborts_on_an_error(calls: Calls) -> None:
    assert await carried_out(calls, lambda c: in_transaction(c, adding)) == 5
    assert calls.made == ["start", "first", "second", "commit", "end"]
    calls.made.clear()

    def failing(calls: Calls) -> Steps[None]:
        yield calls.call("write", ValueError("no"))

    with pytest.raises(ValueError, match="no"):
        await carried_out(calls, lambda c: in_transaction(c, failing))
    assert calls.made == ["start", "write", "abort", "end"]
