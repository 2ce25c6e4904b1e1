"""Folders, marks and filters on real MongoDB: what the doubles do, from an index alone."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from postroom_contracts.facts import NoteAdded
from postroom_contracts.values import Status
from postroom_desk.adapters.bulks import MongoBulks
from postroom_desk.adapters.documents import ConversationDocuments
from postroom_desk.adapters.drafts import MongoDrafts
from postroom_desk.adapters.filters import MongoFilters
from postroom_desk.adapters.folder_rows import MongoFolderCounts, MongoMarks
from postroom_desk.adapters.read_model import MongoConversations
from postroom_desk.bulk import BulkItem, BulkRecord
from postroom_desk.domain.bulk import Before, Change
from postroom_desk.domain.draft import Draft, Written, saved
from postroom_desk.domain.filters import ListParameters, SavedFilter
from postroom_desk.domain.folders import FolderTable
from postroom_desk.domain.queries import ListQuery
from postroom_desk.domain.view import ConversationView
from postroom_runtime import mongo
from postroom_runtime.clock import ManualClock
from postroom_runtime.documents import Document
from postroom_runtime.errors import ConflictError
from postroom_runtime.settings import RuntimeSettings

from tests.component.desk.doubles import NOW, DeskBench
from tests.component.desk.facts import ANA, assigned, content, queued, received, replied

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
