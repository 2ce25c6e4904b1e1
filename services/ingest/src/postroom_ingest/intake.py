"""Taking messages in: store, note, publish, mark. The order of these steps is the guarantee.

1. content and raw bytes, 2. ledger entry with its pending records, 3. what became of each mail (the caller then moves its
cursor or answers its sender), 4. publish, 5. mark as published. A crash after any step repeats the later ones only.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import structlog
from postroom_contracts.inbound import InboundReceived
from postroom_contracts.topics import INBOUND_MESSAGES
from postroom_runtime.content_store import ContentStore
from postroom_runtime.errors import InfrastructureError, PermanentError
from postroom_runtime.kafka import Outgoing, Publisher
from postroom_runtime.steps import reach
from postroom_runtime.trail import trail

from postroom_ingest.adapters.ledger import MongoLedger
from postroom_ingest.domain.inbound import Intake
from postroom_ingest.metrics import MESSAGES, STORED_SECONDS
from postroom_ingest.ports import Entry, Outcome, Place
from postroom_ingest.telling import tell

log = structlog.get_logger(__name__)
SWEEP_RECORDS = 500
SWEEP_BYTES = 32 * 1024 * 1024
"""Of what is published at once: a mail to very many inboxes may have megabytes."""
MOST_REFUSED = 10_000
"""Entries that Kafka never takes are passed over, up to so many."""


def _outcome(intake: Intake, *, first: bool) -> Outcome:
    if intake.ignored:
        return "ignored"
    if not first:
        return "duplicate"
    return "quarantined" if intake.quarantined else "stored"


def _bytes_of(pending: Sequence[tuple[str, list[Outgoing]]]) -> int:
    return sum(len(record.body or b"") for _, out in pending for record in out)


def history_outbox(account_id: str) -> str:
    """Return where imported mails wait to be published, so that news need not stand in line behind them."""
    return f"{account_id}/history"


def _measure_storing(account_id: str, intake: Intake, now: datetime) -> None:
    """Note how long the message took from its arrival; the provider's clock may be a little ahead of ours."""
    data = intake.events[0].data if intake.events else None
    if isinstance(data, InboundReceived) and not data.imported:
        STORED_SECONDS.labels(account_id).observe(max(0.0, (now - data.received_at).total_seconds()))


