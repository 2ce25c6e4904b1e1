"""The audit in MongoDB: replicas that append at once make one chain; the commands check and export it."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import typer
from postroom_desk.audit.chain import Verification, fields_of
from postroom_desk.audit.check_store import MongoAuditChecks
from postroom_desk.audit.checking import SILENT, AuditCheck, AuditChecks
from postroom_desk.audit.port import Entry
from postroom_desk.audit.search import Search
from postroom_desk.audit.store import MongoAuditStore
from postroom_desk.cli import register
from postroom_runtime import mongo
from postroom_runtime.clock import ManualClock
from postroom_runtime.settings import RuntimeSettings
from pydantic import SecretStr
from typer.testing import CliRunner

pytestmark = pytest.mark.connected
AT = datetime(2026, 3, 6, 15, 30, tzinfo=UTC)


@pytest.fixture
async def database(mongo_uri: str, database_prefix: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    monkeypatch.setenv("POSTROOM_MONGO_URI", mongo_uri)
    monkeypatch.setenv("POSTROOM_DATABASE_PREFIX", database_prefix)
    settings = RuntimeSettings(mongo_uri=SecretStr(mongo_uri), database_prefix=database_prefix)
    client = mongo.connect(settings)
    yield mongo.database(client, settings, "desk")
    await mongo.close(client)


def entries(replica: int, count: int, **changes: Any) -> list[dict[str, Any]]:
    return [
        fields_of(Entry("answer", person=f"p{replica}", **changes), f"{replica}-{n}", AT.replace(minute=n % 60))
        for n in range(count)
    ]


async def run(*arguments: str) -> tuple[int, str, str]:
    app = typer.Typer()
    register(app)
    done = await asyncio.to_thread(CliRunner().invoke, app, ["audit", *arguments])
    return done.exit_code, done.stdout, done.stderr


async def test_replicas_that_append_at_once_make_one_chain_and_the_commands_read_it(database: Any) -> None:
    stores = [MongoAuditStore(database) for _ in range(3)]
    await stores[0].prepare()

    async def appends(n: int) -> None:
        for start in range(0, 40, 4):
            await stores[n].append(entries(n, 40)[start : start + 4])

    await asyncio.gather(*(appends(n) for n in range(3)))
    await stores[0].append(entries(1, 40))  # what was not acknowledged, or noted twice, stands there once
    links = [link async for link in stores[0].all()]
    assert len(links) == 120
    assert {link["id"] for link in links} == {f"{r}-{n}" for r in range(3) for n in range(40)}
    verification = Verification()
    assert list(verification.check(links)) == []

    head = str(await stores[0].head())
    assert await run("verify", "--head", head) == (0, f"120 entries, head {head}\n", "")
    code, out, _ = await run("export", "--from", "2026-03-06T15:10:00Z", "--to", "2026-03-06T15:12:00Z")
    exported = [json.loads(line) for line in out.splitlines()]
    assert (code, len(exported)) == (0, 6)
    assert all(line in links for line in exported)
    await _finds(stores[0])

    await database["audit"].update_one({"_id": 7}, {"$set": {"e.person": "nobody"}})
    await database["audit"].delete_one({"_id": 9})
    code, _, said = await run("verify")
    assert code == 1
    assert said.splitlines()[:2] == [
        "entry 7 is not what was written: it was changed",
        "after entry 8 comes 10: what was between is gone",
    ]


async def _finds(store: MongoAuditStore) -> None:
    await store.append([fields_of(Entry("read", conversation_id="c", inbox_id="own"), "x", AT)])
    assert len(await store.find(Search(hidden=(), person="p1", limit=5))) == 6
    assert [e["id"] for e in await store.find(Search(hidden=(), conversation_id="c"))] == ["x"]
    assert await store.find(Search(hidden={"own"}, conversation_id="c")) == []
    assert [e["sequence"] for e in await store.find(Search(hidden=(), before=3))] == [2, 1]
    assert await store.find(Search(hidden=(), outcome="refused")) == []
    assert [e["id"] async for e in store.stream(Search(hidden=(), person="p2", limit=1))] == [
        f"2-{n}" for n in range(40)
    ]


async def test_a_check_is_begun_by_one_replica_and_its_result_stays(database: Any) -> None:
    chain, here, there = MongoAuditStore(database), MongoAuditChecks(database), MongoAuditChecks(database)
    await chain.prepare()
    await chain.append(entries(1, 3))
    assert await here.latest() is None
    check = AuditCheck("running", AT, AT, "otto")
    begun = await asyncio.gather(*(store.begin(check, AT - SILENT) for store in (here, there)))
    assert sorted(begun) == [False, True]
    assert await there.begin(replace(check, begun_at=AT + SILENT, by="ada"), AT), "the other has died"
    await here.put(replace(check, entries=2))
    assert await here.latest() == replace(check, begun_at=AT + SILENT, by="ada"), "who was overtaken changes nothing"
    checks = AuditChecks(chain, here, ManualClock(AT + 3 * SILENT), pause_seconds=0)
    assert await checks.begin("otto")
    await checks.wait()
    latest = await there.latest()
    assert latest is not None
    assert (latest.state, latest.entries, latest.head) == ("in_order", 3, str(await chain.head()))
