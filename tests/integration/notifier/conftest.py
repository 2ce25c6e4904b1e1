"""A deployment with a notifier and an SMTP sink."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from postroom_contracts.events import Event
from postroom_contracts.topics import CONVERSATION_EVENTS
from postroom_local.smtp_sink import ReceivedMail, SmtpSink
from postroom_runtime import mongo
from postroom_runtime.content_store import MongoContentStore

from tests.deployment import Deployment, ServiceProcess
from tests.unit.notifier.company import configuration, contents

QUICK = {
    "delivery_poll_seconds": 0.1,
    "delivery_sweep_seconds": 0.5,
    "desk_url": "https://desk.acme.test",
}


class House:
    """One company whose mail goes to the sink."""

    def __init__(self, deployment: Deployment, sink: SmtpSink) -> None:
        self.deployment = deployment
        self.sink = sink
        self.client = mongo.connect(deployment.settings)
        self.content = MongoContentStore(mongo.database(self.client, deployment.settings, "content"))
        self.deliveries = mongo.database(self.client, deployment.settings, "notifier")["deliveries"]
        self.addresses = mongo.database(self.client, deployment.settings, "notifier")["addresses"]
        self.receivers = mongo.database(self.client, deployment.settings, "notifier")["webhook_receivers"]

    async def notifier(self, **env: str) -> ServiceProcess:
        process = self.deployment.start("notifier", **env)
        await process.ready()
        return process

    async def killed(self, process: ServiceProcess) -> None:
        """Return when `process`, the only notifier, has died at its step; what it had leased is free, as in the end it is."""
        await self.deployment.killed(process)
        now, held = datetime.now(UTC), {"lease": {"$exists": True}, "next_at": {"$exists": True}}
        await self.deliveries.update_many(held, {"$set": {"next_at": now}})
        await self.receivers.update_many(held, {"$set": {"next_at": now, "until": now}})

    async def mails(self, count: int) -> list[ReceivedMail]:
        """Return what the mail server took as soon as there are so many."""
        return await asyncio.to_thread(self.sink.wait_for, count, 60)

    async def publish(self, *events: Event) -> None:
        await self.deployment.publisher.publish_events(CONVERSATION_EVENTS, events)

    async def facts(self, count: int, timeout_seconds: float = 60) -> list[Event]:
        """Return the notifier's facts when there are `count` of them."""
        return await self.deployment.wait_for_events(
            CONVERSATION_EVENTS, count, timeout_seconds, lambda event: event.source == "/postroom/notifier"
        )


@pytest.fixture
async def house(
    kafka_bootstrap: str, mongo_uri: str, topic_prefix: str, database_prefix: str, smtp_sink: SmtpSink
) -> AsyncIterator[House]:
    async with Deployment(kafka_bootstrap, mongo_uri, topic_prefix, database_prefix, **QUICK) as deployment:
        await deployment.configure(configuration(smtp_sink.port))
        house = House(deployment, smtp_sink)
        await house.content.put(contents())
        yield house
        await mongo.close(house.client)
