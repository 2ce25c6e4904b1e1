"""Presence in this replica: the board, fed by the tail, and the streams that are told when it changes."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from postroom_contracts.configuration import Configuration
from postroom_contracts.events import Event, new_event
from postroom_contracts.presence import AgentPresence
from postroom_contracts.registry import source_of
from postroom_runtime.clock import Clock

from postroom_desk.domain.presence import Board, InboxNow, seen_by

GATHER_SECONDS = 0.1
"""Changes within this time are told together: many who move about cost each stream one look."""


class PresenceLog(Protocol):
    async def publish(self, event: Event) -> None:
        """Put it on `agent-presence`. Raises InfrastructureError within its own deadline."""
        ...


@dataclass(slots=True)
class Presence:
    """Who is where, for one process. Single event loop; nothing of it is stored."""

    log: PresenceLog
    clock: Clock
    inbox_now: InboxNow
    board: Board = field(default_factory=Board)
    _listeners: list[Callable[[], None]] = field(default_factory=list)

    async def say(self, presence: AgentPresence) -> None:
        """Tell all replicas. Raises InfrastructureError."""
        now = self.clock.now()
        cause = f"{presence.console_id} {now.isoformat()}"
        key = presence.agent_id
        await self.log.publish(
            new_event(presence, source=source_of("desk"), cause_id=cause, subject=key, key=key, time=now)
        )

    def take(self, event: Event) -> None:
        """Take a record of the tail."""
        if isinstance(event.data, AgentPresence):
            self.board.take(event.data, event.time, self.clock.now())

    def seen_by(self, readable: frozenset[str], configuration: Configuration) -> Mapping[str, Mapping[str, Any]]:
        return seen_by(self.board, readable, configuration, self.inbox_now)

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` when something has changed; returns how to end that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def follow(self) -> None:
        """Tell who listens of changes, and forget what counts no more, until cancelled."""
        told = self.board.version
        while True:
            self.board.expire(self.clock.now())
            if self.board.version != told:
                told = self.board.version
                for listener in list(self._listeners):
                    listener()
            await asyncio.sleep(GATHER_SECONDS)
