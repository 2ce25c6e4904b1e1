"""Rebuilding all figures from offset 0, beside the ones in use, and the switch to them.

The order makes the switch lossless: fold to the end, switch, fold on to the end as it is after the switch. What the
service folded into the old generation in between stands in the log before that end, and repeats change nothing. From the
switch on the service folds into the new generation too; facts that stand behind ones which are still to come here wait in
the states for them.
"""

import asyncio
import os
import socket
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiokafka import ConsumerRecord
from postroom_runtime import mongo
from postroom_runtime.clock import SystemClock
from postroom_runtime.configuration_feed import ConfigurationFeed, Configurations
from postroom_runtime.errors import ConflictError, InfrastructureError
from postroom_runtime.fold import RecordFailedError
from postroom_runtime.leases import LeaseStore
from postroom_runtime.mongo import Database
from postroom_runtime.records import Incoming, read
from postroom_runtime.settings import RuntimeSettings

from postroom_analytics.carry import carry_withdrawn
from postroom_analytics.compare import differences
from postroom_analytics.event_log import EventLog
from postroom_analytics.generations import Generations
from postroom_analytics.handler import MetricsHandler
from postroom_analytics.store import MetricsStore

CATCH_UPS = 10
"""Times that the log is followed to its end before the switch, so that little comes in between."""
CHECKS = 5
"""Times that a check compares anew because events came in meanwhile."""
CONFIGURATION_SECONDS = 30.0
LEASE_SECONDS = 30.0


class RebuildRunningError(Exception):
    """Another rebuild is under way."""


@dataclass(slots=True)
class Rebuilt:
    """What a rebuild found: how many events it folded, and which figures differ from those that were in use."""

    events: int = 0
    generation: int = 0
    differences: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    """Places of records that could not be folded; their numbers count as seen."""


async def rebuild(
    settings: RuntimeSettings, *, switch: bool = True, progress: Callable[[int], None] = lambda _: None
) -> Rebuilt:
    """Fold the whole log into a new generation; with `switch` put it into use and drop the old one.

    Without `switch` the new figures are compared and thrown away: a check, for times when no events come in and the
    service has no lag. Raises RebuildRunningError.
    """
    client = mongo.connect(settings)
    database = mongo.database(client, settings, "analytics")
    configurations = Configurations()
    feed = ConfigurationFeed(settings, configurations)
    try:
        async with _alone(database):
            await feed.start()
            async with EventLog(settings) as log:
                run = _Run(log, database, configurations, progress)
                await (run.to_switch() if switch else run.to_check())
                return run.result
    finally:
        await feed.stop()
        await mongo.close(client)


@asynccontextmanager
async def _alone(database: Database) -> AsyncIterator[None]:
    """Hold the lease of rebuilding, renewed until the end of the block."""
    holder = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    leases = LeaseStore(database["leases"], SystemClock(), holder)
    lease = await leases.acquire("rebuild", LEASE_SECONDS)
    if lease is None:
        raise RebuildRunningError(f"another rebuild is under way; if it died, wait {LEASE_SECONDS:.0f} s")

    async def renew() -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            await leases.acquire("rebuild", LEASE_SECONDS)

    renewing = asyncio.create_task(renew(), name="rebuild lease")
    try:
        yield
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        await leases.release(lease)


class _Run:
    """One rebuild: its position in the log, and what it has found so far."""

    def __init__(
        self,
        log: EventLog,
        database: Database,
        configurations: Configurations,
        progress: Callable[[int], None],
    ) -> None:
        self.result = Rebuilt()
        self._log = log
        self._database = database
        self._generations = Generations(database)
        self._store = MetricsStore(database)
        self._configurations = configurations
        self._progress = progress

    async def to_switch(self) -> None:
        old, new, handler = await self._begin()
        for _ in range(CATCH_UPS):
            if not await self._catch_up(handler):
                break
        self.result.differences = await differences(self._database, old, new)
        await carry_withdrawn(self._database, old, new)
        await self._catch_up(handler)
        await self._generations.switch(new)
        await self._catch_up(handler)
        await carry_withdrawn(self._database, old, new)  # with what was withdrawn up to the switch
        await self._generations.drop(old)

    async def to_check(self) -> None:
        old, new, handler = await self._begin()
        try:
            await self._catch_up(handler)
            for _ in range(CHECKS):
                self.result.differences = await differences(self._database, old, new)
                if not self.result.differences or not await self._catch_up(handler):
                    break
        finally:
            await self._generations.drop(new)

    async def _begin(self) -> tuple[int, int, MetricsHandler]:
        """Make the collections of the next generation; return both numbers and the handler that fills the next."""
        old = await self._generations.active()
        new = self.result.generation = old + 1
        await self._generations.drop(new)
        await self._generations.prepare(new)
        self._store.build(new)
        return old, new, MetricsHandler(self._store, self._configurations, new)

    async def _catch_up(self, handler: MetricsHandler) -> int:
        """Fold what stands in the log up to its end of now; return how many events that were."""
        before = self.result.events
        async for records in self._log.to_end():
            await self._fold(handler, records)
            self.result.events += len(records)
            self._progress(self.result.events)
        return self.result.events - before

    async def _fold(self, handler: MetricsHandler, records: Sequence[ConsumerRecord]) -> None:
        """Fold a batch; what cannot be read counts as seen, as it does for the service once it is parked."""
        batch: list[Incoming] = []
        for record in records:
            found = read(record, handler.models, {self._log.topic: "rebuild"}, frozenset())
            if found is not None:
                batch.append(found if isinstance(found, Incoming) else found.incoming)
        batch = [i for i in batch if i.event is not None or (i.key and i.skipped_source and i.skipped_sequence)]
        async with asyncio.timeout(CONFIGURATION_SECONDS + 60):
            while batch:
                try:
                    await handler.handle(batch, {})
                    return
                except ConflictError:
                    continue  # after the switch the service writes here too
                except InfrastructureError:
                    await asyncio.sleep(0.2)  # MongoDB blinks or is busy, or the configuration's feed is on the way
                except RecordFailedError as failed:
                    record = failed.incoming.record
                    self.result.failed.append(f"partition {record.partition}, offset {record.offset}: {failed.cause!r}")
                    batch = [i.as_skipped() if i is failed.incoming else i for i in batch]
