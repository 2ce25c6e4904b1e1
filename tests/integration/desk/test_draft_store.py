"""Drafts in MongoDB: of two who write over the same revision one wins; the store and its double keep the same promises."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from postroom_desk.adapters.drafts import MongoDrafts
from postroom_desk.answering.drafts import DraftStore
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
