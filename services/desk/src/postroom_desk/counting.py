"""Counts that are live: counted at most once a second for however many look, and only while somebody does."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from postroom_runtime.clock import monotonic
from postroom_runtime.errors import InfrastructureError

from postroom_desk.live import Broadcaster
from postroom_desk.reading import NotYetError, Reader

T = TypeVar("T")
INTERVAL_SECONDS = 1.0


@dataclass(slots=True)
class LiveCount(Generic[T]):
    """One count for one process. Streams listen; reads take `current`.

    `tick_seconds`: counted anew after so long without a fact, too, since what people have read at other replicas is none.
    """

    count: Callable[[], Awaitable[T]]
    reader: Reader
    live: Broadcaster
    tick_seconds: float
    latest: T | None = None
    """As it was last counted; None: not yet."""
    _counted_at: float = float("-inf")
    _counting: asyncio.Lock = field(default_factory=asyncio.Lock)
    _dirty: asyncio.Event = field(default_factory=asyncio.Event)
    _listeners: list[Callable[[T], None]] = field(default_factory=list)

    async def current(self) -> T:
        """Return the count, at most a second old. Raises InfrastructureError."""
        async with self._counting:
            if self.latest is None or monotonic() - self._counted_at > INTERVAL_SECONDS:
                return await self._count()
            return self.latest

    async def _count(self) -> T:
        started = monotonic()
        self.latest = counted = await self.count()
        self._counted_at = started
        return counted

    def touch(self) -> None:
        """Say that the count may have changed."""
        self._dirty.set()

    def listen(self, listener: Callable[[T], None]) -> Callable[[], None]:
        """Call `listener` with each count that differs from the one before; returns how to end that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def follow(self) -> None:
        """Count anew when facts came, until cancelled. Without MongoDB: later."""
        end = self.live.subscribe_quietly(self.touch)
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._dirty.wait(), self.tick_seconds)
                self._dirty.clear()
                if self._listeners:
                    with contextlib.suppress(InfrastructureError):
                        await self.renew()
                await asyncio.sleep(INTERVAL_SECONDS)
        finally:
            end()

    async def renew(self) -> None:
        """Count once the read model has what the tail has brought, and tell who listens if anything changed."""
        with contextlib.suppress(NotYetError):
            await self.reader.wait_for(self.live.reached.copy(), INTERVAL_SECONDS)
        before = self.latest
        async with self._counting:
            counted = await self._count()
        if counted != before:
            for listener in list(self._listeners):
                listener(counted)
