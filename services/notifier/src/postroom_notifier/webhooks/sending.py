"""The sender of webhooks: one task a receiver, so that one that hangs or is away delays nobody else."""

import asyncio
import contextlib
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import structlog
from postroom_contracts.configuration import WebhookSubscription
from postroom_runtime.clock import Clock, monotonic
from postroom_runtime.configuration_feed import Configurations
from postroom_runtime.errors import is_infrastructure
from postroom_runtime.steps import reach

from postroom_notifier.domain.webhooks import Answer, Receiver, WebhookDelivery, after
from postroom_notifier.metrics import WEBHOOK_HANDOFF_SECONDS, WEBHOOK_SECONDS, WEBHOOKS, WEBHOOKS_DISABLED
from postroom_notifier.webhooks.port import WebhookClient, WebhookStore

log = structlog.get_logger(__name__)
RECEIVERS = 1000
"""Receivers served at a time by one replica: more than those that may hang."""
AT_A_TIME = 4
"""Requests to one receiver, of different conversations."""
CHUNK = 200
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
    _served: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _stopping: bool = False

    def wake(self) -> None:
        """Look for due work at once."""
        self._wake.set()

    async def run(self) -> None:
        """Send until cancelled."""
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

    async def _lease(self) -> None:
        room = RECEIVERS - len(self._served)
        if room <= 0:
            return
        now = self.clock.now()
        until, lease = now + timedelta(seconds=self.lease_seconds), str(uuid.uuid4())
        for receiver in await self.store.lease(room, now=now, until=until, lease=lease, in_hand=list(self._served)):
            serving = _Serving(self, receiver, lease, monotonic() + self.lease_seconds - self.attempt_seconds - 1)
            task = asyncio.create_task(serving.run(until), name=f"webhooks {receiver.subscription_id}")
            self._served[receiver.subscription_id] = task
            task.add_done_callback(partial(self._ended, receiver.subscription_id))

    def _ended(self, subscription_id: str, _: object) -> None:
        self._served.pop(subscription_id, None)
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
    """One receiver, as long as it is leased."""

    sender: WebhookSender
    receiver: Receiver
    lease: str
    ends_at: float

    async def run(self, until: datetime) -> None:
        store, subscription_id = self.sender.store, self.receiver.subscription_id
        try:
            while not self.sender.stopping and monotonic() < self.ends_at and self.receiver.disabled_at is None:
                subscription = self.sender.subscription(subscription_id)
                if subscription is None:
                    await store.give_up(subscription_id, self.sender.clock.now())
                    break
                due = await store.due(subscription_id, CHUNK, self.sender.clock.now())
                if not due:
                    break
                await self._send(subscription, due)
            await store.release(subscription_id, self.lease, until)
        except Exception as error:
            if not is_infrastructure(error):
                log.exception("receiver not served", subscription=subscription_id)
            else:
                log.warning("receiver waits", subscription=subscription_id, error=str(error) or type(error).__name__)

    async def _send(self, subscription: WebhookSubscription, due: list[WebhookDelivery]) -> None:
        """Try each once, several at a time: they are of different conversations."""
        waiting = iter(due)

        async def worker() -> None:
            for delivery in waiting:
                if self.sender.stopping or monotonic() > self.ends_at or self.receiver.disabled_at is not None:
                    return
                await self._one(subscription, delivery)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(AT_A_TIME, len(due))):
                group.create_task(worker())

    async def _one(self, subscription: WebhookSubscription, delivery: WebhookDelivery) -> None:
        now = self.sender.clock.now()
        answer = await self.sender.client.post(subscription, delivery)
        reach("webhooks.sent")
        WEBHOOK_SECONDS.labels("taken" if answer.taken else "failed").observe(answer.milliseconds / 1000)
        marked = after(delivery, answer, now)
        WEBHOOKS.labels(marked.state if marked.next_at is None else "again").inc()
        if answer.taken and marked.attempts == 1:
            WEBHOOK_HANDOFF_SECONDS.observe((self.sender.clock.now() - delivery.created_at).total_seconds())
        await self.sender.store.mark(marked, self.sender.clock.now())
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
