"""Presence at the edge: who may say and see what, and that streams tell it."""

import asyncio
import contextlib
from typing import Any

import httpx
import pytest
from fastapi.sse import ServerSentEvent
from postroom_contracts.configuration import ConfigurationApplied
from postroom_desk.api import streams
from postroom_desk.api.guard import Asker, access_for
from postroom_desk.audit.port import NoAudit
from postroom_desk.domain.permissions import Operation
from postroom_desk.identity.principal import Principal

from tests.component.desk.doubles import NOW, DeskBench, settings
from tests.component.desk.facts import CONVERSATION, received
from tests.component.desk.test_rights import OWN, TOKENS, staffed

PRESENCE = "/api/v1/presence"
PAGE = "page-of-the-tests"


@pytest.fixture
async def desk() -> DeskBench:
    bench = DeskBench(settings(api_tokens=",".join(f"{n}@{n}={t}" for n, t in TOKENS.items())))
    bench.configurations.add(ConfigurationApplied(configuration_version=2, applied_at=NOW, configuration=staffed()))
    await bench.happens(received(), CONVERSATION)
    await bench.happens(received("p1", inbox_id="rita", team_id=None, opened=True), OWN)
    return bench


async def say(desk: DeskBench, name: str, conversation: str | None = CONVERSATION, **changes: Any) -> httpx.Response:
    doing = {"doing": "viewing", "conversation_id": conversation} if conversation else {}
    async with desk.client(TOKENS[name]) as client:
        return await client.post(PRESENCE, json={"console_id": PAGE, **doing, **changes})


async def people(desk: DeskBench, name: str) -> dict[str, list[tuple[str, str]]]:
    async with desk.client(TOKENS[name]) as client:
        found = (await client.get(PRESENCE)).json()["agents"]
    return {p["agent_id"]: [(a["conversation_id"], a["doing"]) for a in p["at"]] for p in found}


async def test_who_reads_the_inbox_sees_it_others_only_that_somebody_is_online(desk: DeskBench) -> None:
    assert (await say(desk, "ana", doing="typing")).status_code == 204
    assert (await say(desk, "rita", OWN)).status_code == 204
    assert await people(desk, "ada") == {"ana": [(CONVERSATION, "typing")], "rita": []}
    assert await people(desk, "mira") == {"ana": [], "rita": []}
    assert (await people(desk, "rita"))["rita"] == [(OWN, "viewing")]
    desk.clock.advance(15)
    desk.presence.board.expire(desk.clock.now())
    assert await people(desk, "ada") == {}


async def test_a_foreign_conversation_is_unknown_and_an_auditor_is_told_of_to_nobody(desk: DeskBench) -> None:
    assert (await say(desk, "mira")).status_code == 404
    assert (await say(desk, "ana", OWN)).status_code == 404
    assert (await say(desk, "otto")).status_code == 204
    assert desk.presence_log.published == []


@pytest.mark.parametrize(
    "body",
    [{"console_id": "x"}, {"doing": "typing"}, {"doing": "none", "conversation_id": CONVERSATION}, {"agent": "ben"}],
)
async def test_what_makes_no_sense_is_refused(desk: DeskBench, body: dict[str, str]) -> None:
    async with desk.client(TOKENS["ana"]) as client:
        answer = await client.post(PRESENCE, json={"console_id": PAGE, **body})
    assert answer.status_code in (403, 422)
    assert desk.presence_log.published == []


async def test_a_heartbeat_leaves_no_entry_in_the_audit(desk: DeskBench, monkeypatch: pytest.MonkeyPatch) -> None:
    entries: list[object] = []

    async def record(_self: object, entry: object) -> None:
        entries.append(entry)

    monkeypatch.setattr(NoAudit, "record", record)
    assert (await say(desk, "ana")).status_code == 204
    assert entries == []
    async with desk.client(TOKENS["ana"]) as client:
        await client.post(f"/api/v1/conversations/{CONVERSATION}/note", json={"text": "Oil it."})
    assert len(entries) == 1


async def next_presence(items: Any) -> ServerSentEvent:
    async with asyncio.timeout(20):
        while True:
            item: ServerSentEvent = await anext(items)
            if item.event == "presence":
                return item


async def test_a_stream_tells_all_of_it_and_then_what_changes(desk: DeskBench) -> None:
    await say(desk, "ana")
    parts = desk.app.state.parts
    ada = Principal(name="ada", agent_id="ada")
    asker = Asker(ada, access_for(ada, parts), Operation.FOLLOW_EVENTS)
    following = asyncio.create_task(desk.presence.follow())
    async with contextlib.aclosing(streams.events(parts, asker, None, presence=True)) as items:  # type: ignore[type-var]
        first = await next_presence(items)
        await say(desk, "ana", doing="typing")
        second = await next_presence(items)
        desk.clock.advance(15)
        third = await next_presence(items)
    following.cancel()
    at = [{"conversation_id": CONVERSATION, "doing": "viewing"}]
    assert first.data == {
        "whole": True,
        "agents": [{"agent_id": "ana", "name": "Ana Ruiz", "state": "online", "at": at}],
    }
    assert (second.data["whole"], second.data["agents"][0]["at"][0]["doing"]) == (False, "typing")
    assert third.data["agents"] == [{"agent_id": "ana", "name": "Ana Ruiz", "state": "offline", "at": []}]
