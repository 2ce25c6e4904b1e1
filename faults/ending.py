"""How a run ends: when it is done, when it takes too long, or by a signal, each time in order, so that no server stays behind."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable


def run_to_its_end(main: Callable[[], Awaitable[int]], seconds: float, say: Callable[[str], None]) -> int:
    """Return the exit status of `main()`; 1 when it did not end within so many seconds, 130 after a signal."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it complains while the broker is away, as it must
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        task = loop.create_task(within(seconds, main(), say))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        try:
            return loop.run_until_complete(task)
        except asyncio.CancelledError:
            say("stopped")
            return 130


async def within(seconds: float, run: Awaitable[int], say: Callable[[str], None]) -> int:
    """Return the run's exit status; 1 when it did not end in time, after it was stopped in order."""
    try:
        async with asyncio.timeout(seconds) as limit:
            return await run
    except TimeoutError:
        if not limit.expired():
            raise
        say(f"not done within {seconds:.0f} s, stopped")
        return 1
