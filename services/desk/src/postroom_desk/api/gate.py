"""What one live stream may show, while it is open: rights change, sessions end, conversations move."""

import asyncio
from dataclasses import dataclass, field

from postroom_contracts.configuration import Configuration
from postroom_runtime.clock import monotonic
from postroom_runtime.errors import InfrastructureError

from postroom_desk.api.guard import Asker, access_for
from postroom_desk.domain.access import Access
from postroom_desk.domain.logged import LoggedEvent
from postroom_desk.domain.permissions import allowed
from postroom_desk.domain.positions import Positions
from postroom_desk.live import LookAside, Resync, Subscription
from postroom_desk.parts import Parts
from postroom_desk.reading import NotYetError

LOOK_SECONDS = 2.0
"""How often a stream looks whether its person would still be let in; a session that ended closes it within 5 s."""
DOUBT_SECONDS = 30.0
"""For how long a stream goes on when that cannot be found out, because MongoDB does not answer."""
KNOWN_SECONDS = 5.0


class GateClosedError(Exception):
    """This person may not follow any longer."""


class Quiet:
    """Nothing has come."""


@dataclass(slots=True)
class Gate:
    """Decides for each fact whether a stream shows it, by the rights of that moment."""

    parts: Parts
    asker: Asker
    conversation_id: str | None = None
    _configuration: Configuration | None = None
    _access: Access | None = None
    _changed: bool = False
    _valid_at: float = field(default_factory=monotonic)
    _looked_at: float = field(default_factory=monotonic)

    async def next(self, subscription: Subscription) -> LoggedEvent | Resync | LookAside | Quiet | None:
        """Return what comes next; at the latest after `LOOK_SECONDS` nothing. Raises GateClosedError."""
        item: LoggedEvent | Resync | LookAside | Quiet | None = Quiet()
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                item = await subscription.queue.get()
        except TimeoutError:
            pass
        await self._look()
        return item

    async def shows(self, event: LoggedEvent) -> bool:
        """Say whether this fact is shown. Raises GateClosedError, and InfrastructureError when that cannot be found out."""
        if self.conversation_id not in (None, event.conversation_id):
            return False
        concerned = await self.parts.inboxes.concerned(event)
        if not concerned:  # the read model is behind: the conversation is in no memory of ours, and not yet in it
            concerned = await self._in_a_moment(event)
        return bool(concerned & self._present().readable)

    def changed(self) -> bool:
        """Say, once, whether other inboxes can be read than before. Raises GateClosedError."""
        self._present()
        changed, self._changed = self._changed, False
        return changed

    def _present(self) -> Access:
        configuration = self.parts.reader.configuration
        if self._access is None or configuration is not self._configuration:
            access = access_for(self.asker.principal, self.parts)
            before = self.asker.access if self._access is None else self._access
            self._changed = self._changed or access.readable != before.readable
            self._configuration, self._access = configuration, access
        if not allowed(self._access, self.asker.operation):
            raise GateClosedError
        return self._access

    async def _look(self) -> None:
        now = monotonic()
        if now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        try:
            if not await self.asker.still_valid():
                raise GateClosedError
            self._valid_at = now
        except InfrastructureError as error:
            if now - self._valid_at > DOUBT_SECONDS:
                raise GateClosedError from error

    async def _in_a_moment(self, event: LoggedEvent) -> frozenset[str]:
        position = Positions({event.position.partition: event.position.offset})
        try:
            await self.parts.reader.wait_for(position, KNOWN_SECONDS)
        except NotYetError:
            return frozenset()
        return await self.parts.inboxes.concerned(event)
