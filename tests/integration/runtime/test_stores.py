"""Stores keep their promises under both drivers, and the doubles keep the same."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from postroom_local.mongo import REPLICA_SET
from postroom_local.ports import free_port
from postroom_runtime import mongo
from postroom_runtime.clock import ManualClock
from postroom_runtime.content_store import CHUNK_BYTES, InMemoryContentStore, MongoContentStore
from postroom_runtime.documents import Document, InMemoryDocumentStore, MongoDocumentStore, Pending
from postroom_runtime.errors import ConflictError, InfrastructureError
from postroom_runtime.kafka import Outgoing
from postroom_runtime.leases import LeaseStore
from postroom_runtime.records import Position
from postroom_runtime.settings import RuntimeSettings
from prometheus_client import REGISTRY
from pydantic import SecretStr

from tests.integration.runtime.toy import Notes

pytestmark = pytest.mark.connected
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture(params=["motor", "pymongo"])
async def database(request: pytest.FixtureRequest, mongo_uri: str, database_prefix: str) -> AsyncIterator[Any]:
    settings = RuntimeSettings(
        mongo_uri=SecretStr(mongo_uri), database_prefix=database_prefix, mongo_driver=request.param
    )
    client = mongo.connect(settings)
    yield mongo.database(client, settings, "stores")
    await mongo.close(client)


@pytest.fixture(params=["mongo", "memory"])
async def store(request: pytest.FixtureRequest, database: Any) -> Any:
    return InMemoryDocumentStore(Notes) if request.param == "memory" else MongoDocumentStore(database["docs"], Notes)


def changed(key: str, *ids: str, version: int = 0) -> Document[Notes]:
    out = [Pending(Position("1" * 32, 0, 1), Outgoing("t", b"\xff", b"b", [("h", b"\xfe")]))]
    return Document(key, state=Notes(count=len(ids), ids=list(ids)), version=version, applied={"x-0": 1}, out=out)


async def test_documents_are_loaded_as_saved_and_new_where_none_is(store: Any) -> None:
    await store.save([changed("a", "m1"), changed("b", "m2")])
    found = await store.load(["b", "a", "c", "b"])
    assert list(found) == ["b", "a", "c"]
    assert (found["a"].version, found["c"].version) == (1, 0)
    assert found["a"].state == Notes(count=1, ids=["m1"])
    assert found["a"].out == changed("a").out
    assert found["c"].state is None


async def test_a_write_over_another_version_conflicts_and_changes_nothing(store: Any) -> None:
    await store.save([changed("a", "m1")])
    with pytest.raises(ConflictError):
        await store.save([changed("a", "other"), changed("b", "m2")])
    with pytest.raises(ConflictError):
        await store.save([changed("a", "other", version=5)])
    found = await store.load(["a", "b"])
    assert found["a"].state == Notes(count=1, ids=["m1"])
    await store.save([changed("a", "m1", "m2", version=1)])
    assert (await store.load(["a"]))["a"].version == 2


async def test_the_oldest_gap_is_found_by_its_index(database: Any) -> None:
    store = MongoDocumentStore(database["docs"], Notes)
    await store.prepare()
    assert await store.gap_since() is None
    gaps = [changed(key, "m1") for key in ("a", "b", "whole")]
    for document, hour in zip(gaps, (11, 10), strict=False):
        document.ahead_since = NOW.replace(hour=hour)
    await store.save(gaps)
    assert await store.gap_since() == NOW.replace(hour=10)
    plan = await database.command("explain", {"find": "docs", "filter": {"ahead_since": {"$type": "date"}}})
    assert "IXSCAN" in str(plan["queryPlanner"]["winningPlan"])


async def test_nothing_to_save_is_no_call(store: Any) -> None:
    await store.save([])


@pytest.fixture(params=["mongo", "memory"])
async def content(request: pytest.FixtureRequest, database: Any) -> Any:
    return InMemoryContentStore() if request.param == "memory" else MongoContentStore(database)


async def test_content_is_written_once_and_erased(content: Any) -> None:
    await content.put([{"_id": "a", "text": "first"}])
    await content.put([{"_id": "a", "text": "second"}, {"_id": "b", "text": "b"}])
    assert await content.get(["a", "b", "c"]) == {"a": {"_id": "a", "text": "first"}, "b": {"_id": "b", "text": "b"}}
    large = bytes(range(256)) * (CHUNK_BYTES // 100)
    await content.put_blobs({"x": large, "empty": b""})
    assert await content.get_blob("x") == large
    assert await content.get_blob("empty") == b""
    assert await content.get_blob("none") is None
    await content.delete(["a", "x"])
    assert await content.get(["a"]) == {}
    assert await content.get_blob("x") is None


async def test_of_content_only_the_fields_that_are_asked_for_come(content: Any) -> None:
    await content.put([{"_id": "m", "from": {"address": "a@x.test"}, "text": "long", "html": None}])
    assert await content.get(["m", "n"], only=["from", "absent"]) == {
        "m": {"_id": "m", "from": {"address": "a@x.test"}}
    }
    assert set((await content.get(["m"]))["m"]) == {"_id", "from", "text", "html"}


async def test_a_lease_has_one_holder_and_each_new_one_a_higher_fence(database: Any) -> None:
    clock = ManualClock(NOW)
    one, two = (LeaseStore(database["leases"], clock, name) for name in ("one", "two"))
    first = await one.acquire("x", 10)
    assert first is not None
    assert await two.acquire("x", 10) is None
    clock.advance(9)
    renewed = await one.acquire("x", 10)
    assert renewed is not None
    assert renewed.fence == first.fence, "a renewal is no new holder"
    clock.advance(11)
    second = await two.acquire("x", 10)
    assert second is not None
    assert second.fence > first.fence
    assert await one.acquire("x", 10) is None
    await one.release(first)
    assert await one.acquire("x", 10) is None, "a lease of before cannot be released for its new holder"
    assert await one.holders() == {"x": "two"}
    await two.release(second)
    third = await one.acquire("x", 10)
    assert third is not None
    assert third.fence > second.fence
    clock.advance(11)
    again = await one.acquire("x", 10)
    assert again is not None
    assert again.fence > third.fence, "who let it lapse may have been followed by another"


async def test_a_transaction_is_whole_or_not_at_all(database: Any) -> None:
    await database["t"].insert_one({"_id": "before"})
    client = database.client

    async def fail_half_way() -> None:
        async with mongo.transaction(client) as session:
            await database["t"].insert_one({"_id": "a"}, session=session)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_half_way()
    async with mongo.transaction(client) as session:
        await database["t"].insert_one({"_id": "b"}, session=session)
    found = await mongo.aggregate(database["t"], [{"$sort": {"_id": 1}}, {"$limit": 10}])
    assert [d["_id"] for d in found] == ["b", "before"]


@pytest.mark.parametrize("driver", ["motor", "pymongo"])
async def test_a_server_that_is_not_there_is_said_within_the_timeout(driver: Any) -> None:
    settings = RuntimeSettings(
        mongo_uri=SecretStr("mongodb://127.0.0.1:1/?directConnection=true"),
        mongo_driver=driver,
        mongo_timeout_seconds=1,
    )
    client = mongo.connect(settings)
    store = MongoDocumentStore(mongo.database(client, settings, "x")["docs"], Notes)
    try:
        with pytest.raises(InfrastructureError, match="load documents"):
            await store.load(["a"])
    finally:
        await mongo.close(client)


async def test_the_series_of_mongodb_know_its_members_alone_and_whether_it_takes_writes(mongo_uri: str) -> None:
    seed, away = mongo_uri.partition("://")[2].partition("/")[0], f"127.0.0.1:{free_port()}"
    uri = f"mongodb://{away},{seed}/?replicaSet={REPLICA_SET}"
    settings = RuntimeSettings(mongo_uri=SecretStr(uri), mongo_timeout_seconds=5)
    client = mongo.connect(settings, "mongo-members")

    def shown(name: str, **labels: str) -> float | None:
        return REGISTRY.get_sample_value(f"postroom_mongo_{name}", {"service": "mongo-members", **labels})

    try:
        await mongo.ping(client)
        deadline = asyncio.get_running_loop().time() + 20
        while shown("up", server=away) is not None or shown("writable") != 1:
            assert asyncio.get_running_loop().time() < deadline, (shown("up", server=away), shown("writable"))
            await asyncio.sleep(0.05)
        assert shown("up", server=seed) == 1
    finally:
        await mongo.close(client)
