"""Puts webhooks together: store, client, consumer, sender, API."""

import asyncio

from postroom_runtime.outbound import parse_networks
from postroom_runtime.service import Runtime

from postroom_notifier.adapters.mongo_webhooks import MongoWebhooks
from postroom_notifier.adapters.webhook_client import HttpWebhookClient
from postroom_notifier.letters import LetterBox, router
from postroom_notifier.metrics import WEBHOOK_OLDEST_SECONDS, WEBHOOKS_UNDONE
from postroom_notifier.ports import MailSender
from postroom_notifier.settings import NotifierSettings
from postroom_notifier.webhooks.api import Webhooks, application
from postroom_notifier.webhooks.sending import WebhookSender
from postroom_notifier.webhooks.taking import TakeEvents
from postroom_notifier.webhooks.telling import TellAdmins

GAUGE_SECONDS = 5.0


async def add_webhooks(runtime: Runtime, settings: NotifierSettings, mail: MailSender) -> None:
    """Consume group `webhooks`, send what is due, and serve the API; letters have their route in it."""
    store = MongoWebhooks(runtime.database)
    client = HttpWebhookClient(runtime.clock, settings.webhook_seconds, parse_networks(settings.webhook_networks))
    sender = WebhookSender(
        store,
        client,
        runtime.configurations,
        runtime.clock,
        settings.webhook_lease_seconds,
        settings.webhook_seconds,
    )
    taking = TakeEvents(store, runtime.configurations, runtime.clock, sender.wake)
    await runtime.consume("webhooks", taking)
    runtime.background("webhooks", sender.run)
    telling = TellAdmins(store, mail, runtime.configurations, runtime.clock, settings.desk_url)
    runtime.background("webhook news", telling.run)
    runtime.background("webhook gauges", lambda: _gauges(runtime, store))
    keys = settings.keys()
    api = application(Webhooks(store, taking, runtime.configurations, runtime.clock, settings, keys))
    api.include_router(router(LetterBox(mail, runtime.configurations, runtime.clock)))
    runtime.serve(api)


async def _gauges(runtime: Runtime, store: MongoWebhooks) -> None:
    while True:
        now = runtime.clock.now()
        count, oldest = await store.backlog(now)
        WEBHOOKS_UNDONE.set(count)
        WEBHOOK_OLDEST_SECONDS.set((now - oldest).total_seconds() if oldest else 0)
        await asyncio.sleep(GAUGE_SECONDS)
