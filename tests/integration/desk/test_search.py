"""Search on real MongoDB: what the double finds, filled by the indexer from facts, erased with them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from postroom_contracts.facts import (
    ContentErased,
    ConversationMerged,
    ConversationRouted,
    ConversationSplit,
    ConversationSplitOff,
    NoteAdded,
)
from postroom_contracts.ids import content_id
from postroom_contracts.values import Actor, Status
from postroom_desk.adapters.documents import ConversationDocuments
from postroom_desk.adapters.search_index import MongoSearchIndex
from postroom_desk.adapters.search_reads import MongoSearchReads
from postroom_desk.domain.search.cursor import SearchCursor
from postroom_desk.domain.search.query import parse_query
from postroom_desk.domain.view import ConversationView
from postroom_desk.indexing import Indexer, IndexMark
from postroom_desk.searching import Searcher
from postroom_runtime import mongo
from postroom_runtime.documents import Document
from postroom_runtime.leases import LeaseStore
from postroom_runtime.settings import RuntimeSettings

from tests.component.desk.doubles import DeskBench
from tests.component.desk.facts import ANA, assigned, content, received, replied

pytestmark = pytest.mark.connected
ALL = frozenset({"support", "sales"})
TEXTS = [
    ("Squealing brakes", "ann@acme.example", "Ann Müller", "Die Bremse quietscht seit Dienstag. Order 4711."),
    ("Late order", "bob@acme.example", "Bob Ray", "Where is my order? The brakes can wait."),
    ("Crème fraîche", "zoe@other.example", "Zoë Łukasz", "Bonjour, la facture est arrivée trop tard."),
    ("Invoice", "ann@acme.example", "Ann Müller", "Please send the invoice again, out of office until Monday."),
]


@dataclass
class Bench:
    database: Any
    desk: DeskBench
    indexer: Indexer
    searcher: Searcher

    async def index(self) -> None:
        """Do what the fold does in MongoDB, then fill both indexes."""
        collection = self.database["conversations"]
        await collection.delete_many({})
        documents = [Document(i, state=v, applied={"s": 1}) for i, v in self.desk.conversations.views.items()]
        await ConversationDocuments(collection, ConversationView).save(documents)
        await self.indexer.catch_up()

    async def find(self, text: str, readable: frozenset[str] = ALL, cursor: SearchCursor | None = None) -> list[str]:
        """Return the subjects that are found, in order; the double finds the same."""
        query = parse_query(text, "ana")
        page = await self.searcher.search(query, readable, cursor)
        double = await self.desk.app.state.parts.searcher.search(query, readable, cursor)
        assert [(f.row.id, f.hits, f.pieces) for f in page.rows] == [(f.row.id, f.hits, f.pieces) for f in double.rows]
        return [f.row.subject for f in page.rows]


class Twice:
    """Writes into MongoDB and into the double."""

    def __init__(self, *indexes: Any) -> None:
        self._indexes = indexes

    def __getattr__(self, name: str) -> Any:
        async def each(*arguments: Any) -> None:
            for index in self._indexes:
                await getattr(index, name)(*arguments)

        return each


@pytest.fixture
async def bench(mongo_uri: str, database_prefix: str) -> AsyncIterator[Bench]:
    settings = RuntimeSettings(mongo_uri=mongo_uri, database_prefix=database_prefix)
    client = mongo.connect(settings)
    database = mongo.database(client, settings, "desk")
    index = MongoSearchIndex(database)
    await index.prepare()
    desk = DeskBench()
    parts = desk.app.state.parts
    indexer = Indexer(
        Twice(index, desk.search),
        IndexMark(database["meta"], "topic-1"),
        desk.events,
        desk.conversations,
        desk.content,
        desk.configurations,
        LeaseStore(database["leases"], desk.clock, "test"),
    )
    searcher = Searcher(MongoSearchReads(database), parts.reader, desk.content, desk.clock)
    bench = Bench(database, desk, indexer, searcher)
    for n, (subject, address, name, text) in enumerate(TEXTS):
        await _writes(desk, n, subject, {"address": address, "name": name}, text)
    await bench.index()
    yield bench
    await mongo.close(client)


async def _writes(desk: DeskBench, n: int, subject: str, sender: dict[str, str], text: str) -> None:
    message = f"m{n}"
    files = [{"filename": "Rechnung März.pdf", "blob_id": "b"}] if n == 3 else []
    await desk.content.put(
        [{"_id": content_id(message), "kind": "message", "subject": subject, "from": sender, "text": text, "to": [],
          "attachments": files}]
    )  # fmt: skip
    fact = received(
        message, f"1{n}:00", opened=True, inbox_id="sales" if n == 2 else "support", contact_id=sender["address"][:3],
        tags=["order"] if n == 1 else [], attachments=len(files),
    )  # fmt: skip
    await desk.happens(fact, f"c{n}")


@pytest.mark.parametrize(
    ("query", "subjects"),
    [
        ("brakes ", ["Squealing brakes", "Late order"]),
        ("bra", ["Squealing brakes", "Late order"]),
        ("order brakes ", ["Late order", "Squealing brakes"]),
        ("acme ", ["Invoice", "Late order", "Squealing brakes"]),
        ("müller 4711", ["Squealing brakes"]),
        ("mueller invoice ", ["Invoice"]),
        ("muller bremse ", ["Squealing brakes"]),
        ("creme FACTURE ", ["Crème fraîche"]),
        ("lukasz zoe ", ["Crème fraîche"]),
        ('"out of office"', ["Invoice"]),
        ('"office of out"', []),
        ('invoice -"out of office" ', []),
        ("acme -brakes ", ["Invoice"]),
        ("from:bob ", ["Late order"]),
        ("subject:order ", ["Late order"]),
        ("tag:order brakes ", ["Late order"]),
        ("is:resolved ", []),
        ("is:open assignee:none acme -tag:order ", ["Invoice", "Squealing brakes"]),
        ("has:attachment ", ["Invoice"]),
        ("rechnung maerz ", ["Invoice"]),
        ("inbox:sales ", ["Crème fraîche"]),
        ("after:2026-03-07 acme ", []),
        ("before:2026-03-07 bob ", ["Late order"]),
        ("nosuchword ", []),
        ("nosuchword brakes ", []),
        ("", []),
    ],
)
async def test_what_is_looked_for_is_found(bench: Bench, query: str, subjects: list[str]) -> None:
    assert await bench.find(query) == subjects


async def test_an_inbox_that_one_may_not_read_is_not_searched(bench: Bench) -> None:
    assert await bench.find("facture ", frozenset({"support"})) == []
    assert await bench.find("inbox:sales facture ", frozenset({"support"})) == []
    assert await bench.find("facture ", frozenset()) == []
    index = MongoSearchIndex(bench.database)
    assert await index.suggest(["zoe"], frozenset({"support"}), 5) == []
    assert [p.address for p in await index.suggest(["zo", "oth"], ALL, 5)] == ["zoe@other.example"]
    found = await index.suggest(["acme"], ALL, 5)
    assert [(p.address, p.name) for p in found] == [("ann@acme.example", "Ann Müller"), ("bob@acme.example", "Bob Ray")]


async def test_notes_and_answers_are_found_by_the_contact_of_their_conversation(bench: Bench) -> None:
    desk = bench.desk
    await desk.content.put([{"_id": content_id("r1"), "kind": "reply", "text": "We replaced the cable."}])
    await desk.content.put([{"_id": content_id("n1"), "kind": "note", "text": "Cable from stock, tell Mira."}])
    await desk.happens(replied(), "c0")
    await desk.happens(NoteAdded(message_id="n1", actor=ANA, content=content("n1")), "c0")
    await bench.index()
    assert await bench.find("müller cable ") == ["Squealing brakes"]
    assert await bench.find("to:ann cable ") == ["Squealing brakes"]
    assert await bench.find("has:note stock ") == ["Squealing brakes"]
    assert await bench.find("from:ana ruiz ") == ["Squealing brakes"]


async def test_what_is_erased_is_found_no_more_nor_what_others_entries_said_of_the_person(bench: Bench) -> None:
    desk = bench.desk
    await desk.content.put([{"_id": content_id("r1"), "kind": "reply", "text": "We replaced the cable."}])
    await desk.happens(replied(), "c0")
    await bench.index()
    await desk.content.delete([content_id("m0")])
    await desk.happens(ContentErased(contact_id="ann", message_ids=["m0"]), "c0")
    await bench.index()
    assert await bench.find("bremse ") == []
    assert await bench.find("cable müller ") == []
    assert await bench.find("cable ") == [""]
    assert await MongoSearchIndex(bench.database).suggest(["ann"], ALL, 5) == []
    everything = str([d async for d in bench.database["search"].find()]) + str(
        [d async for d in bench.database["search_people"].find()]
    )
    assert "bremse" not in everything
    await bench.indexer.mark.forget()
    await bench.index()
    assert await bench.find("bremse ") == []
    assert await bench.find("brakes ") == ["Late order"]


async def test_a_merged_conversations_messages_are_found_in_the_one_that_goes_on(bench: Bench) -> None:
    merged = ConversationMerged(target_id="c1", merged_at=bench.desk.clock.now(), actor=Actor(kind="agent", id="ana"))
    await bench.desk.happens(merged, "c0")
    await bench.index()
    assert await bench.find("bremse ") == ["Late order"]
    assert (
        await bench.find("bremse tag:order ") == []
    )  # the double has no absorbed ones either until the target says so
    assert await bench.find("brakes ") == ["Late order"]


async def test_messages_that_were_split_off_and_a_conversation_that_was_moved_are_found_where_they_are(
    bench: Bench,
) -> None:
    desk, ana, now = bench.desk, Actor(kind="agent", id="ana"), bench.desk.clock.now()
    split = ConversationSplit(new_conversation_id="c9", split_at=now, actor=ana, message_ids=["m0"])
    off = ConversationSplitOff(
        source_id="c0", split_at=now, actor=ana, message_ids=["m0"], inbox_id="support", channel="email",
        tags=["apart"], status=Status.OPEN, configuration_version=1,
    )  # fmt: skip
    await desk.happens(split, "c0")
    await desk.happens(off, "c9")
    await bench.index()
    assert await bench.find("bremse tag:apart ") == ["Squealing brakes"]
    moved = ConversationRouted(actor=ana, inbox_id="sales", previous_inbox_id="support", configuration_version=1)
    await desk.happens(moved, "c1")
    await bench.index()
    assert await bench.find("from:bob ", frozenset({"support"})) == []
    assert await bench.find("from:bob ", frozenset({"sales"})) == ["Late order"]


async def test_pages_follow_one_another_without_gap_or_repeat(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = bench.desk
    for n in range(10, 40):
        await _writes_again(desk, n, desk.clock.now() - timedelta(hours=n // 2))
    await desk.happens(assigned("ana"), "c12", source="/postroom/assigner")
    await bench.index()
    for name, value in (("BATCH", 7), ("STRETCH", 5), ("RARE", 3)):
        monkeypatch.setattr(f"postroom_desk.adapters.search_reads.{name}", value)
    monkeypatch.setattr("postroom_desk.searching.BLOCK", 8)
    for text in ("wheel ", "wheel spoke ", "whee", "is:open wheel ", "wheel -nothing ", "is:open "):
        seen: list[str] = []
        cursor: SearchCursor | None = None
        for _ in range(60):
            page = await bench.searcher.search(parse_query(text), ALL, cursor, limit=3)
            seen += [f.row.id for f in page.rows]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert len(seen) == len(set(seen)), text
        wanted = {f"c{n}" for n in range(10, 40)} | ({"c0", "c1", "c2", "c3"} if text == "is:open " else set())
        assert set(seen) == wanted, text


async def _writes_again(desk: DeskBench, n: int, at: datetime) -> None:
    document = {"kind": "message", "subject": f"Wheel {n}", "from": {"address": "x@y.example", "name": ""}, "to": []}
    for k in range(2):
        message = f"w{n}-{k}"
        await desk.content.put(
            [{"_id": content_id(message), "text": "The spoke of the wheel", "attachments": [], **document}]
        )
        fact = received(
            message, opened=k == 0, received_at=at - timedelta(days=20 * k), ingested_at=at, status=Status.OPEN
        )
        await desk.happens(fact, f"c{n}")


async def test_a_rare_word_is_looked_up_in_its_index(bench: Bench) -> None:
    command = {
        "find": "search",
        "filter": {"t": "4711", "i": {"$in": ["sales", "support"]}, "at": {"$lt": bench.desk.clock.now()}},
        "sort": {"at": -1},
        "hint": "t_1_i_1_at_-1",
    }
    explained = str(await bench.database.command({"explain": command, "verbosity": "executionStats"}))
    assert "'totalDocsExamined': 1" in explained
    assert "COLLSCAN" not in explained
