"""Keeps the deadlines by which lists are sorted in step with the configuration.

The fold reckons the deadline of every conversation that it writes. A new version of the configuration moves those of
conversations that nobody touches; a replica that had an older one, or ran an older release, leaves some behind: all are
found by index and reckoned anew.
"""

import asyncio
import contextlib
from dataclasses import dataclass, field

import structlog
from postroom_runtime.configuration_feed import Configurations
from postroom_runtime.errors import InfrastructureError

from postroom_desk.domain.due import Reckoned, due_order
from postroom_desk.domain.view import ConversationView
from postroom_desk.ports import DueDates

log = structlog.get_logger(__name__)
CHUNK = 500
PAUSE_SECONDS = 0.05
"""Between chunks: whoever reads lists goes first."""
SETTLE_SECONDS = 1.0
TICK_SECONDS = 300.0


@dataclass(slots=True)
class DueKeeper:
    """For one process; several do no harm to each other, since an older configuration never goes over a newer one."""

    dates: DueDates
    configurations: Configurations
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def reckon(self, view: ConversationView) -> Reckoned:
        """Return when the reply is due by the newest configuration."""
        return Reckoned(due_order(view, self.configurations.latest), self.configurations.latest_version)

    async def follow(self) -> None:
        """Reckon anew at the start, when the configuration changed, and now and then, until cancelled."""
        self.configurations.on_change.append(self._changed.set)
        while True:
            self._changed.clear()
            with contextlib.suppress(InfrastructureError):  # what is left is found the next time
                await self.renew()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), TICK_SECONDS)
            await asyncio.sleep(SETTLE_SECONDS)

    async def renew(self) -> int:
        """Reckon all that is stale anew; return how many there were. Raises InfrastructureError."""
        count = 0
        while found := await self.dates.stale(self.configurations.latest_version, CHUNK):
            await self.dates.put([(i, version, self.reckon(view)) for i, version, view in found])
            count += len(found)
            await asyncio.sleep(PAUSE_SECONDS)
        if count:
            log.info("deadlines were reckoned anew", conversations=count)
        return count
