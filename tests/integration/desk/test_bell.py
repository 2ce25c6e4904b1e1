"""Notification lists on real MongoDB: the double does the same, and a fact rings once whatever comes again."""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from postroom_contracts.events import Data, encode_body, encode_headers, new_event
from postroom_desk.adapters.documents import ConversationDocuments
from postroom_desk.adapters.event_log import MongoEventLog
from postroom_desk.adapters.notifications import MongoNotifications
from postroom_desk.bell.ports import NotificationStore
from postroom_desk.bell.ringing import Ringer
from postroom_desk.domain.logged import MODELS
from postroom_desk.domain.notifications import Notification
from postroom_desk.domain.positions import LogPosition
from postroom_desk.domain.view import ConversationView
from postroom_desk.handlers import ReadModelDecider
from postroom_desk.rebuild import Refolding
from postroom_runtime import mongo
from postroom_runtime.clock import ManualClock
from postroom_runtime.documents import Document
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.fold import Fold
from postroom_runtime.kafka import Outgoing, Publisher
from postroom_runtime.records import Incoming, read
from postroom_runtime.settings import RuntimeSettings

from tests.component.desk.bell_double import InMemoryNotifications
from tests.component.desk.doubles import NOW
from tests.component.desk.facts import assigned, received
from tests.integration.desk.office import company

pytestmark = pytest.mark.connected
EVERY = frozenset({"support", "sales"})


@pytest.fixture
async def database(mongo_uri: str, database_prefix: str) -> AsyncIterator[Any]:
    settings = RuntimeSettings(mongo_uri=mongo_uri, database_prefix=database_prefix)
    client = mongo.connect(settings)
    yield mongo.database(client, settings, "desk")
    await mongo.close(client)


