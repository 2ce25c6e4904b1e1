"""Puts webhooks together: store, client, consumer, sender, API."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import get_args

from postroom_runtime.outbound import parse_networks
from postroom_runtime.service import Runtime

from postroom_notifier.adapters.mongo_webhooks import MongoWebhooks
from postroom_notifier.adapters.webhook_client import HttpWebhookClient
from postroom_notifier.domain.webhooks import SubscriptionState, state_of
from postroom_notifier.letters import LetterBox, router
from postroom_notifier.metrics import (
    WEBHOOK_OLDEST_SECONDS,
    WEBHOOK_OURS_SECONDS,
    WEBHOOK_SUBSCRIPTIONS,
    WEBHOOKS_DEAD,
    WEBHOOKS_UNDONE,
)
from postroom_notifier.ports import MailSender
from postroom_notifier.settings import NotifierSettings
from postroom_notifier.webhooks.api import Webhooks, application
from postroom_notifier.webhooks.sending import WebhookSender
from postroom_notifier.webhooks.taking import TakeEvents
from postroom_notifier.webhooks.telling import TellAdmins

GAUGE_SECONDS = 5.0


async def add_webhooks(
    runtime: Runtime, settings: NotifierSettings, mail: MailSender, fold_lag: Callable[[], float]
) -> None:
    """Consume group `webhooks`, send what is due, serve the API. `fold_lag`: how far our fold is behind (seconds).

    Letters have their route in the same API.
    """
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
    taking = TakeEvents(store, runtime.configurations, runtime.clock, sender.wake, fold_lag)
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
        subscriptions = runtime.configurations.latest.webhooks
        receivers = await store.receivers() if subscriptions else {}
        states = Counter(state_of(s, receivers.get(s.id)) for s in subscriptions)
        for state in get_args(SubscriptionState):
            WEBHOOK_SUBSCRIPTIONS.labels(state).set(states[state])
        now = runtime.clock.now()
        waiting = await store.backlog(now, [r.subscription_id for r in receivers.values() if r.keeps_waiting])
        WEBHOOKS_UNDONE.set(waiting.undone)
        WEBHOOKS_DEAD.set(waiting.dead)
        WEBHOOK_OLDEST_SECONDS.set(_age(waiting.oldest_at, now))
        WEBHOOK_OURS_SECONDS.set(_age(waiting.ours_at, now))
        await asyncio.sleep(GAUGE_SECONDS)


def _age(since: datetime | None, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds()) if since else 0.0
