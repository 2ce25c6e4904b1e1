"""The read model anew from offset 0, on real Kafka and MongoDB."""

import pytest
from postroom_contracts.events import new_event
from postroom_contracts.topics import CONVERSATION_EVENTS, all_topics
from postroom_contracts.values import Status
from postroom_desk.adapters.documents import ConversationDocuments
from postroom_desk.adapters.event_log import MongoEventLog
from postroom_desk.domain.positions import LogPosition
from postroom_desk.domain.view import SHAPE, ConversationView
from postroom_desk.rebuild import Refolding, rebuild
from postroom_runtime import mongo
from postroom_runtime.documents import Document
from postroom_runtime.kafka import Publisher, client_options, create_topics
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.topic_ids import read_topic_ids

from tests.component.desk.facts import assigned, at, received, replied

pytestmark = pytest.mark.connected


async def test_a_lost_and_a_damaged_read_model_come_back_from_the_log(
    kafka_bootstrap: str, mongo_uri: str, topic_prefix: str, database_prefix: str
) -> None:
    settings = RuntimeSettings(
        kafka_bootstrap=kafka_bootstrap, mongo_uri=mongo_uri, topic_prefix=topic_prefix, database_prefix=database_prefix
    )
    await create_topics(settings, all_topics())
    await _publish(settings)
    client = mongo.connect(settings)
    database = mongo.database(client, settings, "desk")
    store = ConversationDocuments(database["conversations"], ConversationView)
    try:
        done = await rebuild(settings)
        assert (done.facts, done.conversations, done.failed) == (6, 2, [])
        documents = await store.load(["c0", "c1"])
        first = documents["c0"].state
        assert first is not None
        assert (first.status, first.owner_id, [m.message_id for m in first.messages]) == (
            "resolved",
            "ana",
            ["m1", "r1"],
        )
        assert documents["c0"].seen == {"/postroom/router": 2, "/postroom/assigner": 1}
        await database["conversations"].update_one(
            {"_id": "c0"}, {"$set": {"state.owner_id": "ghost", "marks.looked_at": at("16:00")}}
        )
        await database["conversations"].delete_one({"_id": "c1"})
        topic = settings.topic(CONVERSATION_EVENTS.name)
        topic_id = (await read_topic_ids(client_options(settings), [topic]))[topic]
        events = MongoEventLog(database, topic_id)
        refolding = Refolding(database, events, topic)
        assert not await refolding.needed()
        await database["meta"].update_one({"_id": "read-model"}, {"$set": {"shape": SHAPE - 1}})
        assert await refolding.needed()
        await events.record([], [LogPosition(p, 100) for p in range(4)])  # the consumer has kept all of it
        assert (await refolding.run()).failed == []
        again = await store.load(["c0", "c1"])
        assert {i: (d.state, d.seen) for i, d in again.items()} == {i: (d.state, d.seen) for i, d in documents.items()}
        stored = await database["conversations"].find_one({"_id": "c0"})
        assert stored["marks"] == {"looked_at": at("16:00")}
        await _not_before_its_facts_are_kept(refolding, store, database)
    finally:
        await mongo.close(client)


async def _not_before_its_facts_are_kept(refolding: Refolding, store: ConversationDocuments, database: object) -> None:
    """A document that has taken in what is not kept yet is left alone: else that fact would be lost to it."""
    ahead = (await store.load(["c0"]))["c0"]
    assert ahead.state is not None
    ahead.state = ahead.state.model_copy(update={"offset": 1000, "owner_id": "ben"})
    await store.save([Document("c0", state=ahead.state, version=ahead.version, seen=ahead.seen)])
    assert await refolding._try(["c0", "c1"]) == ["c0"]
    kept = (await store.load(["c0"]))["c0"].state
    assert kept is not None
    assert kept.owner_id == "ben"


async def _publish(settings: RuntimeSettings) -> None:
    publisher = Publisher(settings)
    await publisher.start()
    try:
        for n in range(2):
            facts = [
                (received(), "/postroom/router", 1),
                (assigned(), "/postroom/assigner", 1),
                (replied(status=Status.RESOLVED, resolved=True), "/postroom/router", 2),
            ]
            events = [
                new_event(f, source=s, cause_id=f"{n}-{i}", subject=f"c{n}", time=at("15:10"), sequence=number)
                for i, (f, s, number) in enumerate(facts)
            ]
            await publisher.publish_events(CONVERSATION_EVENTS, events)
    finally:
        await publisher.stop()
