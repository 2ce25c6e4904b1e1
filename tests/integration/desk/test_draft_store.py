"""Drafts in MongoDB: of two who write over the same revision one wins; the store and its double keep the same promises."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from postroom_desk.adapters.drafts import MongoDrafts
from postroom_desk.answering.drafts import DraftStore, Seat, key_of
from postroom_desk.domain.draft import Draft, Written, saved
from postroom_runtime import mongo
from postroom_runtime.settings import RuntimeSettings

from tests.component.desk.doubles import InMemoryDrafts

pytestmark = pytest.mark.connected
NOW = datetime(2026, 3, 6, tzinfo=UTC)


@pytest.fixture(params=["mongo", "in-memory"])
async def store(request: pytest.FixtureRequest, mongo_uri: str, database_prefix: str) -> AsyncIterator[DraftStore]:
    if request.param == "in-memory":
        yield InMemoryDrafts()
        return
    settings = RuntimeSettings(mongo_uri=mongo_uri, database_prefix=database_prefix)
    client = mongo.connect(settings)
    yield MongoDrafts(mongo.database(client, settings, "desk"))
    await mongo.close(client)


def draft(name: str, revision: int) -> Draft:
    empty = Draft(id=name, conversation_id="c", kind="reply")
    written = Written(text=name, to=[{"address": "carla@example.test", "name": ""}])
    return saved(empty, written, "ana", NOW).model_copy(update={"revision": revision})


async def test_one_of_two_writers_wins_and_what_is_stored_comes_back(store: DraftStore) -> None:
    assert await store.get("k") is None
    began = await asyncio.gather(*(store.put("k", draft(name, 1), 0) for name in ("a", "b")))
    assert sorted(began) == [False, True]
    first = await store.get("k")
    assert first == draft(first.id if first else "", 1)
    went_on = await asyncio.gather(*(store.put("k", draft(name, 2), 1) for name in ("c", "d")))
    assert sorted(went_on) == [False, True]
    await store.remove("k", "another")
    now = await store.get("k")
    assert now is not None
    await store.remove("k", now.id)
    assert await store.get("k") is None


async def test_somebodys_drafts_are_listed_the_last_written_first(store: DraftStore) -> None:
    for n, (people, text) in enumerate(((["ana"], "one"), (["ben", "ana"], "two"), (["ben"], "three"), ([], ""))):
        begun = Draft(id=text, conversation_id=str(n), kind="start" if people else "reply", people=people, revision=1)
        written = Written(text=text, inbox_id="support")
        assert await store.put(str(n), saved(begun, written, "ana", NOW + timedelta(hours=n)), 0)
    assert [d.id for d in await store.of("ana", 10)] == ["two", "one"]
    assert [d.id for d in await store.of("ben", 1)] == ["three"]


async def test_a_note_that_was_shared_is_its_writers_after_the_upgrade(mongo_uri: str, database_prefix: str) -> None:
    settings = RuntimeSettings(mongo_uri=mongo_uri, database_prefix=database_prefix)
    client = mongo.connect(settings)
    database = mongo.database(client, settings, "desk")
    store = MongoDrafts(database)
    for kind in ("note", "reply"):  # as releases before had them
        old = saved(Draft(id=kind, conversation_id="c", kind=kind, revision=1), Written(text="Ask Ben"), "ana", NOW)
        fields = old.model_dump(exclude={"people", "begun_at", "addressed"})
        await database["drafts"].insert_one({"_id": key_of("c", kind), **fields})
    for _ in range(2):
        await store.prepare()
    note = await store.get(Seat("c", "note", "ana").key)
    assert note is not None
    assert (note.written.text, note.people) == ("Ask Ben", ["ana"])
    assert await store.get(key_of("c", "note")) is None
    assert sorted(d.kind for d in await store.of("ana", 10)) == ["note", "reply"]
    await mongo.close(client)
