"""Ingest put together: mail accounts under leases, the mail door, the webhook door, the outbox sweep, erasure."""

import asyncio
from collections.abc import Mapping, Sequence

from postroom_contracts import ids
from postroom_contracts.configuration import Account, MailAccount
from postroom_contracts.events import Data
from postroom_contracts.facts import ContentErased
from postroom_contracts.registry import models_of
from postroom_contracts.topics import CONVERSATION_EVENTS
from postroom_runtime.clock import Clock
from postroom_runtime.content_store import ContentStore
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.leases import Lease
from postroom_runtime.records import Incoming
from postroom_runtime.service import Runtime
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.stores import Stores
from pydantic import Field

from postroom_ingest.accounts import AccountSupervisor
from postroom_ingest.adapters.ledger import MongoLedger
from postroom_ingest.door.server import MailDoor
from postroom_ingest.door.settings import DoorSettings
from postroom_ingest.intake import SWEEP_RECORDS, IntakeStore, history_outbox
from postroom_ingest.mailbox import MailboxReader
from postroom_ingest.metrics import OUTBOX, OUTBOX_SECONDS
from postroom_ingest.webhooks import WebhookDoor


class IngestSettings(RuntimeSettings):
    """Settings of ingest beside the shared ones."""

    lease_seconds: float = Field(15, ge=1, le=30)
    """How long an account stays with a replica that does not answer any more."""
    imap_timeout_seconds: float = Field(30, gt=0)
    reconcile_seconds: float = Field(300, ge=1, le=86_400)
    """How often a folder is compared with the ledger."""


class Erasure:
    """Deletes raw mail, content and ledger text of messages that were erased. Repeats change nothing."""

    models: Mapping[str, type[Data]] = {ContentErased.type_name(): ContentErased}

    def __init__(self, ledger: MongoLedger, content: ContentStore) -> None:
        self._ledger = ledger
        self._content = content

    async def handle(self, batch: Sequence[Incoming], committed: Mapping[str, int]) -> None:
        del committed
        for incoming in batch:
            if incoming.event is None or not isinstance(incoming.event.data, ContentErased):
                continue
            erased = incoming.event.data
            contents = [ids.content_id(m, kind) for m in erased.message_ids for kind in ("content", "answer")]
            raw = (ids.content_id(i, "raw") for i in erased.ledger_ids)
            await self._content.delete([*contents, *erased.blob_ids, *raw])
            await self._ledger.erase(erased.ledger_ids)


class Ingest:
    """The service `ingest`."""

    name = "ingest"
    needs_configuration = True

    def settings(self) -> RuntimeSettings:
        return IngestSettings()

    async def prepare(self, stores: Stores) -> None:
        await MongoLedger(stores.database, stores.clock).prepare()
        await stores.content.prepare()

    async def build(self, runtime: Runtime) -> None:
        settings = runtime.settings
        own = settings if isinstance(settings, IngestSettings) else IngestSettings()
        ledger = MongoLedger(runtime.database, runtime.clock)
        intake = IntakeStore(ledger, runtime.content, runtime.publisher)
        probe_keys = _probe_keys(settings)
        mailbox = MailboxReader(
            runtime.configurations,
            ledger,
            intake,
            runtime.clock,
            own.imap_timeout_seconds,
            runtime.tokens,
            read_only=own.read_only,
            reconcile_seconds=own.reconcile_seconds,
            probe_keys=probe_keys,
        )

        async def read(account: Account, lease: Lease) -> None:
            sweep = asyncio.create_task(_sweep(intake, account.id))
            try:
                if isinstance(account, MailAccount):
                    await mailbox.read(account, lease)
                await sweep
            finally:
                sweep.cancel()

        supervisor = AccountSupervisor(runtime.configurations, runtime.leases, runtime.clock, read, own.lease_seconds)
        runtime.background("accounts", supervisor.run)
        runtime.background("outbox depth", lambda: _measure(ledger, runtime.clock))
        door = MailDoor(DoorSettings(), runtime.configurations, intake, runtime.clock, probe_keys)
        runtime.on_stop(door.close)
        await door.bind()
        if door.is_wanted:
            runtime.background("mail door", door.run)
        runtime.serve(WebhookDoor(runtime.configurations, intake, runtime.clock).application())
        others = frozenset(
            name.encode() for name in models_of(CONVERSATION_EVENTS) if name != ContentErased.type_name()
        )
        await runtime.consume("ingest", Erasure(ledger, runtime.content), ignored_types=others)


def _probe_keys(settings: RuntimeSettings) -> list[bytes]:
    """Return the signing keys, by which probes are known; none where none are set: then every mail is a person's."""
    try:
        return settings.keys()
    except ValueError:
        return []


async def _sweep(intake: IntakeStore, account_id: str) -> None:
    """Publish what was stored and not marked, every second: after a crash, or when Kafka was away."""
    while True:
        try:
            await intake.publish(account_id)
            await intake.publish(history_outbox(account_id), at_most=SWEEP_RECORDS)
        except InfrastructureError:
            await asyncio.sleep(1)
        await asyncio.sleep(1)


async def _measure(ledger: MongoLedger, clock: Clock) -> None:
    while True:
        depth, oldest = await ledger.outbox()
        OUTBOX.set(depth)
        OUTBOX_SECONDS.set(max(0.0, (clock.now() - oldest).total_seconds()) if oldest else 0.0)
        await asyncio.sleep(5)
