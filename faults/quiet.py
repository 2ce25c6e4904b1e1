"""Whether all is done: nothing unread, nothing behind, nothing still to be sent. Only for knowing when to count."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from postroom_contracts.topics import GROUPS
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from faults.company import MAIL_USERS
from faults.world import DATABASE_PREFIX, TOPIC_PREFIX, World


async def wait_until_quiet(
    world: World, quiet_seconds: float, within: float, progress: Callable[[dict[str, int]], None]
) -> dict[str, int]:
    """Return what is still to be done, empty when nothing was for `quiet_seconds`. Keeps services running meanwhile."""
    give_up_at = time.monotonic() + within
    since = time.monotonic()
    while True:
        world.supervise()
        waiting = await still_to_do(world)
        if waiting:
            since = time.monotonic()
        progress(waiting)
        if time.monotonic() - since >= quiet_seconds or time.monotonic() > give_up_at:
            return waiting
        await asyncio.sleep(1)


async def still_to_do(world: World) -> dict[str, int]:
    """Return what is not done, by name, without what is."""
    found: dict[str, int] = {}
    try:
        found["records behind"] = await _lag(world)
        found |= await asyncio.to_thread(_in_databases, world)
    except (KafkaError, PyMongoError, OSError, TimeoutError):
        found["servers that do not answer"] = 1
    ready = await asyncio.gather(*(asyncio.to_thread(world.is_ready, name) for name in world.services))
    found |= {f"{name} not ready": 1 for name, yes in zip(world.services, ready, strict=True) if not yes}
    return {name: count for name, count in found.items() if count}


async def _lag(world: World) -> int:
    """Return how many records the groups of the running services have not committed."""
    bootstrap = world.kafka.bootstrap
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    lag = 0
    async with asyncio.timeout(20):
        await admin.start()
        try:
            await consumer.start()
            try:
                for group in GROUPS:
                    if group.service in world.running_services:
                        names = [f"{TOPIC_PREFIX}{topic.name}" for topic in group.topics]
                        lag += await _lag_of(admin, consumer, f"{TOPIC_PREFIX}{group.name}", names)
            finally:
                await consumer.stop()
        finally:
            await admin.close()
    return lag


async def _lag_of(admin: Any, consumer: Any, group: str, topics: list[str]) -> int:
    committed = await admin.list_consumer_group_offsets(group)
    lag = 0
    for topic in topics:
        await consumer._client.set_topics(topics)  # noqa: SLF001 - there is no public way to learn a topic's partitions
        partitions = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic) or ()]
        ends = await consumer.end_offsets(partitions)
        for tp in partitions:
            done = committed[tp].offset if tp in committed else 0
            lag += max(0, ends[tp] - max(0, done))
    return lag


def _in_databases(world: World) -> dict[str, int]:
    """Return mails that lie unread in Maildirs, ledger entries not published, deliveries not sent or not reported."""
    client: MongoClient[dict[str, Any]] = MongoClient(world.mongo.uri, serverSelectionTimeoutMS=2000)
    with client:
        ingest, notifier = client[f"{DATABASE_PREFIX}ingest"], client[f"{DATABASE_PREFIX}notifier"]
        lying = sum(_mails_in(world, user.address) for user in MAIL_USERS)
        return {
            "mails unread": max(0, lying - ingest["places"].count_documents({})),
            "ledger": ingest["ledger"].count_documents({"published": False}),
            "deliveries": notifier["deliveries"].count_documents({"next_at": {"$exists": True}}),
            "results": notifier["deliveries"].count_documents({"unreported_since": {"$exists": True}}),
        }


def _mails_in(world: World, address: str) -> int:
    box = world.dovecot.maildir(address)
    return sum(1 for folder in ("new", "cur") for _ in (box / folder).iterdir())
