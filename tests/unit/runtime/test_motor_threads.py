"""Calls on threads: results, errors and context come through; a caller that is gone holds up nobody."""

import asyncio
import contextvars
import threading
import time

import pytest
from postroom_runtime.motor_threads import THREADS, Threads

asked_by: contextvars.ContextVar[str] = contextvars.ContextVar("asked_by", default="nobody")


async def test_results_and_errors_come_back_and_the_context_goes_along() -> None:
    threads, loop = Threads(), asyncio.get_running_loop()
    asked_by.set("a test")
    assert await threads.run(loop, lambda a, b: (a, b, asked_by.get()), 1, b=2) == (1, 2, "a test")
    with pytest.raises(ZeroDivisionError):
        await threads.run(loop, lambda: 1 / 0)
    assert await threads.run(loop, threading.current_thread) is not threading.current_thread()


async def test_calls_run_side_by_side_up_to_the_bound_and_the_others_wait_their_turn() -> None:
    threads, loop = Threads(), asyncio.get_running_loop()
    together = threading.Barrier(THREADS)
    first = [threads.run(loop, together.wait, 60) for _ in range(THREADS)]
    later = [threads.run(loop, threading.get_ident) for _ in range(100)]
    assert sorted(await asyncio.gather(*first)) == list(range(THREADS))
    assert len(set(await asyncio.gather(*later))) <= THREADS


async def test_a_cancelled_call_and_a_closed_loop_stop_no_thread() -> None:
    threads, loop = Threads(), asyncio.get_running_loop()
    go_on = threading.Event()
    given_up = threads.run(loop, go_on.wait, 60)
    given_up.cancel()
    other = asyncio.new_event_loop()
    threads.run(other, time.sleep, 0)
    other.close()
    go_on.set()
    assert await asyncio.wait_for(threads.run(loop, lambda: "still here"), 60) == "still here"
