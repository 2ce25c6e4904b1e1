"""The stores on real MongoDB do what their doubles do."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from postroom_contracts.values import Status
from postroom_desk.adapters.event_log import MongoEventLog
from postroom_desk.adapters.read_model import MongoConversations
from postroom_desk.adapters.requests import MongoRequests
from postroom_desk.domain.positions import LogPosition, Positions
from postroom_desk.domain.queries import Cursor, ListQuery, sorted_by
from postroom_desk.domain.view import ConversationView
from postroom_desk.ports import RequestRecord
from postroom_runtime import mongo
from postroom_runtime.documents import Document, MongoDocumentStore
from postroom_runtime.settings import RuntimeSettings

from tests.component.desk.doubles import NOW, DeskBench
from tests.component.desk.facts import assigned, queued, received, replied

pytestmark = pytest.mark.connected


@dataclass
class Both:
    """The same conversations and events in MongoDB and in the doubles."""

    database: Any
    desk: DeskBench
    conversations: MongoConversations
    events: MongoEventLog


@pytest.fixture(params=["motor", "pymongo"])
async def both(mongo_uri: str, database_prefix: str, request: pytest.FixtureRequest) -> AsyncIterator[Both]:
    settings = RuntimeSettings(mongo_uri=mongo_uri, database_prefix=database_prefix, mongo_driver=request.param)
    client = mongo.connect(settings)
    database = mongo.database(client, settings, "desk")
    conversations, events = MongoConversations(database["conversations"]), MongoEventLog(database, "topic-1")
    for store in (conversations, events):
        await store.prepare()
        await store.prepare()
    desk = DeskBench()
    await _fill(desk)
    documents = [Document(i, state=v, applied={"s": 1}) for i, v in desk.conversations.views.items()]
    await MongoDocumentStore(database["conversations"], ConversationView).save(documents)
    reached = [e.position for e in desk.events.events]
    for _ in range(2):  # a batch that is delivered again
        await events.record(desk.events.events, reached)
    yield Both(database, desk, conversations, events)
    await mongo.close(client)


async def _fill(desk: DeskBench) -> None:
    for n in range(6):
        where, p = f"conversation-{n}", n % 2
        tags = ["order"] if n == 2 else ["support"]
        await desk.happens(received("m1", f"14:{n:02}", tags=tags, contact_id=f"contact-{n % 3}"), where, partition=p)
        owner = assigned("ana" if n < 2 else "ben") if n < 4 else queued()
        await desk.happens(owner, where, source="/postroom/assigner", partition=p)
    await desk.happens(replied(), "conversation-1", cause="request-1", partition=1)
    await desk.happens(replied("r2", status=Status.RESOLVED, resolved=True), "conversation-3", partition=1)


BOTH = frozenset({"support", "sales"})
QUERIES = {
    "all": ListQuery(readable=BOTH),
    "newest": ListQuery(readable=BOTH, sort="newest"),
    "oldest": ListQuery(readable=BOTH, sort="oldest"),
    "owner": ListQuery(readable=BOTH, owner_id="ana"),
    "unassigned": ListQuery(readable=BOTH, unassigned=True, statuses=(Status.OPEN,)),
    "tag": ListQuery(readable=BOTH, tag="order"),
    "contact": ListQuery(readable=BOTH, contact_id="contact-1", archived=None),
    "resolved": ListQuery(readable=BOTH, statuses=(Status.RESOLVED,)),
    "team": ListQuery(readable=BOTH, team_id="workshop", inbox_id="support"),
    "archived": ListQuery(readable=BOTH, archived=True),
    "none": ListQuery(readable=BOTH, inbox_id="sales"),
    "foreign": ListQuery(readable=frozenset({"sales"})),
    "foreign inbox named": ListQuery(readable=frozenset({"sales"}), inbox_id="support"),
    "nothing": ListQuery(readable=frozenset()),
}


@pytest.mark.parametrize("name", QUERIES)
async def test_lists_are_those_of_the_double_page_by_page(both: Both, name: str) -> None:
    query = replace(QUERIES[name], limit=2)
    for _ in range(4):
        real = await both.conversations.find(query)
        wanted = [(i, v.model_copy(update={"messages": []})) for i, v in await both.desk.conversations.find(query)]
        assert real == wanted
        if len(real) <= query.limit:
            break
        identifier, view = real[query.limit - 1]
        query = replace(query, cursor=Cursor(query.sort, sorted_by(view, query.sort), identifier))


@pytest.mark.parametrize(
    "readable", [None, BOTH, frozenset({"sales"}), frozenset()], ids=["all", "both", "one", "none"]
)
async def test_what_is_not_readable_is_not_found(both: Both, readable: frozenset[str] | None) -> None:
    ids = ["conversation-1", "conversation-4", "unknown"]
    found = await both.conversations.get(ids, readable)
    assert found == await both.desk.conversations.get(ids, readable)
    assert set(found) == (set(ids[:2]) if readable is None or "support" in readable else set())
    assert await both.conversations.inboxes(ids) == {"conversation-1": "support", "conversation-4": "support"}


async def test_counts_are_those_of_the_double(both: Both) -> None:
    def summed(rows: Any) -> dict[tuple[Any, ...], tuple[int, int, int]]:
        found: dict[tuple[Any, ...], tuple[int, int, int]] = {}
        for r in rows:
            key = (str(r.status), r.team_id, r.inbox_id, r.owned, r.archived)
            n, a, b = found.get(key, (0, 0, 0))
            found[key] = (n + r.conversations, a + r.received, b + r.sent)
        return found

    assert summed(await both.conversations.counts()) == summed(await both.desk.conversations.counts())


async def test_counts_read_an_index_and_no_document(both: Both) -> None:
    await both.conversations.counts()
    pipeline = {"aggregate": "conversations", "cursor": {}}
    explained = await both.database.command(
        {
            "explain": pipeline
            | {"pipeline": both.conversations.count_pipeline(), "hint": both.conversations.count_index}
        }
        | {"verbosity": "executionStats"}
    )
    text = str(explained)
    assert "'totalDocsExamined': 0" in text
    assert "COLLSCAN" not in text


async def test_replies_that_wait_are_found_by_their_own_index(both: Both) -> None:
    later = replied("r3", send_at=datetime(2026, 3, 7, tzinfo=UTC))
    await both.desk.happens(later, "conversation-2")
    view = both.desk.conversations.views["conversation-2"]
    other = view.model_copy(update={"inbox_id": "sales"})
    documents = [Document(f"waiting-{n}", state=v, applied={"s": 1}) for n, v in enumerate((view, other))]
    await MongoDocumentStore(both.database["conversations"], ConversationView).save(documents)
    assert await both.conversations.scheduled(frozenset({"support"})) == [("waiting-0", view)]
    assert await both.conversations.scheduled(frozenset()) == []
    asked = {"state.messages.delivery": "scheduled", "state.inbox_id": {"$in": ["support"]}}
    explained = await both.database.command({"explain": {"find": "conversations", "filter": asked}})
    assert "state.messages.delivery_1" in str(explained["queryPlanner"]["winningPlan"])


async def test_the_event_log_is_that_of_the_double(both: Both) -> None:
    double = both.desk.events
    assert (await both.events.progress()).offsets == (await double.progress()).offsets
    everything = Positions({0: 99, 1: 99})
    for after in (Positions(), Positions({0: 2}), Positions({0: 2, 1: 7})):
        assert await both.events.between(after, everything, 50) == await double.between(after, everything, 50)
    assert await both.events.between(Positions(), Positions({0: 1}), 50) == await double.between(
        Positions(), Positions({0: 1}), 50
    )
    assert await both.events.of_conversation("conversation-1", None, 10) == await double.of_conversation(
        "conversation-1", None, 10
    )
    for bounds in (
        (1, None, None),
        (2, None, None),
        (10, NOW, None),
        (10, None, NOW),
        (10, NOW - timedelta(days=1), None),
    ):
        assert await both.events.newest_of("conversation-1", *bounds) == await double.newest_of(
            "conversation-1", *bounds
        )
    rest = await both.events.of_conversation("conversation-1", LogPosition(1, 0), 1)
    assert [e.position for e in rest] == [LogPosition(1, 1)]
    assert await both.events.caused_by("request-1") == await double.caused_by("request-1")
    one = double.events[3]
    assert await both.events.by_id(one.conversation_id, one.id) == one
    assert len(await both.events.newest(3)) == 3


async def test_an_old_topics_positions_do_not_count_for_a_new_one(both: Both) -> None:
    recreated = MongoEventLog(both.database, "topic-2")
    assert (await recreated.progress()).offsets == {}
    assert await recreated.between(Positions(), Positions({0: 99}), 10) == []


async def test_a_conversation_s_facts_are_those_of_one_topic_however_places_of_an_older_one_collide(both: Both) -> None:
    recreated = MongoEventLog(both.database, "topic-2")
    old = await both.events.of_conversation("conversation-1", None, 10)
    again = [replace(event, position=LogPosition(1, n)) for n, event in enumerate(reversed(old))]
    await recreated.record(again, [event.position for event in again])
    assert await recreated.of_conversation("conversation-1", None, 10) == again
    assert await recreated.newest_of("conversation-1", 10) == again
    assert await recreated.newest_of("conversation-1", 1) == again[-1:]
    assert await recreated.of_conversation("conversation-1", again[0].position, 10) == again[1:]
    assert await both.events.of_conversation("conversation-1", None, 10) == old


async def test_a_request_is_remembered_once(both: Both) -> None:
    requests = MongoRequests(both.database)
    await requests.prepare()
    record = RequestRecord("r1", "SendReply", "c1", "digest", datetime(2026, 3, 6, 15, tzinfo=UTC))
    assert await requests.remember(record) is None
    assert await requests.remember(replace(record, fingerprint="other")) == record
    assert await requests.get("r1") == record
    assert await requests.get("r2") is None
