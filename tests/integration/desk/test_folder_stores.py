"""Folders, marks and filters on real MongoDB: what the doubles do, from an index alone."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from postroom_contracts.configuration import Configuration, ConfigurationApplied
from postroom_contracts.facts import NoteAdded
from postroom_contracts.values import Status
from postroom_desk.adapters.bulks import MongoBulks
from postroom_desk.adapters.documents import ConversationDocuments
from postroom_desk.adapters.drafts import MongoDrafts
from postroom_desk.adapters.due_dates import DUE_AT, MongoDueDates
from postroom_desk.adapters.filters import MongoFilters
from postroom_desk.adapters.folder_rows import MongoFolderCounts, MongoMarks
from postroom_desk.adapters.read_model import MongoConversations, filter_of
from postroom_desk.bulk import BulkItem, BulkRecord
from postroom_desk.domain.bulk import Before, Change
from postroom_desk.domain.draft import Draft, Written, saved
from postroom_desk.domain.filters import ListParameters, SavedFilter
from postroom_desk.domain.folders import FolderTable
from postroom_desk.domain.queries import Cursor, ListQuery, Sort, sorted_by
from postroom_desk.domain.view import NOT_WAITING, ConversationView
from postroom_desk.due_keeping import DueKeeper
from postroom_runtime import mongo
from postroom_runtime.clock import ManualClock
from postroom_runtime.configuration_feed import Configurations
from postroom_runtime.documents import Document
from postroom_runtime.errors import ConflictError
from postroom_runtime.settings import RuntimeSettings

from tests.component.desk.doubles import NOW, DeskBench
from tests.component.desk.facts import ANA, assigned, content, queued, received, replied
from tests.integration.desk.office import company

pytestmark = pytest.mark.connected
EVERY = frozenset({"support", "sales"})


@dataclass
class Both:
    database: Any
    desk: DeskBench
    counts: MongoFolderCounts
    marks: MongoMarks
    store: ConversationDocuments


@pytest.fixture
async def both(mongo_uri: str, database_prefix: str) -> AsyncIterator[Both]:
    settings = RuntimeSettings(mongo_uri=mongo_uri, database_prefix=database_prefix)
    client = mongo.connect(settings)
    database = mongo.database(client, settings, "desk")
    collection = database["conversations"]
    counts = MongoFolderCounts(collection, ManualClock(NOW), database["drafts"])
    for _ in range(2):
        await counts.prepare()
        await MongoConversations(collection).prepare()
    desk = DeskBench()
    await _fill(desk)
    store = ConversationDocuments(collection, ConversationView)
    drafts = MongoDrafts(database)
    await drafts.prepare()
    for key, draft in desk.drafts.drafts.items():
        await drafts.put(key, draft, 0)
    await store.save([Document(i, state=v, applied={"s": 1}) for i, v in desk.conversations.views.items()])
    yield Both(database, desk, counts, MongoMarks(collection), store)
    await mongo.close(client)


async def _fill(desk: DeskBench) -> None:
    for n in range(6):
        tags = [["order"], ["order", "brakes"], []][n % 3]
        await desk.happens(received("m1", f"14:{n:02}", tags=tags, watchers=["ben"] if n == 2 else []), f"c{n}")
        owner = assigned("ana" if n < 2 else "ben") if n < 4 else queued()
        await desk.happens(owner, f"c{n}", source="/postroom/assigner")
    for n in (0, 1):
        mentions = ["ben", "mira"] if n else ["ben"]
        await desk.happens(NoteAdded(message_id="n", actor=ANA, content=content("n"), mentions=mentions), f"c{n}")
    await desk.happens(replied(status=Status.WAITING), "c3")
    await desk.happens(replied(status=Status.RESOLVED, resolved=True), "c5")
    begun = [
        Draft(id="1", conversation_id="c0", kind="reply", revision=1),
        Draft(id="2", conversation_id="c1", kind="note", people=["ben"], revision=1),
        Draft(id="3", conversation_id="not yet", kind="start", people=["ana", "ben"], revision=1),
    ]
    for draft in begun:
        written = Written(text="Dear Carla", inbox_id="sales" if draft.kind == "start" else "")
        await desk.drafts.put(draft.id, saved(draft, written, "ana", NOW), 0)
    await desk.drafts.put("empty", saved(begun[0], Written(), "ana", NOW), 0)


def ordered(table: FolderTable) -> tuple[list[Any], ...]:
    def total(rows: Any) -> list[Any]:
        found: dict[Any, int] = {}
        for row in rows:
            key = (row.agent_id, row.inbox_id)
            found[key] = found.get(key, 0) + row.conversations
        return sorted(found.items())

    facets: dict[Any, tuple[int, int]] = {}
    for row in table.rows:
        n, unattended = facets.get((row.status, row.facet), (0, 0))
        facets[row.status, row.facet] = (n + row.conversations, unattended + row.unattended)
    return sorted(facets.items()), total(table.mentions), total(table.watched), total(table.drafts)


async def test_counts_are_those_of_the_double_also_after_looking(both: Both) -> None:
    assert ordered(await both.counts.table()) == ordered(await both.desk.marks.table())
    for marks in (both.marks, both.desk.marks):
        await marks.read("c1", "ben", NOW + timedelta(hours=1))
        await marks.read("c0", "ana", NOW - timedelta(days=1))
    found = await both.counts.table()
    assert ordered(found) == ordered(await both.desk.marks.table())
    assert {(r.agent_id, r.conversations) for r in found.mentions} == {("ben", 1), ("mira", 1)}
    assert {(r.agent_id, r.conversations) for r in found.watched} == {("ben", 1)}
    drafts = {(r.agent_id, r.inbox_id): r.conversations for r in found.drafts}
    assert drafts == {("ana", "support"): 1, ("ben", "support"): 1, ("ana", "sales"): 1, ("ben", "sales"): 1}


async def test_the_great_count_reads_an_index_and_no_document(both: Both) -> None:
    pipeline = {
        "aggregate": "conversations",
        "cursor": {},
        "pipeline": both.counts.pipeline(),
        "hint": both.counts.index,
    }
    explained = str(await both.database.command({"explain": pipeline, "verbosity": "executionStats"}))
    assert "'totalDocsExamined': 0" in explained
    assert "COLLSCAN" not in explained


async def test_what_was_read_stays_when_the_fold_writes_and_a_race_is_a_conflict(both: Both) -> None:
    await both.marks.read("c0", "ben", NOW)
    documents = await both.store.load(["c0", "new"])
    document = documents["c0"]
    assert document.state is not None
    document.state = document.state.model_copy(update={"status": Status.WAITING})
    await both.store.save([document])
    assert await both.marks.read_at(["c0", "c1"], "ben") == {"c0": NOW}
    with pytest.raises(ConflictError):
        await both.store.save([document])
    stored = await both.database["conversations"].find_one({"_id": "c0"})
    assert (stored["version"], stored["state"]["status"], stored["state"]["facet"]) == (
        2,
        "waiting",
        "support/workshop/ana/order",
    )
    await both.marks.unread("c0", "ben")
    assert await both.marks.read_at(["c0"], "ben") == {}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (ListQuery(readable=EVERY, mentioned="mira"), ["c1"]),
        (ListQuery(readable=EVERY, watcher="ben"), ["c2"]),
        (ListQuery(readable=EVERY, unattended=True), ["c0", "c2", "c4"]),
        (ListQuery(readable=EVERY, tag="brakes", statuses=(Status.OPEN,)), ["c1", "c4"]),
    ],
    ids=["mentioned", "watched", "unattended", "tag"],
)
async def test_folders_list_what_lies_in_them(both: Both, query: ListQuery, found: list[str]) -> None:
    await both.marks.read("c1", "ben", NOW)
    rows = await MongoConversations(both.database["conversations"]).find(replace(query, limit=10))
    assert sorted(i for i, _ in rows) == found


def _with_policies(version: int, urgent_seconds: int) -> ConfigurationApplied:
    """The company with the policies `urgent` and `usual`; its calendar is always open."""
    policies = [
        {"id": "usual", "first_response_seconds": 7200},
        {"id": "urgent", "first_response_seconds": urgent_seconds},
    ]
    configuration = Configuration.model_validate({**company().model_dump(), "policies": policies})
    return ConfigurationApplied(configuration_version=version, applied_at=NOW, configuration=configuration)


@dataclass
class Dated:
    """Conversations as the desk writes them: two `usual` of 14:00 and 14:10, `urgent` of 14:20, two of 13:00 without policy."""

    database: Any
    conversations: MongoConversations
    configurations: Configurations
    keeper: DueKeeper
    store: ConversationDocuments


@pytest.fixture
async def dated(both: Both) -> Dated:
    await both.database["conversations"].delete_many({})
    configurations = Configurations()
    configurations.add(_with_policies(1, 600))
    keeper = DueKeeper(MongoDueDates(both.database["conversations"]), configurations)
    store = ConversationDocuments(both.database["conversations"], ConversationView, keeper.reckon)
    desk = DeskBench()
    for name, at, policy in [
        ("usual-0", "14:00", "usual"), ("usual-1", "14:10", "usual"), ("urgent", "14:20", "urgent"),
        ("none-0", "13:00", None), ("none-1", "13:00", None),
    ]:  # fmt: skip
        await desk.happens(received("m1", at, policy_id=policy), name)
    await store.save([Document(i, state=v, applied={"s": 1}) for i, v in desk.conversations.views.items()])
    return Dated(both.database, MongoConversations(both.database["conversations"]), configurations, keeper, store)


async def by_deadline(dated: Dated) -> list[str]:
    """Return all ids, page by page."""
    query, ids = ListQuery(readable=EVERY, statuses=(Status.OPEN,), sort="deadline", limit=2), list[str]()
    while True:
        found = await dated.conversations.find(query)
        ids += [i for i, _ in found[:2]]
        if len(found) <= query.limit:
            return ids
        last_id, last = found[1]
        query = replace(query, cursor=Cursor("deadline", sorted_by(last, "deadline"), last_id))


async def test_what_is_due_soonest_comes_first_and_what_has_no_deadline_last(dated: Dated) -> None:
    assert await by_deadline(dated) == ["urgent", "usual-0", "usual-1", "none-0", "none-1"]
    documents = await dated.store.load(["urgent"])
    state = documents["urgent"].state
    assert state is not None
    documents["urgent"].state = state.model_copy(update={"waiting_order": NOT_WAITING})  # answered
    await dated.store.save(list(documents.values()))
    assert await by_deadline(dated) == ["usual-0", "usual-1", "none-0", "none-1", "urgent"]


async def test_another_configuration_moves_what_nobody_touches(dated: Dated) -> None:
    dated.configurations.add(_with_policies(2, 86_400))
    assert await dated.keeper.renew() == 5  # whoever waits: a policy may have come to them, too
    assert await by_deadline(dated) == ["usual-0", "usual-1", "urgent", "none-0", "none-1"]
    assert await dated.keeper.renew() == 0
    older = Configurations()
    older.add(_with_policies(1, 600))
    assert await DueKeeper(dated.keeper.dates, older).renew() == 0  # a replica that has not heard of it yet


async def test_what_an_older_release_wrote_is_reckoned_and_waits_in_no_list_for_it(dated: Dated) -> None:
    conversations = dated.database["conversations"]
    await conversations.update_many({"_id": {"$in": ["urgent", "none-0"]}}, {"$unset": {"due": 1}})
    await conversations.update_one({"_id": "usual-0"}, {"$set": {"state.policy_id": None}, "$inc": {"version": 1}})
    assert set(await by_deadline(dated)) == {"urgent", "usual-0", "usual-1", "none-0", "none-1"}
    assert await dated.keeper.renew() == 3
    assert await by_deadline(dated) == ["urgent", "usual-1", "none-0", "none-1", "usual-0"]


@pytest.mark.parametrize(("sort", "field"), [("deadline", DUE_AT), ("waiting", "state.waiting_order")])
@pytest.mark.parametrize(
    "narrowed", [{}, {"owner_id": "ana"}, {"team_id": "workshop"}, {"inbox_id": "support"}, {"tag": "order"}], ids=str
)
async def test_an_index_carries_the_order_of_a_list(
    dated: Dated, narrowed: dict[str, str], sort: Sort, field: str
) -> None:
    query = ListQuery(readable=EVERY, statuses=(Status.OPEN,), sort=sort, **narrowed)  # type: ignore[arg-type]
    asked = {"find": "conversations", "filter": filter_of(query), "sort": {field: 1, "_id": 1}, "limit": 51}
    explained = await dated.database.command({"explain": asked})
    stages = str(explained["queryPlanner"]["winningPlan"])
    assert "'stage': 'SORT'" not in stages
    assert field in stages


async def test_filters_are_kept_as_they_were(both: Both) -> None:
    filters = MongoFilters(both.database)
    await filters.prepare()
    query = ListParameters(tag="brakes", status=[Status.OPEN], owner="me")
    mine = SavedFilter(id="f1", name="Brakes", owner_id="ana", query=query, search="from:ann")
    shared = SavedFilter(id="f2", name="All", owner_id="ben", team_id="workshop")
    for kept in (mine, shared, mine):
        await filters.put(kept)
    assert await filters.of("ana", ["workshop"]) == [shared, mine]
    assert await filters.of("mira", ["sales"]) == []
    assert await filters.get("f1") == mine
    await filters.delete("f1")
    assert await filters.get("f1") is None


async def test_bulk_actions_are_kept_as_they_were_and_the_first_stays(both: Both) -> None:
    bulks = MongoBulks(both.database)
    await bulks.prepare()
    before = Before(Status.SNOOZED, owner_id="ana", tags=("a", "b"), snoozed_until=NOW)
    change = Change("tag", add=("x",), until=NOW)
    record = BulkRecord("b1", "ana", NOW, change, (BulkItem("c1", "r1", before),))
    assert await bulks.remember(record) == record
    assert await bulks.remember(replace(record, items=())) == record
    assert await bulks.get("b1") == record
    assert await bulks.get("b2") is None
