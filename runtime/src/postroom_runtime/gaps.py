"""Gaps in the numbering of facts as a series: a fold keeps what came too early, and somebody must learn of what is missing.

It is read from the documents, so that every replica shows the same, also of a gap that another one found.
"""

import asyncio
from typing import Any

from postroom_runtime.clock import Clock
from postroom_runtime.documents import MongoDocumentStore
from postroom_runtime.metrics import GAP_SECONDS

LOOK_SECONDS = 5.0


async def watch_gaps(service: str, store: MongoDocumentStore[Any], clock: Clock) -> None:
    """Set `postroom_event_gap_oldest_seconds` every few seconds, for ever. Raises InfrastructureError."""
    gauge = GAP_SECONDS.labels(service)
    while True:
        since = await store.gap_since()
        gauge.set(max(0.0, (clock.now() - since).total_seconds()) if since else 0.0)
        await asyncio.sleep(LOOK_SECONDS)
