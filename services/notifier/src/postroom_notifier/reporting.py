"""Results become facts: numbered in the delivery log, published from it, then marked reported. A sweep does what was cut off."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import structlog
from postroom_contracts.events import Event
from postroom_contracts.topics import CONVERSATION_EVENTS
from postroom_runtime.clock import Clock, monotonic
from postroom_runtime.errors import ConflictError, is_infrastructure
from postroom_runtime.kafka import Outgoing, Publisher
from postroom_runtime.steps import reach

from postroom_notifier.domain.delivery import Delivery
from postroom_notifier.metrics import REPUBLISHED
from postroom_notifier.ports import DeliveryLogStore, DeliveryStore

log = structlog.get_logger(__name__)
BATCH = 200
GATHER_SECONDS = 0.05
"""Pause after a report: under load the next one takes many results in the same three round trips."""
CONFLICT_ATTEMPTS = 20


class Reporter:
    """Reports results in batches. A result that it has is not swept by it; another replica may, which repeats nothing."""

    def __init__(
        self,
        deliveries: DeliveryStore,
        logs: DeliveryLogStore,
        publisher: Publisher,
        clock: Clock,
        sweep_seconds: float,
    ) -> None:
        self._deliveries = deliveries
        self._logs = logs
        self._publisher = publisher
        self._clock = clock
        self._sweep_seconds = sweep_seconds
        self._waiting: list[Delivery] = []
        self._in_hand: set[str] = set()
        self._wake = asyncio.Event()

    def take(self, delivery: Delivery) -> None:
        """Report this result soon. What is lost with the process is found by the sweep."""
        self._waiting.append(delivery)
        self._in_hand.add(delivery.id)
        self._wake.set()

    async def run(self) -> None:
        """Report what is taken, and every `sweep_seconds` what somebody left behind. Ends only by cancelling."""
        sweep_at = monotonic() + self._sweep_seconds
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, sweep_at - monotonic())):
                    await self._wake.wait()
            await self._guarded(self.flush)
            await asyncio.sleep(GATHER_SECONDS)
            if monotonic() >= sweep_at:
                await self._guarded(self._sweep)
                sweep_at = monotonic() + self._sweep_seconds

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do it; what fails is left to the next sweep."""
        try:
            await work()
        except Exception as error:
            if not (is_infrastructure(error) or isinstance(error, ConflictError)):
                log.exception("results not reported")
            else:
                log.warning("results wait", error=str(error) or type(error).__name__)
            await asyncio.sleep(self._sweep_seconds)

    async def flush(self) -> None:
        """Report all that was taken."""
        self._wake.clear()
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            try:
                await self.report(batch)
            finally:
                self._in_hand.difference_update(d.id for d in batch)

    async def _sweep(self) -> None:
        before = self._clock.now() - timedelta(seconds=self._sweep_seconds)
        while True:
            found = await self._deliveries.unreported(before, BATCH)
            left = [d for d in found if d.id not in self._in_hand]
            if not left:
                return
            REPUBLISHED.inc(len(left))
            await self.report(left)

    async def report(self, deliveries: Sequence[Delivery]) -> None:
        """Number, publish and mark these results; for each conversation in the order given. A repeat changes nothing.

        Raises InfrastructureError: then any step may have been done, and all of them are repeated.
        """
        records = await self._log(deliveries)
        reach("notifier.logged")
        await self._publisher.publish(records)
        reach("notifier.published")
        await self._deliveries.mark_reported([d.id for d in deliveries], self._clock.now())
        reach("notifier.reported")

    async def _log(self, deliveries: Sequence[Delivery]) -> list[Outgoing]:
        """Return everything that is pending in the logs of these conversations, in order."""
        for _ in range(CONFLICT_ATTEMPTS):
            logs = await self._logs.load(d.conversation_id for d in deliveries)
            pending = {one.delivery_id for log_ in logs.values() for one in log_.out}
            reported = await self._deliveries.reported(pending) if pending else set()
            for log_ in logs.values():
                log_.drop(reported)
            for delivery in deliveries:
                logs[delivery.conversation_id].enter(delivery, self._outgoing)
            try:
                await self._logs.save([log_ for log_ in logs.values() if log_.changed])
            except ConflictError:
                continue
            return [one.record for log_ in logs.values() for one in log_.out]
        raise ConflictError("the delivery log is written by too many at once")

    def _outgoing(self, event: Event) -> Outgoing:
        return self._publisher.outgoing(CONVERSATION_EVENTS, event)
