"""Looks whether the audit is still what was written: once a day, and when somebody asks. One replica at a time does it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal, Protocol

import structlog
from postroom_runtime.clock import Clock
from postroom_runtime.errors import InfrastructureError

from postroom_desk.audit.chain import Link, Verification

log = structlog.get_logger(__name__)
DAY = timedelta(days=1)
SILENT = timedelta(seconds=60)
"""A check that says nothing for so long has died."""
LOOK_SECONDS = 600.0
CHUNK = 500
PAUSE_SECONDS = 0.05
"""After each chunk: looking at a long chain must not slow the desk down."""
MOST_FAULTS = 20
BY_ITSELF = "every day"


@dataclass(frozen=True, slots=True)
class AuditCheck:
    """The latest check. `head`: the last entry in order, `SEQUENCE:HASH`; `seen_at`: when it was last heard of."""

    state: Literal["running", "in_order", "broken"]
    begun_at: datetime
    seen_at: datetime
    by: str
    entries: int = 0
    head: str = ""
    faults: tuple[str, ...] = ()
    good_head: str = ""
    """That of the latest check that found all in order: it must still be in the chain."""


class CheckStore(Protocol):
    """Every call raises InfrastructureError when MongoDB does not answer."""

    async def latest(self) -> AuditCheck | None: ...

    async def begin(self, check: AuditCheck, silent_since: datetime) -> bool:
        """Store it as running; False when another runs and was heard of after `silent_since`."""
        ...

    async def put(self, check: AuditCheck) -> None:
        """Store how far it is, or what it found; not when another has begun since."""
        ...


class Chain(Protocol):
    def all(self, begin: datetime | None = None, end: datetime | None = None) -> AsyncIterator[Link]:
        """Yield the entries in order."""
        ...


@dataclass(slots=True)
class AuditChecks:
    """Begins checks, and says what the latest found."""

    chain: Chain
    store: CheckStore
    clock: Clock
    pause_seconds: float = PAUSE_SECONDS
    _running: set[asyncio.Task[None]] = field(default_factory=set)

    async def latest(self) -> AuditCheck | None:
        return await self.store.latest()

    async def begin(self, by: str) -> bool:
        """Begin one in the background; False when one runs already, here or at another replica."""
        before, now = await self.store.latest(), self.clock.now()
        check = AuditCheck("running", now, now, by, good_head=before.good_head if before else "")
        if not await self.store.begin(check, now - SILENT):
            return False
        task = asyncio.create_task(self._guarded(check), name="audit check")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return True

    async def wait(self) -> None:
        """Return when those that were begun here have ended."""
        await asyncio.gather(*self._running)

    async def run(self) -> None:
        """Begin one for ever whenever the latest is a day old."""
        while True:
            try:
                latest = await self.store.latest()
                if latest is None or self.clock.now() - latest.begun_at >= DAY:
                    await self.begin(BY_ITSELF)
            except InfrastructureError as error:
                log.warning("the check of the audit waits", error=str(error))
            await asyncio.sleep(LOOK_SECONDS)

    async def _guarded(self, check: AuditCheck) -> None:
        try:
            await self.check(check)
        except InfrastructureError as error:
            log.warning("the check of the audit was cut off", error=str(error))

    async def check(self, check: AuditCheck) -> AuditCheck:
        """Look at every entry; return and store what was found. Raises InfrastructureError."""
        verification, faults, count = Verification(wanted=check.good_head or None), list[str](), 0
        async for link in self.chain.all():
            faults += list(verification.check([link]))[: MOST_FAULTS - len(faults)]
            count += 1
            if count % CHUNK == 0:
                check = replace(check, entries=count, seen_at=self.clock.now())
                await self.store.put(check)
                await asyncio.sleep(self.pause_seconds)
        faults += list(verification.end())
        head = str(verification.head)
        found = replace(
            check,
            state="broken" if faults else "in_order",
            seen_at=self.clock.now(),
            entries=count,
            head=head,
            faults=tuple(faults),
            good_head=check.good_head if faults else head,
        )
        await self.store.put(found)
        if faults:
            log.error("the audit is not what was written", faults=len(faults), first=faults[0])
        return found