def one(number: int, agent: str = "ana", inbox: str = "support", conversation: str = "c0") -> Notification:
    at = NOW + timedelta(minutes=number // 2)  # two at a time: their ids say which is first
    about = {"agent_id": agent, "inbox_id": inbox, "conversation_id": conversation, "kind": "mentioned", "at": at}
    return Notification.model_validate({"id": f"{agent}-{number}", **about})


async def ids(store: NotificationStore, agent: str = "ana", **more: Any) -> list[str]:
    return [n.id for n in await store.listed(agent, more.pop("readable", EVERY), more.pop("limit", 50), **more)]


@pytest.mark.parametrize("kind", ["double", "real"])
async def test_lists_of_notifications(kind: str, database: Any) -> None:
    store: NotificationStore = InMemoryNotifications()
    if kind == "real":
        store = MongoNotifications(database)
        for _ in range(2):
            await store.prepare()
    await store.add([])
    await store.add([one(0), one(1), one(2, inbox="sales", conversation="c1"), one(0, "ben")])
    assert await ids(store) == ["ana-2", "ana-1", "ana-0"]
    assert await ids(store, readable=frozenset({"support"})) == ["ana-1", "ana-0"]
    assert await ids(store, limit=1, before=(one(1).at, "ana-1")) == ["ana-0"]
    assert await store.unread(["ana", "ben", "mira"]) == {"ana": {"support": 2, "sales": 1}, "ben": {"support": 1}}

    assert await store.read("ana", NOW, ids=["ana-1", "ben-0"]) == 1
    assert await store.read("ana", NOW, ids=["ana-1"]) == 0
    await store.add([one(1), one(3)])  # one of them again: it stays read
    assert await ids(store, unread=True) == ["ana-3", "ana-2", "ana-0"]
    assert {n.id: n.read_at for n in await store.listed("ana", EVERY, 50)}["ana-1"] == NOW
    assert await store.read("ana", NOW, until=one(1).at) == 1
    assert await store.read("ana", NOW, conversations=["c1", "nowhere"]) == 1
    assert await store.unread(["ana"]) == {"ana": {"support": 1}}

    await store.move("c0", "sales")
    assert await store.unread(["ana", "ben"]) == {"ana": {"sales": 1}, "ben": {"sales": 1}}
    await store.trim("ana", 2)
    assert await ids(store) == ["ana-3", "ana-2"]
    assert await ids(store, "ben") == ["ben-0"]


async def test_lists_end_by_themselves_and_unread_ones_are_counted_from_an_index(database: Any) -> None:
    store = MongoNotifications(database)
    await store.prepare()
    indexes = [i async for i in database["notifications"].list_indexes()]
    assert [(dict(i["key"]), i["expireAfterSeconds"]) for i in indexes if "expireAfterSeconds" in i] == [
        ({"at": 1}, 7_776_000)
    ]
    await store.add([one(n, f"agent-{n % 20}") for n in range(400)])
    for n in range(19):
        await store.read(f"agent-{n}", NOW)
    wanted = {"agent_id": {"$in": ["agent-3", "agent-19"]}, "unread": True}
    plan = await database.command("explain", {"count": "notifications", "query": wanted}, verbosity="executionStats")
    assert plan["executionStats"]["totalDocsExamined"] <= 20


class Silent(Publisher):
    """What follows from a fold is not looked at here."""

    async def publish(self, records: Iterable[Outgoing], *, max_bytes: int = 0) -> None: ...


class DiesOnce(ConversationDocuments):
    """A store whose process dies, once, after what rings was stored."""

    dies = True

    async def save(self, documents: Sequence[Document[ConversationView]]) -> None:
        if self.dies:
            self.dies = False
            raise InfrastructureError("save")
        await super().save(documents)


def records(*facts: Data) -> list[Incoming]:
    made = []
    for n, fact in enumerate(facts):
        source = "/postroom/assigner" if n == 1 else "/postroom/router"
        event = new_event(
            fact, source=source, cause_id=f"cause-{n}", subject="c0", time=NOW, sequence=1 if n < 2 else n
        )
        headers = tuple((k, v) for k, v in encode_headers(event))
        record = ConsumerRecord("events", 0, n, 0, 0, b"c0", encode_body(fact), 0, 0, 0, headers)
        incoming = read(record, MODELS, {"events": "topic"}, frozenset())
        assert isinstance(incoming, Incoming)
        made.append(incoming)
    return made


async def test_a_fact_rings_once_though_it_comes_again_and_not_when_the_read_model_is_made_anew(database: Any) -> None:
    store, events = MongoNotifications(database), MongoEventLog(database, "topic")
    documents = DiesOnce(database["conversations"], ConversationView)
    decider = ReadModelDecider(events, Ringer(store, company, ManualClock(NOW)))
    settings = RuntimeSettings()
    fold = Fold(
        service="desk",
        decider=decider,
        store=documents,
        publisher=Silent(settings),
        clock=ManualClock(NOW),
        models=MODELS,
    )
    batch = records(received(), assigned("ana"), received("m2"))
    with pytest.raises(InfrastructureError):
        await fold.handle(batch, {})
    rung = await ids(store)
    assert len(rung) == 2, "stored before the conversation says that it was taken in"
    await store.read("ana", NOW)
    for again in (batch, batch, batch[:1], batch[1:]):
        await fold.handle(again, {})
    assert (await ids(store), await store.unread(["ana"])) == (rung, {})

    await database["notifications"].delete_many({})
    await events.record([], [LogPosition(0, 100)])
    assert (await Refolding(database, events, "events").run()).failed == []
    (document,) = (await documents.load(["c0"])).values()
    assert document.state is not None
    await database["conversations"].delete_many({})  # and all is lost: the group reads from offset 0
    assert await store.begun_at(NOW + timedelta(seconds=1)) == NOW + timedelta(seconds=1)
    begun_at = await store.begun_at(NOW + timedelta(days=1))  # another replica, or a later start
    assert begun_at == NOW + timedelta(seconds=1)
    anew = ReadModelDecider(events, Ringer(store, company, ManualClock(NOW), begun_at))
    await Fold(
        service="desk", decider=anew, store=documents, publisher=Silent(settings), clock=ManualClock(NOW), models=MODELS
    ).handle(batch, {})
    assert await ids(store) == []
    (document,) = (await documents.load(["c0"])).values()
    assert document.state is not None
    assert (document.state.owner_id, document.state.received) == ("ana", 2)
    assert await ids(store) == []
