"""The counts of the folders, live: counted at most once a second for however many look, and only while somebody does."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

from postroom_runtime.clock import monotonic

from postroom_desk.domain.folders import FolderTable
from postroom_desk.live import Broadcaster
from postroom_desk.ports import FolderCounts
from postroom_desk.reading import NotYetError, Reader

INTERVAL_SECONDS = 1.0
TICK_SECONDS = 15.0
"""Counts anew without a fact, too: what people have read on other replicas is no fact."""


@dataclass(slots=True)
class FolderFeed:
    """Counts for one process. Streams wait with `changed`; reads take `current`."""

    source: FolderCounts
    reader: Reader
    live: Broadcaster
    _table: FolderTable = field(default_factory=FolderTable)
    _counted_at: float = float("-inf")
    _counting: asyncio.Lock = field(default_factory=asyncio.Lock)
    _dirty: asyncio.Event = field(default_factory=asyncio.Event)
    _listeners: list[Callable[[FolderTable], None]] = field(default_factory=list)

    async def current(self) -> FolderTable:
        """Return the counts, at most a second old. Raises InfrastructureError."""
        async with self._counting:
            if monotonic() - self._counted_at > INTERVAL_SECONDS:
                await self._count()
            return self._table

    async def _count(self) -> None:
        started = monotonic()
        self._table = await self.source.table()
        self._counted_at = started

    def touch(self) -> None:
        """Say that a count may have changed."""
        self._dirty.set()

    def listen(self, listener: Callable[[FolderTable], None]) -> Callable[[], None]:
        """Call `listener` with each new table; returns how to end that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def follow(self) -> None:
        """Count anew when facts came, until cancelled."""
        subscription = self.live.subscribe_quietly(self.touch)
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._dirty.wait(), TICK_SECONDS)
                self._dirty.clear()
                if self._listeners:
                    await self._renew()
                await asyncio.sleep(INTERVAL_SECONDS)
        finally:
            subscription()

    async def _renew(self) -> None:
        """Count once the read model has what the tail has brought, and tell who listens if anything changed."""
        with contextlib.suppress(NotYetError):
            await self.reader.wait_for(self.live.reached.copy(), INTERVAL_SECONDS)
        before = self._table
        async with self._counting:
            await self._count()
        if self._table != before:
            for listener in list(self._listeners):
                listener(self._table)
