"""The sender of webhooks: one task a receiver, so that one that hangs or is away delays nobody else."""

import asyncio
import contextlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import structlog
from postroom_contracts.configuration import WebhookSubscription
from postroom_runtime.clock import Clock, monotonic
from postroom_runtime.configuration_feed import Configurations
from postroom_runtime.errors import is_infrastructure
from postroom_runtime.steps import reach

from postroom_notifier.domain.webhooks import Answer, Lease, Receiver, WebhookDelivery, after
from postroom_notifier.metrics import WEBHOOK_HANDOFF_SECONDS, WEBHOOK_SECONDS, WEBHOOKS, WEBHOOKS_DISABLED
from postroom_notifier.webhooks.port import WebhookClient, WebhookStore
from postroom_notifier.webhooks.together import Together

log = structlog.get_logger(__name__)
RECEIVERS = 1000
"""Receivers served at a time by one replica: more than those that may hang."""
AT_A_TIME = 4
"""Requests to one receiver, of different conversations; one to a receiver that is failing."""
CHUNK = 200
CHUNK_OF_ALL = 2000
"""Deliveries loaded at a time for all receivers that were leased together."""
POLL_SECONDS = 1.0


@dataclass
class WebhookSender:
    """`run` is the background loop. A stop ends no request: those under way have their time, and are marked."""

    store: WebhookStore
    client: WebhookClient
    configurations: Configurations
    clock: Clock
    lease_seconds: float
    attempt_seconds: float
    """The lease is longer than an attempt: none is begun under it that could outlast it."""
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _wakes: int = 0
    _served: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _owed: list[Lease] = field(default_factory=list)
    """Leases that could not be given back while the database was away: nobody else serves their receivers until they are."""
    _stopping: bool = False

    def __post_init__(self) -> None:
        self.marks: Together[WebhookDelivery] = Together(lambda marked: self.store.mark(marked, self.clock.now()))
        self.releases: Together[Lease] = Together(self._release)

    async def _release(self, leases: Sequence[Lease]) -> None:
        if await self.store.release(leases, self.clock.now()):
            self.wake()

    def wake(self) -> None:
        """Look for due work at once."""
        self._wakes += 1
        self._wake.set()

    async def run(self) -> None:
        """Send until cancelled. After a fault of ours it is started again, and begins as at first."""
        self._stopping = False
        try:
            while True:
                self._wake.clear()
                try:
                    await self._lease()
                except Exception as error:
                    if not is_infrastructure(error):
                        raise
                    log.warning("webhooks wait", error=str(error) or type(error).__name__)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_SECONDS):
                        await self._wake.wait()
        finally:
            self._stopping = True
            if self._served:
                _, late = await asyncio.wait(list(self._served.values()), timeout=self.attempt_seconds + 1)
                for task in late:
                    task.cancel()
                await asyncio.gather(*late, return_exceptions=True)
            await self.client.close()

    def owe(self, lease: Lease) -> None:
        """Give this lease back when the database is there again."""
        self._owed.append(lease)

    async def _lease(self) -> None:
        if self._owed:
            owed = list(self._owed)
            await self.store.release(owed, self.clock.now())
            del self._owed[: len(owed)]
        room = RECEIVERS - len(self._served)
        if room <= 0:
            return
        now, wakes = self.clock.now(), self._wakes
        until, name = now + timedelta(seconds=self.lease_seconds), str(uuid.uuid4())
        ends_at = monotonic() + self.lease_seconds - self.attempt_seconds - 1
        leased = await self.store.lease(room, now=now, until=until, lease=name, in_hand=list(self._served))
        if not leased:
            return
        due = await self._due([receiver.subscription_id for receiver in leased], now)
        for receiver in leased:
            lease = Lease(receiver.subscription_id, name, until)
            serving = _Serving(self, receiver, lease, ends_at, due.get(lease.subscription_id))
            task = asyncio.create_task(serving.run(), name=f"webhooks {lease.subscription_id}")
            self._served[lease.subscription_id] = task
            task.add_done_callback(partial(self._ended, lease.subscription_id, wakes))

    async def _due(self, subscription_ids: list[str], now: datetime) -> dict[str, list[WebhookDelivery]]:
        """Load what is due to all of them at once. A receiver that is missing loads its own."""
        try:
            return await self.store.due(subscription_ids, CHUNK_OF_ALL, now)
        except Exception as error:
            if not is_infrastructure(error):
                raise
            log.warning("receivers load their own", error=str(error) or type(error).__name__)
            return {}

    def _ended(self, subscription_id: str, wakes: int, _: object) -> None:
        """Look again if something came since this receiver was taken: it may be for it, and was passed over."""
        full = len(self._served) >= RECEIVERS
        self._served.pop(subscription_id, None)
        if full or self._wakes != wakes:
            self._wake.set()

    @property
    def stopping(self) -> bool:
        return self._stopping

    def subscription(self, subscription_id: str) -> WebhookSubscription | None:
        """Return it if it stands in the configuration and is enabled there."""
        found = (s for s in self.configurations.latest.webhooks if s.id == subscription_id and s.enabled)
        return next(found, None)


