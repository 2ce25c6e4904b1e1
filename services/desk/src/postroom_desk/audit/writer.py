"""One replica's way into the audit: a bounded queue and one task that appends what has come, many entries at a time."""

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog
from postroom_contracts.ids import derived_id
from postroom_runtime.clock import Clock
from postroom_runtime.errors import InfrastructureError

from postroom_desk.audit.chain import Link, fields_of
from postroom_desk.audit.port import AuditFullError, Entry

log = structlog.get_logger(__name__)
WINDOW_SECONDS = 300
"""Reads of the same thing by the same person within one such span of the clock are one entry."""
MOST_AT_ONCE = 500
PAUSE_SECONDS = 0.5
"""Between attempts while MongoDB does not answer."""
_NOTED = 50_000


class AuditStore(Protocol):
    async def append(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Append these in order, each id once. Raises InfrastructureError; may be repeated."""
        ...


@dataclass(slots=True)
class _Waiting:
    fields: Link
    written: asyncio.Future[None] | None


@dataclass(slots=True)
class QueuedAudit:
    """Port AuditLog. `capacity`: entries that may wait; `seconds`: how long `record` waits for its entry."""

    store: AuditStore
    clock: Clock
    capacity: int = 10_000
    seconds: float = 5.0
    _queue: list[_Waiting] = field(default_factory=list)
    _noted: OrderedDict[str, None] = field(default_factory=OrderedDict)
    _some: asyncio.Event = field(default_factory=asyncio.Event)
    _flushing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def record(self, entry: Entry) -> None:
        if len(self._queue) >= self.capacity:
            raise AuditFullError("the audit is full: MongoDB does not take what waits")
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._put(entry, uuid.uuid4().hex, written)
        done, _ = await asyncio.wait({written}, timeout=self.seconds)
        if not done:
            written.cancel()  # it stays in the queue and will be written: rather too much than too little
            raise InfrastructureError("the audit was not written in time")

    def note(self, entry: Entry) -> None:
        window = int(self.clock.now().timestamp()) // WINDOW_SECONDS
        what = (entry.action, entry.outcome, entry.conversation_id or "", entry.about, entry.ip)
        entry_id = derived_id("audit", entry.principal, entry.person or "", *what, str(window))
        if entry_id in self._noted:
            return
        if len(self._queue) >= self.capacity:
            raise AuditFullError("the audit is full: MongoDB does not take what waits")
        self._put(entry, entry_id, None)
        self._noted[entry_id] = None
        while len(self._noted) > _NOTED:
            self._noted.popitem(last=False)

    def _put(self, entry: Entry, entry_id: str, written: asyncio.Future[None] | None) -> None:
        self._queue.append(_Waiting(fields_of(entry, entry_id, self.clock.now()), written))
        self._some.set()

    async def run(self) -> None:
        """Append for ever what comes; while MongoDB is away it waits, and nothing is lost but by a crash."""
        while True:
            await self._some.wait()
            if not await self.flush():
                await asyncio.sleep(PAUSE_SECONDS)

    async def flush(self) -> bool:
        """Append what waits now; say whether all of it was."""
        async with self._flushing:
            return await self._flush()

    async def _flush(self) -> bool:
        while batch := self._queue[:MOST_AT_ONCE]:
            try:
                await self.store.append([w.fields for w in batch])
            except InfrastructureError as error:
                log.warning("audit waits", entries=len(self._queue), error=str(error))
                return False
            del self._queue[: len(batch)]
            for waiting in batch:
                if waiting.written is not None and not waiting.written.done():
                    waiting.written.set_result(None)
        self._some.clear()
        return True

    async def stop(self) -> None:
        """Append the rest, as far as MongoDB takes it."""
        await self.flush()
