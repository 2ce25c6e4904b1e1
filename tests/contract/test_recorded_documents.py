"""What services of earlier releases kept in MongoDB is read by those of this one: old and new pods work on the same documents.

`contracts/recorded/RELEASE/documents/SERVICE.COLLECTION.jsonl` (MongoDB's extended JSON), made by tools/record_documents.py.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from bson import json_util
from postroom_analytics.domain.documents import from_document, row_document, row_from_document, to_document
from postroom_assigner.adapters.loads import load_of
from postroom_assigner.domain.assignment import Assignment
from postroom_contracts.configuration import Configuration
from postroom_desk.adapters import configuration_store, event_log
from postroom_desk.adapters.notifications import MongoNotifications
from postroom_desk.domain.view import ConversationView
from postroom_ingest.adapters.ledger import MongoLedger
from postroom_ingest.ports import Spot
from postroom_notifier.adapters import mongo_deliveries, mongo_log
from postroom_notifier.domain.conversation import Conversation as Notified
from postroom_router.adapters.claims import MongoClaims
from postroom_router.adapters.contacts import MongoContacts
from postroom_router.domain.conversation import Conversation
from postroom_runtime import mongo
from postroom_runtime.clock import SystemClock
from postroom_runtime.content_store import MongoContentStore
from postroom_runtime.documents import from_mongo, to_mongo
from postroom_runtime.settings import RuntimeSettings
from pydantic import BaseModel
from pymongo import MongoClient

from tests.contract.releases import RECORDED, recorded

Document = dict[str, Any]
OPTIONS = json_util.JSONOptions(tz_aware=True)
RELEASES = [name for name in recorded() if (RECORDED / name / "documents").is_dir()]


def documents(release: str, name: str) -> list[Document]:
    path = RECORDED / release / "documents" / f"{name}.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json_util.loads(line, json_options=OPTIONS) for line in lines]


def kept(model: type[BaseModel]) -> Callable[[Document], Document]:
    """Return what reads a fold's document and writes it again: a field that this release does not know would be gone."""

    def again(stored: Document) -> Document:
        return to_mongo(from_mongo(stored, model), stored["version"])

    return again


def _log(stored: Document) -> Document:
    return {**mongo_log.to_mongo(mongo_log.from_mongo(stored)), "version": stored["version"]}


WRITTEN_AGAIN: Mapping[str, Callable[[Document], Document]] = {
    "router.conversations": kept(Conversation),
    "assigner.assignments": kept(Assignment),
    "notifier.conversations": kept(Notified),
    "desk.conversations": kept(ConversationView),
    "notifier.deliveries": lambda d: mongo_deliveries.to_mongo(mongo_deliveries.from_mongo(d)),
    "notifier.delivery_log": _log,
    "analytics.states_1": lambda d: to_document(from_document(d)),
    "analytics.rows_1": lambda d: row_document(row_from_document(d)),
}
"""Collections whose documents are read whole into a model, and written from it."""
READ_ON_A_SERVER = {
    "content.blobs", "content.documents", "desk.configuration", "desk.events", "desk.notifications", "ingest.cursors",
    "ingest.ledger", "ingest.places", "router.contacts", "router.thread_claims", "assigner.agent_load",
}  # fmt: skip
MADE_ANEW = {
    "analytics.rollups_1": "from the rows, by `postroom analytics rebuild`",
    "desk.search": "by `postroom desk reindex`",
    "desk.search_people": "by `postroom desk reindex`",
    "desk.meta": "which shape the read model has",
    "desk.progress": "how far the log was read",
    "desk.audit_checks": "the last result of a check",
    "notifier.receivers": "an hour's count of mails",
    "router.merges": "an edge for each merge: nothing but ids",
}
"""What is no loss when a release cannot read it, and why."""


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_release_is_recorded_and_each_collection_has_a_reader(release: str) -> None:
    names = {path.name.removesuffix(".jsonl") for path in (RECORDED / release / "documents").iterdir()}
    assert names - WRITTEN_AGAIN.keys() - READ_ON_A_SERVER - MADE_ANEW.keys() == set()
    assert len(names & WRITTEN_AGAIN.keys()) == 8  # what a company cannot do without was recorded
    assert names >= READ_ON_A_SERVER


def test_at_least_one_release_is_recorded() -> None:
    assert "0.1" in RELEASES


@pytest.mark.parametrize("name", WRITTEN_AGAIN)
def test_a_document_is_read_and_nothing_of_it_is_lost(release: str, name: str) -> None:
    found = documents(release, name)
    assert found
    for stored in found:
        again = WRITTEN_AGAIN[name](json_util.loads(json_util.dumps(stored), json_options=OPTIONS))
        assert lost(plain(stored), plain(again), name) == []