@dataclass
class _Serving:
    """One receiver, as long as it is leased. `due`: what is known to be due; None: it has to be loaded."""

    sender: WebhookSender
    receiver: Receiver
    lease: Lease
    ends_at: float
    due: list[WebhookDelivery] | None

    async def run(self) -> None:
        subscription_id = self.receiver.subscription_id
        try:
            while self._goes_on:
                subscription = self.sender.subscription(subscription_id)
                if subscription is None:
                    await self.sender.store.give_up(subscription_id, self.sender.clock.now())
                    break
                due = await self._take()
                await self._send(subscription, due)
                if len(due) < CHUNK:  # whatever else there is, the release finds
                    break
            await self.sender.releases.put(self.lease)
        except Exception as error:
            if not is_infrastructure(
                error
            ):  # our bug: its lease ends by itself, so that we do not run into it again at once
                log.exception("receiver not served", subscription=subscription_id)
                return
            self.sender.owe(self.lease)
            first = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
            log.warning("receiver waits", subscription=subscription_id, error=str(first) or type(first).__name__)

    @property
    def _goes_on(self) -> bool:
        return not self.sender.stopping and monotonic() < self.ends_at and self.receiver.disabled_at is None

    async def _take(self) -> list[WebhookDelivery]:
        due, self.due = self.due, None
        if due is None:
            name = self.receiver.subscription_id
            due = (await self.sender.store.due([name], CHUNK, self.sender.clock.now())).get(name, [])
        return due[:CHUNK]

    async def _send(self, subscription: WebhookSubscription, due: list[WebhookDelivery]) -> None:
        """Try each once, several at a time: they are of different conversations. One that fails gets one at a time."""
        waiting = iter(due)

        async def worker(first: bool) -> None:
            while self._goes_on and (first or self.receiver.failing_since is None):
                delivery = next(waiting, None)
                if delivery is None:
                    return
                await self._one(subscription, delivery)

        async with asyncio.TaskGroup() as group:
            for n in range(min(AT_A_TIME, len(due))):
                group.create_task(worker(n == 0))

    async def _one(self, subscription: WebhookSubscription, delivery: WebhookDelivery) -> None:
        now = self.sender.clock.now()
        answer = await self.sender.client.post(subscription, delivery)
        reach("webhooks.sent")
        WEBHOOK_SECONDS.labels("taken" if answer.taken else "failed").observe(answer.milliseconds / 1000)
        marked = after(delivery, answer, now)
        WEBHOOKS.labels(marked.state if marked.next_at is None else "again").inc()
        if answer.taken and marked.attempts == 1:
            WEBHOOK_HANDOFF_SECONDS.observe((self.sender.clock.now() - delivery.created_at).total_seconds())
        await self.sender.marks.put(marked)
        reach("webhooks.marked")
        await self._learn(answer)

    async def _learn(self, answer: Answer) -> None:
        """Note what the attempt says of the receiver; the store is asked only when that changes."""
        before, now = self.receiver, self.sender.clock.now()
        self.receiver = before.heard(answer, now)
        store = self.sender.store
        known = [(r.failing_since, r.slow_since, r.disabled_at) for r in (before, self.receiver)]
        if known[0] != known[1]:
            await store.mark_receiver(self.receiver)
        if before.failing_since is not None and answer.taken:
            await store.recovered(before.subscription_id, now)
        if before.disabled_at is None and self.receiver.disabled_at is not None:
            dropped = await store.give_up(before.subscription_id, now)
            WEBHOOKS_DISABLED.inc()
            log.error("webhook subscription disabled", subscription=before.subscription_id, dead_letters=dropped)
