"""Makes races show: a plugin (`make test-jitter`) under which every answer may come late and every process may stand still.

A test that waits for one thing and asserts another passes nearly always on an idle machine. Here calls of MongoDB, answers
of Kafka and requests to our HTTP doors are late by up to `LATE` seconds, each on its own, and processes (servers, services,
browsers, the tests' own) stand still for up to `STILL` seconds, as they do on a machine that others use. What fails here and
not without is a race, in the test or in the product.
"""

import asyncio
import functools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import psutil
import pytest

LATE = 0.3
STILL = 0.8
SELDOM = 0.1
"""How many calls are late at all: all of them would only slow the whole down evenly."""


def delay(dice: random.Random) -> float:
    """Return by how many seconds the next call is late: mostly not at all, seldom much."""
    return dice.random() ** 3 * LATE if dice.random() < SELDOM else 0.0


def late_async(call: Callable[..., Awaitable[Any]], dice: random.Random) -> Callable[..., Awaitable[Any]]:
    """Return `call`, which now and then begins late."""

    @functools.wraps(call)
    async def later(*args: Any, **named: Any) -> Any:
        await asyncio.sleep(delay(dice))
        return await call(*args, **named)

    return later


def make_answers_late(dice: random.Random) -> None:
    """Patch what this process asks others with, and its own HTTP doors."""
    from aiokafka.conn import AIOKafkaConnection
    from postroom_runtime.motor_threads import Threads
    from uvicorn.protocols.http import h11_impl

    ask, run = AIOKafkaConnection.send, Threads.run

    async def late_answer(answer: Awaitable[Any]) -> Any:
        found = await answer
        await asyncio.sleep(delay(dice))
        return found

    def send(self: Any, request: Any, expect_response: bool = True) -> Any:
        answer = ask(self, request, expect_response)
        return asyncio.ensure_future(late_answer(answer)) if expect_response else answer

    def run_late(self: Any, loop: Any, call: Callable[..., Any], *args: Any, **named: Any) -> Any:
        def late() -> Any:
            time.sleep(delay(dice))
            return call(*args, **named)

        return run(self, loop, late)

    AIOKafkaConnection.send = send
    Threads.run = run_late  # type: ignore[method-assign]
    cycle = h11_impl.RequestResponseCycle
    cycle.run_asgi = late_async(cycle.run_asgi, dice)  # type: ignore[assignment, method-assign]


def stop_and_go(root: int, dice: random.Random) -> None:
    """Let one process below `root` after another stand still, until `root` has ended."""
    while psutil.pid_exists(root):
        time.sleep(dice.random() * 0.4)
        for process in dice.sample(found := below(root), min(2, len(found))):
            stand_still(process, dice.random() ** 2 * STILL)


def below(root: int) -> list[psutil.Process]:
    """Return all processes that `root` started, and theirs, without this one and those that a test stopped."""
    with suppress(psutil.Error):
        found = psutil.Process(root).children(recursive=True)
        return [p for p in found if p.pid != os.getpid() and p.status() != psutil.STATUS_STOPPED]
    return []


def stand_still(process: psutil.Process, seconds: float) -> None:
    """Stop the process for `seconds`, whatever else happens meanwhile."""
    with suppress(psutil.Error):
        process.suspend()
        try:
            time.sleep(seconds)
        finally:
            process.resume()


PAUSES: pytest.StashKey["subprocess.Popen[bytes]"] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    """Make answers late where tests run, and processes stand still where the run is led from."""
    seed = int(os.environ.setdefault("JITTER_SEED", str(random.SystemRandom().randrange(1_000_000))))
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    make_answers_late(random.Random(f"{seed}{worker}"))
    if not worker:
        config.stash[PAUSES] = subprocess.Popen([sys.executable, "-m", "tests.jitter", str(os.getpid()), str(seed)])


def pytest_report_header() -> str:
    """Name the seed, with which a run's choices come again (not their moments)."""
    return f"jitter: JITTER_SEED={os.environ['JITTER_SEED']}"


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the pauses; what stands still goes on first."""
    if pauses := config.stash.get(PAUSES, None):
        pauses.terminate()
        pauses.wait(10)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # `stand_still` resumes on its way out
    stop_and_go(int(sys.argv[1]), random.Random(sys.argv[2]))