def plain(value: Any) -> Any:
    """Return a document in one form for times, bytes and tuples."""
    return json.loads(json_util.dumps(value, json_options=OPTIONS))


def lost(stored: Any, again: Any, at: str) -> list[str]:
    """Return where `again` lacks or changes what was stored; what a release adds is its own."""
    if isinstance(stored, dict) and isinstance(again, dict) and not any(key.startswith("$") for key in stored):
        gone = [f"{at}.{key}: is gone" for key in stored.keys() - again.keys()]
        return gone + [
            line for key in stored.keys() & again.keys() for line in lost(stored[key], again[key], f"{at}.{key}")
        ]
    if isinstance(stored, list) and isinstance(again, list) and len(stored) == len(again):
        return [line for n, pair in enumerate(zip(stored, again, strict=True)) for line in lost(*pair, f"{at}[{n}]")]
    return [] if stored == again else [f"{at}: was {stored!r}, is {again!r}"]


@pytest.mark.connected
async def test_stores_read_what_an_earlier_release_wrote(release: str, mongo_uri: str, database_prefix: str) -> None:
    settings = RuntimeSettings(mongo_uri=mongo_uri, database_prefix=database_prefix)
    with MongoClient[Document](mongo_uri) as client:
        for name in READ_ON_A_SERVER:
            service, _, collection = name.partition(".")
            client[settings.database(service)][collection].insert_many(documents(release, name))
    connection, clock = mongo.connect(settings), SystemClock()
    try:
        router, ingest = (mongo.database(connection, settings, name) for name in ("router", "ingest"))
        contacts = {d["_id"]: d["contact"] for d in documents(release, "router.contacts")}
        assert await MongoContacts(router["contacts"]).ids(contacts, clock.now()) == contacts
        claims = {d["_id"]: d["c"] for d in documents(release, "router.thread_claims")}
        rows = await MongoClaims(router["thread_claims"]).load(claims)
        assert {key: row.home for key, row in rows.items()} == claims
        ledger = MongoLedger(ingest, clock)
        for stored in documents(release, "ingest.cursors"):
            account, _, folder = stored["_id"].partition("/")
            cursor = await ledger.load_cursor(account, folder)
            assert cursor is not None
            assert (cursor.uidvalidity, cursor.uid) == (stored["uidvalidity"], stored["uid"])
        for stored in documents(release, "ingest.places"):
            account, folder, uidvalidity = stored["folder_key"].split("/")
            noted = (await ledger.notes(Spot(account, folder, int(uidvalidity))))[stored["uid"]]
            assert (noted.outcome, noted.ledger_id) == (stored["outcome"], stored["ledger_id"])
        content = MongoContentStore(mongo.database(connection, settings, "content"))
        texts = {d["_id"]: d.get("text") for d in documents(release, "content.documents")}
        assert {key: found.get("text") for key, found in (await content.get(texts)).items()} == texts
        for stored in documents(release, "content.blobs"):
            assert await content.get_blob(stored["blob"]) == bytes(stored["body"])
        bell = MongoNotifications(mongo.database(connection, settings, "desk"))
        for stored in documents(release, "desk.notifications"):
            found = await bell.listed(stored["agent_id"], frozenset([stored["inbox_id"]]), 10)
            assert [(n.id, n.kind) for n in found if n.id == stored["_id"]] == [(stored["_id"], stored["kind"])]
    finally:
        await mongo.close(connection)


def test_loads_configuration_and_facts_are_read(release: str) -> None:
    for stored in documents(release, "assigner.agent_load"):
        load = load_of(stored)
        assert load.count == stored["load"]
        assert {r.conversation_id for r in load.reserved.values()} == {r["c"] for r in stored["p"].values()}
    for stored in documents(release, "desk.configuration"):
        applied = configuration_store._applied(stored)
        assert applied.configuration_version == stored["_id"]
        assert isinstance(applied.configuration, Configuration)
    for stored in documents(release, "desk.events"):
        event = event_log._from_mongo(stored).event()
        assert (event.id, event.subject) == (stored["i"], stored["k"])


def test_the_check_bites() -> None:
    assert lost({"a": 1, "b": [{"c": 1}]}, {"a": 1, "b": [{}], "d": 2}, "x") == ["x.b[0].c: is gone"]
    assert lost({"at": {"$date": "1"}}, {"at": {"$date": "2"}}, "x") == ["x.at: was {'$date': '1'}, is {'$date': '2'}"]
    assert Path(RECORDED / "0.1" / "documents").is_dir()
