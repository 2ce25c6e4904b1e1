"""Rings: what facts and agents' doings make of it is decided by the configuration of this moment, and stored."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from postroom_contracts.configuration import Configuration
from postroom_runtime.clock import Clock
from postroom_runtime.errors import InfrastructureError

from postroom_desk.bell.ports import NotificationStore
from postroom_desk.domain.notifications import KEPT_MOST, Ring, told

TRIM_SECONDS = 30.0
_EVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Ringer:
    """Puts notifications into people's lists, which it keeps short. A repeat changes nothing."""

    store: NotificationStore
    configuration: Callable[[], Configuration]
    clock: Clock
    begun_at: datetime = _EVER
    """What happened before rings nothing: a desk that begins with an empty database folds facts of years."""
    _grown: set[str] = field(default_factory=set)
    """Whose lists this process has added to since they were cut."""

    async def ring(self, rings: Iterable[Ring]) -> None:
        """Raises InfrastructureError: then any of them may be stored, and all of it is repeated."""
        found = [ring for ring in rings if ring.at >= self.begun_at]
        if not found:
            return
        notifications = told(found, self.configuration(), self.clock.now())
        await self.store.add(notifications)
        self._grown.update(n.agent_id for n in notifications)

    async def moved(self, conversation_id: str, inbox_id: str) -> None:
        """A conversation went to another inbox: what is about it is seen by that one's readers alone."""
        await self.store.move(conversation_id, inbox_id)

    async def keep_short(self) -> None:
        """Cut the lists that have grown, until cancelled. A list that was not cut in time is cut when it grows again."""
        while True:
            await asyncio.sleep(TRIM_SECONDS)
            grown, self._grown = self._grown, set()
            with contextlib.suppress(InfrastructureError):
                for agent_id in grown:
                    await self.store.trim(agent_id, KEPT_MOST)
