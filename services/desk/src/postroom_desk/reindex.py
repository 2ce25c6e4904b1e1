"""The search index anew, from the command line."""

from collections.abc import Callable

from postroom_contracts.topics import CONVERSATION_EVENTS
from postroom_runtime import mongo
from postroom_runtime.clock import SystemClock
from postroom_runtime.configuration_feed import ConfigurationFeed, Configurations
from postroom_runtime.content_store import MongoContentStore
from postroom_runtime.kafka import client_options
from postroom_runtime.leases import LeaseStore, own_name
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.topic_ids import read_topic_ids

from postroom_desk.adapters.copies import MongoCopies
from postroom_desk.adapters.event_log import MongoEventLog
from postroom_desk.adapters.read_model import MongoConversations
from postroom_desk.adapters.search_index import MongoSearchIndex
from postroom_desk.forgetting import Forgetting
from postroom_desk.indexing import LEASE_SECONDS, Indexer, IndexMark


async def reindex(settings: RuntimeSettings, progress: Callable[[int], None]) -> int | None:
    """Have the index made anew; returns how many facts were read, None when a running desk does it.

    Raises KafkaError, InfrastructureError, LookupError when a server or the topic is away.
    """
    client = mongo.connect(settings)
    database = mongo.database(client, settings, "desk")
    topic = settings.topic(CONVERSATION_EVENTS.name)
    configurations = Configurations()
    feed = ConfigurationFeed(settings, configurations)
    try:
        topic_id = (await read_topic_ids(client_options(settings), [topic]))[topic]
        mark = IndexMark(database["meta"], topic_id)
        leases = LeaseStore(database["leases"], SystemClock(settings.clock_offset_seconds), own_name())
        await mark.forget()
        lease = await leases.acquire("search-index", LEASE_SECONDS)
        if lease is None:
            return None
        await feed.start()
        index = MongoSearchIndex(database)
        await index.prepare()
        content = MongoContentStore(mongo.database(client, settings, "content"))
        conversations = MongoConversations(database["conversations"])
        events = MongoEventLog(database, topic_id)
        forgetting = Forgetting(MongoCopies(database), content)
        indexer = Indexer(index, mark, events, conversations, content, configurations, leases, forgetting)
        count = await indexer.catch_up(progress)
        await leases.release(lease)
        return count
    finally:
        await feed.stop()
        await mongo.close(client)