class IntakeStore:
    """Stores and publishes messages of all accounts that this process holds."""

    def __init__(self, ledger: MongoLedger, content: ContentStore, publisher: Publisher) -> None:
        self._ledger = ledger
        self._content = content
        self._publisher = publisher
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def store(
        self,
        account_id: str,
        taken: Sequence[tuple[Intake, Place | None]],
        *,
        tidy: bool = False,
        outbox: str | None = None,
    ) -> dict[str, bool]:
        """Store messages of one account; return ledger id -> whether it was new. When it returns they are safe.

        `tidy`: the account's `after_import` is due for their places. `outbox`: they wait there, not among the account's.
        """
        await self._content.put_blobs({k: v for intake, _ in taken for k, v in intake.blobs.items()})
        reach("ingest.blobs_stored")
        await self._content.put([d for intake, _ in taken for d in intake.documents])
        reach("ingest.content_stored")
        entries = [self._entry(outbox or account_id, intake, place) for intake, place in taken]
        new = await self._ledger.add(entries)
        reach("ingest.ledger_stored")
        await self._erase_again([intake for intake, _ in taken if not new[intake.ledger_id]])
        await self._note(account_id, taken, new, tidy=tidy)
        reach("ingest.places_noted")
        return new

    async def _erase_again(self, known: Sequence[Intake]) -> None:
        """Delete what a mail that came once more brought back of a person who was erased meanwhile."""
        if known and (erased := set(await self._ledger.erased_of([intake.ledger_id for intake in known]))):
            gone = [intake for intake in known if intake.ledger_id in erased]
            blobs = [blob_id for intake in gone for blob_id in intake.blobs]
            await self._content.delete([*blobs, *(d["_id"] for intake in gone for d in intake.documents)])

    def _entry(self, outbox: str, intake: Intake, place: Place | None) -> Entry:
        traceparent = trail.begin(intake.ledger_id)
        events = [replace(event, traceparent=traceparent) for event in intake.events] if traceparent else intake.events
        out = [self._publisher.outgoing(INBOUND_MESSAGES, event) for event in events]
        received_at = intake.events[0].time if intake.events else self._ledger._clock.now()  # noqa: SLF001
        return Entry(
            intake.ledger_id,
            outbox,
            intake.key,
            out,
            received_at,
            ignored=intake.ignored,
            quarantined=intake.quarantined,
            place=place.id if place else None,
        )

    async def _note(
        self, account_id: str, taken: Sequence[tuple[Intake, Place | None]], new: dict[str, bool], *, tidy: bool
    ) -> None:
        """Note each mail's outcome. An entry that was there already with this very place is a repeat of ours, stored once."""
        known = [intake.ledger_id for intake, _ in taken if not new[intake.ledger_id]]
        first_places = await self._ledger.places_of(known) if known else {}
        outcomes: dict[Place, tuple[Outcome, str]] = {}
        counted: set[str] = set()
        for intake, place in taken:
            fresh = new[intake.ledger_id] and intake.ledger_id not in counted
            ours = place is not None and first_places.get(intake.ledger_id) == place.id
            outcome = _outcome(intake, first=fresh or ours)
            counted.add(intake.ledger_id)
            MESSAGES.labels(account_id, outcome).inc()
            MESSAGES.labels(account_id, "quarantined")  # begins at 0: of a door's account, too
            if outcome == "stored":
                _measure_storing(account_id, intake, self._ledger._clock.now())  # noqa: SLF001
            if place is not None:
                outcomes[place] = (outcome, intake.ledger_id)
        await self._ledger.note_places(outcomes, tidy=tidy)

    async def publish(self, account_id: str, *, at_most: int | None = None) -> int:
        """Publish what is stored and not marked of one outbox, in order; return how many entries. One at a time."""
        async with self._locks[account_id]:
            done = 0
            refused: list[str] = []
            while True:
                pending = await self._ledger.unpublished(account_id, SWEEP_RECORDS, SWEEP_BYTES, refused)
                if not pending:
                    return done
                published = await self._send(pending)
                reach("ingest.published")
                await self._ledger.mark_published(published)
                reach("ingest.marked")
                if trail.on:
                    tell(account_id, [entry for entry in pending if entry[0] in set(published)])
                done += len(published)
                refused += {ledger_id for ledger_id, _ in pending}.difference(published)
                all_read = len(pending) < SWEEP_RECORDS and _bytes_of(pending) < SWEEP_BYTES
                if all_read or len(refused) > MOST_REFUSED or (at_most is not None and done >= at_most):
                    return done

    async def _send(self, pending: Sequence[tuple[str, list[Outgoing]]]) -> list[str]:
        """Publish entries; return the ledger ids of those that Kafka took.

        One that it can never take (the topic's `max.message.bytes` is smaller than ours) stays in the outbox, and is told of.
        """
        try:
            await self._publisher.publish([record for _, out in pending for record in out])
        except PermanentError as error:
            if len(pending) == 1:
                log.error("a message cannot be published", ledger_id=pending[0][0], error=str(error))  # noqa: TRY400
                return []
            return [ledger_id for entry in pending for ledger_id in await self._send([entry])]
        return [ledger_id for ledger_id, _ in pending]

    async def publish_soon(self, account_id: str) -> None:
        """Publish now if Kafka takes it; what it does not take waits for the sweep."""
        try:
            await self.publish(account_id)
        except InfrastructureError as error:
            log.warning("publishing waits", account=account_id, error=str(error))
