"""The sender: leases due deliveries, keeps at most so many mails in flight, marks what became of each.

One background loop owns everything, so that a stop drains it: no new leases, those not begun are put back, what is in
flight ends and is marked.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import structlog
from postroom_contracts.configuration import MailAccount
from postroom_runtime.clock import Clock, monotonic
from postroom_runtime.errors import InfrastructureError, is_infrastructure
from postroom_runtime.steps import reach
from postroom_runtime.trail import trail

from postroom_notifier.composing import Composer
from postroom_notifier.domain.chat import chat_body, destination_of
from postroom_notifier.domain.delivery import Delivery
from postroom_notifier.domain.mime import OutgoingMail
from postroom_notifier.domain.outcomes import (
    Accepted,
    Mark,
    Rejected,
    SendOutcome,
    Skipped,
    TryAgain,
    conclude,
    failure_of,
    put_back,
)
from postroom_notifier.domain.reply_mail import CannotBeSentError
from postroom_notifier.gates import AccountGates
from postroom_notifier.marking import Marker
from postroom_notifier.metrics import DELIVERIES, HANDOFF_SECONDS, IN_FLIGHT, SKIPPED
from postroom_notifier.ports import ChatClient, DeliveryStore, MailSender
from postroom_notifier.reporting import Reporter
from postroom_notifier.settings import NotifierSettings
from postroom_notifier.watching import AddressWatch

log = structlog.get_logger(__name__)
PUT_BACK_SECONDS = 1.0
NO_ACCOUNT = ""
REFUSED_REASONS = frozenset({"account_refused", "dkim_key"})
"""What is wrong with the account itself, until somebody mends it."""


@dataclass(slots=True)
class Leased:
    """A delivery that is ours until `until` (monotonic seconds), with the contents it needs."""

    delivery: Delivery
    contents: Mapping[str, Any]
    until: float


@dataclass
class Sender:
    """The sending half of the notifier; `run` is its background loop."""

    deliveries: DeliveryStore
    composer: Composer
    mail: MailSender
    reporter: Reporter
    clock: Clock
    settings: NotifierSettings
    watch: AddressWatch
    chat: ChatClient | None = None
    """None: nothing is sent to chat tools."""
    gates: AccountGates = field(init=False)
    marker: Marker = field(init=False)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _buffer: list[Leased] = field(default_factory=list)
    _running: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _look_at: float = 0.0
    """When due work is looked for next (monotonic seconds), unless `_more` says that there is some."""
    _more: bool = True

    def __post_init__(self) -> None:
        self.gates = AccountGates(self.settings.smtp_connections, monotonic)
        self.marker = Marker(self.deliveries, self.wake)

    def wake(self) -> None:
        """Look for due work at once."""
        self._more = True
        self._wake.set()

    def mended(self) -> None:
        """The configuration changed: an account that was refused may be right now."""
        self.gates.reopen()
        self.wake()

    async def run(self) -> None:
        """Send until cancelled; then drain, at most for the graceful timeout."""
        reports = asyncio.create_task(self.reporter.run(), name="reporter")
        try:
            while True:
                self._wake.clear()
                await self._refill()
                self._begin()
                await self._wait()
        finally:
            await self._drain()
            reports.cancel()
            await asyncio.gather(reports, return_exceptions=True)
            await self._last_reports()
            await self.mail.close()
            if self.chat is not None:
                await self.chat.close()

    async def _wait(self) -> None:
        if self._more and self._has_room:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.01, self._look_at - monotonic())):
                await self._wake.wait()

    # --- leasing ------------------------------------------------------------------------------------------------

    @property
    def _room(self) -> int:
        return self.settings.smtp_sends + self.settings.delivery_buffer - len(self._buffer) - len(self._running)

    @property
    def _has_room(self) -> bool:
        """Whether leasing is worth its round trips: for one delivery when nothing waits here, else for half a buffer."""
        return self._room > 0 and (not self._buffer or self._room >= self.settings.delivery_buffer // 2)

    async def _refill(self) -> None:
        """Lease when there may be something due and there is room for it."""
        if not self._has_room or not (self._more or monotonic() >= self._look_at):
            return
        room, self._more = self._room, False
        self._look_at = monotonic() + self.settings.delivery_poll_seconds
        leasing = asyncio.create_task(self._lease(room))
        try:
            if await asyncio.shield(leasing) >= room:
                self._more = True  # never False here: somebody may have woken us meanwhile
        except asyncio.CancelledError:
            await asyncio.wait({leasing})  # what it takes must be known, to be put back
            raise
        except Exception as error:
            if not is_infrastructure(error):
                raise
            log.warning("leasing waits", error=str(error) or type(error).__name__)

    async def _lease(self, room: int) -> int:
        now, until = self.clock.now(), monotonic() + self.settings.smtp_lease_seconds
        found = await self.deliveries.lease(
            room,
            now=now,
            until=now + timedelta(seconds=self.settings.smtp_lease_seconds),
            lease=str(uuid.uuid4()),
            accounts_out=self.gates.out(),
            in_hand=[*self._running, *(leased.delivery.id for leased in self._buffer)],
        )
        if not found:
            return 0
        reach("notifier.leased")
        try:
            contents = await self.composer.load(found)
        except Exception:
            for delivery in found:
                self._start_putting_back(delivery, PUT_BACK_SECONDS)
            raise
        self._buffer += [Leased(delivery, contents, until) for delivery in found]
        return len(found)

    # --- sending ------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Start as many of the leased as there are free slots; those whose account is full stay, the lapsed are let go."""
        waiting: list[Leased] = []
        for leased in self._buffer:
            account = leased.delivery.account_id or NO_ACCOUNT
            if leased.until - monotonic() < self.settings.smtp_send_seconds:
                continue  # a send begun now could outlast the lease: whoever leases it next sends it
            if len(self._running) < self.settings.smtp_sends and self.gates.is_free(account):
                self.gates.begin(account)
                task = asyncio.create_task(self._one(leased), name=f"send {leased.delivery.id}")
                self._running[leased.delivery.id] = task
            elif self.gates.rest_seconds(account) > 0:
                self._start_putting_back(leased.delivery, self.gates.rest_seconds(account))
            else:
                waiting.append(leased)
        self._buffer = waiting
        IN_FLIGHT.set(len(self._running))

    def _start_putting_back(self, delivery: Delivery, seconds: float) -> None:
        mark = put_back(delivery, self.clock.now() + timedelta(seconds=seconds))
        task = asyncio.create_task(self._put_back(mark), name=f"put back {delivery.id}")
        self._running[delivery.id] = task

    async def _put_back(self, mark: Mark) -> None:
        DELIVERIES.labels(mark.delivery.kind, "put_back").inc()
        try:
            await self.marker.mark(mark)
        finally:
            self._running.pop(mark.delivery.id, None)
            self._wake.set()

    async def _one(self, leased: Leased) -> None:
        delivery, reachable, refused = leased.delivery, True, False
        try:
            outcome = await self._send(leased)
            reachable = not (isinstance(outcome, TryAgain) and outcome.unreachable)
            refused = isinstance(outcome, TryAgain) and outcome.reason in REFUSED_REASONS
            if isinstance(outcome, Accepted):
                reach("notifier.sent")
            await self._mark(delivery, outcome)
        except Exception:
            log.exception("delivery not handled", delivery=delivery.id, conversation=delivery.conversation_id)
        finally:
            self.gates.end(delivery.account_id or NO_ACCOUNT, reachable=reachable, refused=refused)
            self._running.pop(delivery.id, None)
            self._wake.set()

    async def _send(self, leased: Leased) -> SendOutcome:
        """Return what became of the attempt. What is wrong on our side is tried again like a server's fault."""
        delivery = leased.delivery
        if delivery.kind == "chat":
            return await self._post(leased)
        account = self.composer.account(delivery)
        try:
            mail = await self.composer.compose(delivery, leased.contents)
        except CannotBeSentError as error:
            return Rejected(error.reason)
        except Exception as error:
            if is_infrastructure(error):
                return TryAgain("waits")
            log.exception("mail cannot be built", delivery=delivery.id, conversation=delivery.conversation_id)
            return TryAgain("error")
        if account is None or account.smtp is None:
            log.error("no account can send", account=delivery.account_id, delivery=delivery.id)
            return TryAgain("no_smtp_server")
        return await self._hand_over(delivery, account, mail)

    async def _post(self, leased: Leased) -> SendOutcome:
        """Send it to a chat tool; one that was taken out of the configuration gets nothing more."""
        delivery, configuration = leased.delivery, self.composer.configurations.latest
        destination = destination_of(configuration, delivery)
        if destination is None or self.chat is None:
            return Skipped("no_destination")
        body = chat_body(destination, delivery, configuration, leased.contents, self.composer.desk_url)
        return await self.chat.post(destination, body)

    async def _hand_over(self, delivery: Delivery, account: MailAccount, mail: OutgoingMail) -> SendOutcome:
        try:
            if delivery.leaves_by_itself and (reason := await self.watch.objection(mail.recipients)):
                return Skipped(reason)
        except InfrastructureError:
            return TryAgain("waits")
        outcome = await self.mail.send(account, mail)
        await self.watch.learn(mail.recipients, outcome, counts=delivery.leaves_by_itself)
        return outcome

    async def _mark(self, delivery: Delivery, outcome: SendOutcome) -> None:
        now = self.clock.now()
        mark = conclude(delivery, outcome, now, timedelta(hours=self.settings.give_up_hours))
        if (failure := failure_of(delivery, outcome, mark)) is not None:
            mark = replace(mark, then=self.composer.undelivered(*failure))
        await self.marker.mark(mark)
        after = mark.after
        outcome_name = after.state if mark.done else "again"
        DELIVERIES.labels(delivery.kind, outcome_name).inc()
        if isinstance(outcome, Skipped):
            SKIPPED.labels(delivery.kind, outcome.reason).inc()
        if not mark.done:
            reason = outcome.reason if isinstance(outcome, TryAgain) else "partly"
            log.warning("delivery is tried again", delivery=delivery.id, reason=reason, attempts=delivery.attempts)
            return
        reach("notifier.accepted")
        if trail.on:
            self._tell(after)
        HANDOFF_SECONDS.labels(delivery.kind).observe(max(0.0, (now - delivery.due_at).total_seconds()))
        self.reporter.take(after)

    @staticmethod
    def _tell(delivery: Delivery) -> None:
        """The end of a message's trail: a mail left, or will not."""
        ids = {
            "delivery": delivery.id,
            "conversation": delivery.conversation_id,
            "correlation_id": delivery.correlation_id,
        }
        if trail.lines:
            log.info("delivered", kind=delivery.kind, state=delivery.state, causation_id=delivery.cause_id, **ids)
        attributes: dict[str, str | int] = {f"postroom.{name}": value for name, value in ids.items()}
        outcome = {
            "postroom.kind": delivery.kind,
            "postroom.state": delivery.state,
            "postroom.attempts": delivery.attempts,
        }
        began_ns = int(delivery.due_at.timestamp() * 1_000_000_000)
        trail.step("send", delivery.traceparent, began_ns, attributes | outcome)

    # --- stopping -----------------------------------------------------------------------------------------------

    async def _drain(self) -> None:
        """Let what is in flight end; put back what was leased and not begun."""
        for leased in self._buffer:
            self._start_putting_back(leased.delivery, 0.0)
        self._buffer = []
        if self._running:
            _, late = await asyncio.wait(list(self._running.values()), timeout=self.settings.graceful_timeout_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _last_reports(self) -> None:
        try:
            async with asyncio.timeout(5):
                await self.reporter.flush()
        except (TimeoutError, InfrastructureError) as error:
            log.warning("results are left to the sweep", error=type(error).__name__)
