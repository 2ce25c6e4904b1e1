"""The counts of unread notifications, live: counted at most once a second for all who look, and only while somebody does."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from postroom_runtime.errors import InfrastructureError

from postroom_desk.bell.ports import Counts, NotificationStore
from postroom_desk.live import Broadcaster
from postroom_desk.reading import NotYetError, Reader

INTERVAL_SECONDS = 1.0
TICK_SECONDS = 3.0
"""Counts anew without a fact, too: what somebody has read at another replica is no fact."""
_NONE: Mapping[str, int] = {}


@dataclass(slots=True)
class BellFeed:
    """Counts for one process. Streams wait with `listen`; pages read `unread`."""

    store: NotificationStore
    reader: Reader
    live: Broadcaster
    _counts: Counts = field(default_factory=dict)
    """Of those who look; of whoever has begun to a moment ago not yet."""
    _dirty: asyncio.Event = field(default_factory=asyncio.Event)
    _listeners: list[Callable[[], None]] = field(default_factory=list)
    _agents: Counter[str] = field(default_factory=Counter)

    async def unread(self, agent_id: str, readable: frozenset[str]) -> int:
        """Return how many notifications this agent has not read, of these inboxes. Raises InfrastructureError."""
        return _sum((await self.store.unread([agent_id])).get(agent_id, _NONE), readable)

    def known(self, agent_id: str, readable: frozenset[str]) -> int | None:
        """Return it as it was last counted for the streams; None: not yet."""
        counts = self._counts.get(agent_id)
        return None if counts is None else _sum(counts, readable)

    def touch(self) -> None:
        """Say that a count may have changed."""
        self._dirty.set()

    def listen(self, agent_id: str, listener: Callable[[], None]) -> Callable[[], None]:
        """Have this agent counted, and `listener` called when a count has changed; returns how to end that."""
        self._listeners.append(listener)
        self._agents[agent_id] += 1
        listener()
        self.touch()

        def end() -> None:
            self._listeners.remove(listener)
            self._agents[agent_id] -= 1
            self._agents += Counter()  # forgets whoever looks no more

        return end

    async def follow(self) -> None:
        """Count anew when facts came, until cancelled. Without MongoDB: later."""
        end = self.live.subscribe_quietly(self.touch)
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._dirty.wait(), TICK_SECONDS)
                self._dirty.clear()
                if self._listeners:
                    with contextlib.suppress(InfrastructureError):
                        await self._renew()
                await asyncio.sleep(INTERVAL_SECONDS)
        finally:
            end()

    async def _renew(self) -> None:
        """Count once the read model has what the tail has brought: by then what rings is stored."""
        with contextlib.suppress(NotYetError):
            await self.reader.wait_for(self.live.reached.copy(), INTERVAL_SECONDS)
        before = self._counts
        agents = list(self._agents)
        found = await self.store.unread(agents)
        self._counts = {agent_id: found.get(agent_id, _NONE) for agent_id in agents}
        if self._counts != before:
            for listener in list(self._listeners):
                listener()


def _sum(counts: Mapping[str, int], readable: frozenset[str]) -> int:
    return sum(n for inbox_id, n in counts.items() if inbox_id in readable)
