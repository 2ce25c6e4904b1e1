"""The notifier as a service: settings, adapters, consumer, sender."""

import asyncio
from datetime import timedelta

from postroom_contracts.registry import BY_TYPE, models_of
from postroom_contracts.topics import CONVERSATION_EVENTS
from postroom_runtime.documents import MongoDocumentStore
from postroom_runtime.fold import Fold
from postroom_runtime.gaps import watch_gaps
from postroom_runtime.mongo import Database
from postroom_runtime.outbound import parse_networks
from postroom_runtime.service import Runtime
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.stores import Stores

from postroom_notifier.adapters.chat_client import HttpChat
from postroom_notifier.adapters.mongo_addresses import MongoAddressBook, MongoReceiverLimit
from postroom_notifier.adapters.mongo_deliveries import MongoDeliveryStore
from postroom_notifier.adapters.mongo_log import MongoDeliveryLogStore
from postroom_notifier.adapters.mongo_webhooks import MongoWebhooks
from postroom_notifier.adapters.read_only import ReadOnlyMailSender
from postroom_notifier.adapters.smtp import SmtpMailSender
from postroom_notifier.composing import Composer
from postroom_notifier.decider import NotifierDecider
from postroom_notifier.domain.conversation import Conversation
from postroom_notifier.domain.follow import Surroundings
from postroom_notifier.metrics import OLDEST_SECONDS, RESULTS, RESULTS_SECONDS, UNDONE
from postroom_notifier.ports import MailSender
from postroom_notifier.reporting import Reporter
from postroom_notifier.returning import Returns
from postroom_notifier.sending import Sender
from postroom_notifier.settings import NotifierSettings
from postroom_notifier.watching import AddressWatch
from postroom_notifier.webhooks.build import add_webhooks

OWN_TYPES = frozenset(name.encode() for name, r in BY_TYPE.items() if r.producers == ("notifier",))
GAUGE_SECONDS = 5.0


class Notifier:
    """Tells agents and customers: consumes facts, sends mail, reports what became of it."""

    name = "notifier"
    needs_configuration = True

    def settings(self) -> RuntimeSettings:
        return NotifierSettings()

    async def prepare(self, stores: Stores) -> None:
        database, no_key = stores.database, b""  # addresses are hashed when they are kept, not when they are indexed
        await _documents(database).prepare()
        await MongoDeliveryStore(database["deliveries"]).prepare()
        await MongoWebhooks(database).prepare()
        await MongoAddressBook(database["addresses"], stores.clock, no_key).prepare()
        await MongoReceiverLimit(database["receivers"], stores.clock, no_key, 1).prepare()

    async def build(self, runtime: Runtime) -> None:
        settings = runtime.settings
        assert isinstance(settings, NotifierSettings)
        deliveries = MongoDeliveryStore(runtime.database["deliveries"])
        key = settings.keys()[0]
        addresses = MongoAddressBook(runtime.database["addresses"], runtime.clock, key)
        limit = MongoReceiverLimit(runtime.database["receivers"], runtime.clock, key, settings.receiver_mails_per_hour)
        sender = _sender(runtime, settings, deliveries, AddressWatch(addresses, limit))
        returns = Returns(runtime.content, runtime.configurations, addresses)
        fold = _fold(runtime, settings, deliveries, sender, returns)
        consumer = await runtime.consume("notifier", fold, ignored_types=OWN_TYPES)
        documents = _documents(runtime.database)
        runtime.background("gaps", lambda: watch_gaps("notifier", documents, runtime.clock))
        runtime.background("sender", sender.run)
        await add_webhooks(runtime, settings, sender.mail, consumer.lag_seconds)
        runtime.background("delivery gauges", lambda: _gauges(runtime, deliveries))


def _documents(database: Database) -> MongoDocumentStore[Conversation]:
    return MongoDocumentStore(database["conversations"], Conversation)


def _mail_sender(runtime: Runtime, settings: NotifierSettings) -> MailSender:
    return ReadOnlyMailSender() if settings.read_only else SmtpMailSender(settings, runtime.tokens)


def _sender(
    runtime: Runtime, settings: NotifierSettings, deliveries: MongoDeliveryStore, watch: AddressWatch
) -> Sender:
    composer = Composer(
        content=runtime.content,
        configurations=runtime.configurations,
        clock=runtime.clock,
        keys=settings.keys(),
        desk_url=settings.desk_url,
        mail_bytes=settings.mail_bytes,
    )
    reporter = Reporter(
        deliveries,
        MongoDeliveryLogStore(runtime.database["delivery_log"]),
        runtime.publisher,
        runtime.clock,
        settings.delivery_sweep_seconds,
    )
    sender = Sender(
        deliveries,
        composer,
        _mail_sender(runtime, settings),
        reporter,
        runtime.clock,
        settings,
        watch,
        None if settings.read_only else HttpChat(settings.webhook_seconds, parse_networks(settings.webhook_networks)),
    )
    runtime.configurations.on_change.append(sender.mended)
    return sender


def _fold(
    runtime: Runtime, settings: NotifierSettings, deliveries: MongoDeliveryStore, sender: Sender, returns: Returns
) -> Fold[Conversation, Surroundings]:
    decider = NotifierDecider(
        deliveries,
        runtime.configurations,
        runtime.clock,
        timedelta(hours=settings.too_old_hours),
        sender.wake,
        returns,
        sender.reporter.take,
    )
    return Fold(
        service="notifier",
        decider=decider,
        store=_documents(runtime.database),
        publisher=runtime.publisher,
        clock=runtime.clock,
        models=models_of(CONVERSATION_EVENTS),
    )


async def _gauges(runtime: Runtime, deliveries: MongoDeliveryStore) -> None:
    while True:
        now = runtime.clock.now()
        count, oldest = await deliveries.backlog(now)
        UNDONE.set(count)
        OLDEST_SECONDS.set((now - oldest).total_seconds() if oldest else 0)
        count, oldest = await deliveries.untold()
        RESULTS.set(count)
        RESULTS_SECONDS.set(max(0.0, (now - oldest).total_seconds()) if oldest else 0)
        await asyncio.sleep(GAUGE_SECONDS)
