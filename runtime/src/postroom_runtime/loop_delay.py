"""How late the event loop is: all of a service waits while one piece of work does not give the loop back."""

import asyncio

from prometheus_client import Histogram

from postroom_runtime.clock import monotonic

SAMPLE_SECONDS = 0.25
DELAY = Histogram(
    "postroom_event_loop_delay_seconds",
    "How much later than asked the event loop called back; its rate of sum is the share of time in which it was blocked.",
    ["service"],
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


async def measure(service: str) -> None:
    """Sample for ever."""
    delay = DELAY.labels(service)
    while True:
        asked = monotonic() + SAMPLE_SECONDS
        await asyncio.sleep(SAMPLE_SECONDS)
        delay.observe(max(0.0, monotonic() - asked))
