"""Motor's calls on threads of our own: less is done between a call and its answer than by `concurrent.futures`.

Motor gives every call to a thread pool whose futures have a lock and a condition each, and are chained to the loop's. A
batch makes a dozen calls; at low rates their hand-overs were a fifth of a service's processor time.
"""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

THREADS = 16
"""Calls at a time, at most: more than a service makes; the others wait for a thread."""
_Call = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Callable[[], Any]]


class Threads:
    """Daemon threads, started as they are needed, that carry out calls for event loops."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[_Call] = SimpleQueue()
        self._lock = threading.Lock()
        self._started = 0
        self._busy = 0

    def run(
        self, loop: asyncio.AbstractEventLoop, call: Callable[..., Any], *args: Any, **named: Any
    ) -> "asyncio.Future[Any]":
        """Carry out the call on a thread, with the caller's context; return a future of `loop` for its result."""
        future: asyncio.Future[Any] = loop.create_future()
        context = contextvars.copy_context()
        with self._lock:
            self._busy += 1
            if self._busy > self._started and self._started < THREADS:
                self._started += 1
                threading.Thread(target=self._work, name=f"motor-{self._started}", daemon=True).start()
        self._calls.put((loop, future, lambda: context.run(call, *args, **named)))
        return future

    def _work(self) -> None:
        while True:
            loop, future, call = self._calls.get()
            try:
                result, error = call(), None
            except BaseException as raised:  # noqa: BLE001 - it is the caller's, whatever it is
                result, error = None, raised
            with self._lock:
                self._busy -= 1
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_settle, future, result, error)
            del loop, future, call, result, error


def _settle(future: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


MOTORS_THREADS = Threads()
"""Of this process, for Motor's own calls and for those of `mongo_steps`."""


def use() -> None:
    """Let Motor use these threads. A second call changes nothing."""
    from motor.frameworks import asyncio as framework  # noqa: PLC0415 - only the driver in use is loaded

    if not isinstance(getattr(framework.run_on_executor, "__self__", None), Threads):
        framework.run_on_executor = MOTORS_THREADS.run  # type: ignore[assignment]  # Motor calls it just so
