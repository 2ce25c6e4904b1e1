"""Puts the generated history where it belongs: content store and Kafka, once per data directory."""

from aiokafka import AIOKafkaConsumer, OffsetAndMetadata, TopicPartition
from postroom_contracts.topics import CONVERSATION_EVENTS
from postroom_runtime import mongo
from postroom_runtime.content_store import MongoContentStore
from postroom_runtime.kafka import Publisher, client_options
from postroom_runtime.settings import RuntimeSettings

from postroom_demo.history import History

BEHIND_IT = ("assigner", "notifier", "ingest")
"""Groups that begin behind the history: it must neither be assigned nor sent again."""


async def write(settings: RuntimeSettings, history: History) -> None:
    """Write texts, then facts, then the beginnings of the groups. Services must not run yet.

    Raises InfrastructureError; a repeat after a failure gives the same ids, which every fold drops.
    """
    client = mongo.connect(settings)
    publisher = Publisher(settings)
    try:
        store = MongoContentStore(mongo.database(client, settings, "content"))
        await store.prepare()
        await store.put(history.documents)
        await publisher.start()
        for first in range(0, len(history.events), 500):
            await publisher.publish_events(CONVERSATION_EVENTS, history.events[first : first + 500])
    finally:
        await publisher.stop()
        await mongo.close(client)
    for group in BEHIND_IT:
        await _begin_behind(settings, group)


async def _begin_behind(settings: RuntimeSettings, group: str) -> None:
    """Commit the present ends of the topic for a group that has no members."""
    topic = settings.topic(CONVERSATION_EVENTS.name)
    consumer = AIOKafkaConsumer(
        **client_options(settings), group_id=f"{settings.topic_prefix}{group}", enable_auto_commit=False
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(settings.partitions)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.commit({tp: OffsetAndMetadata(end, "") for tp, end in ends.items()})
    finally:
        await consumer.stop()
