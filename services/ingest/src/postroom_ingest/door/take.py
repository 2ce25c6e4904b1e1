"""From a mail that was handed over to what is answered: stored for each account and inbox, safe before 250."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from postroom_contracts.configuration import MailAccount
from postroom_runtime.clock import Clock
from postroom_runtime.configuration_feed import Configurations
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.steps import reach

from postroom_ingest.domain.envelope import Envelope, Route, route_of, with_return_path
from postroom_ingest.domain.inbound import Intake, mail_intake, unreadable_intake
from postroom_ingest.domain.mail import parse_mail
from postroom_ingest.intake import IntakeStore
from postroom_ingest.keeping import Mail, store_mails

log = structlog.get_logger(__name__)
_INLINE_BYTES = 256 * 1024
"""Above this a mail is read in a thread, so that the other connections are answered meanwhile."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """One accepted RCPT and what it leads to."""

    address: str
    route: Route


@dataclass(slots=True)
class _Destination:
    account: MailAccount
    envelope: Envelope
    safe: bool = False


@dataclass(slots=True)
class MailTaker:
    """Stores mails of any connection. Nothing is kept between two mails, so any replica takes any of them."""

    configurations: Configurations
    intake: IntakeStore
    clock: Clock
    store_seconds: float
    probe_keys: Sequence[bytes] = ()
    _publishing: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _unpublished: set[str] = field(default_factory=set)

    def route(self, recipient: str, peer: str) -> Route | None:
        return route_of(self.configurations.latest, recipient, peer)

    async def take(self, raw: bytes, sender: str, recipients: Sequence[Recipient]) -> list[bool]:
        """Store the mail; return for each recipient, in order, whether it is safe. Repeats change nothing."""
        destinations = _destinations(sender, recipients)
        try:
            async with asyncio.timeout(self.store_seconds):
                await self._store(with_return_path(raw, sender), list(destinations.values()))
        except (InfrastructureError, TimeoutError) as error:
            log.warning("a mail at the door was not stored", error=str(error) or "timeout")
        except Exception:  # our bug: the sender keeps the mail and comes again
            log.exception("a mail at the door was not stored")
        for account_id in {d.account.id for d in destinations.values() if d.safe}:
            self._publish(account_id)
        return [destinations[_key(r)].safe for r in recipients]

    async def _store(self, raw: bytes, destinations: Sequence[_Destination]) -> None:
        if len(raw) <= _INLINE_BYTES:
            intakes = self._read(raw, destinations)
        else:
            intakes = await asyncio.to_thread(self._read, raw, destinations)
        for destination, intake in zip(destinations, intakes, strict=True):
            mail = Mail(intake, None, partial(self._noted, raw, destination))
            await store_mails(self.intake, destination.account.id, [mail])
            reach("door.stored")
            destination.safe = True

    def _read(self, raw: bytes, destinations: Sequence[_Destination]) -> list[Intake]:
        """Return what the mail becomes at each destination. One that our code cannot read is kept whole under a note:
        the sender would come again with it for days, and then tell the customer that it failed.
        """
        try:
            parsed = parse_mail(raw)
            return [mail_intake(parsed, raw, **self._given(d), probe_keys=self.probe_keys) for d in destinations]
        except Exception as error:  # whatever a stranger's mail makes of us
            log.exception("mail cannot be read", accounts=[d.account.id for d in destinations])
            return [self._noted(raw, destination, error) for destination in destinations]

    def _noted(self, raw: bytes, destination: _Destination, error: Exception) -> Intake:
        return unreadable_intake(raw, error, **self._given(destination))

    def _given(self, destination: _Destination) -> dict[str, Any]:
        now = self.clock.now()
        return {
            "account": destination.account,
            "configuration": self.configurations.latest,
            "received_at": now,
            "now": now,
            "envelope": destination.envelope,
        }

    def _publish(self, account_id: str) -> None:
        """Publish beside the answer: Kafka away means lag, not refusals. One task for each account, however many mails."""
        self._unpublished.add(account_id)
        if account_id not in self._publishing:
            task = asyncio.create_task(self._publish_all(account_id))
            self._publishing[account_id] = task
            task.add_done_callback(lambda _: self._publishing.pop(account_id, None))

    async def _publish_all(self, account_id: str) -> None:
        while account_id in self._unpublished:
            self._unpublished.discard(account_id)
            await self.intake.publish_soon(account_id)


def _key(recipient: Recipient) -> tuple[str, str]:
    return recipient.route.account.id, recipient.route.inbox.id if recipient.route.inbox else ""


def _destinations(sender: str, recipients: Sequence[Recipient]) -> dict[tuple[str, str], _Destination]:
    """Return one destination for each account and inbox: two addresses of one inbox get the mail once."""
    addresses: dict[tuple[str, str], list[str]] = {}
    for recipient in recipients:
        addresses.setdefault(_key(recipient), []).append(recipient.address)
    routes = {_key(recipient): recipient.route for recipient in recipients}
    path = "" if sender == "<>" else sender
    return {
        key: _Destination(routes[key].account, Envelope(path, tuple(found), routes[key].inbox))
        for key, found in addresses.items()
    }
