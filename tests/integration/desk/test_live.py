"""Live updates over real Kafka: no gap, no repeat, also after a kill of the desk."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import httpx
import pytest
from postroom_contracts.topics import CONVERSATION_EVENTS

from tests.integration.desk.office import Office

pytestmark = [pytest.mark.connected, pytest.mark.asyncio(loop_scope="module")]


async def stream(client: httpx.AsyncClient, last_event_id: str = "") -> AsyncIterator[dict[str, Any]]:
    """Yield the events of the stream: `event`, `id`, `data`."""
    headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
    async with client.stream("GET", "/api/v1/events", headers=headers, timeout=90) as answer:
        assert answer.status_code == 200
        fields: dict[str, Any] = {}
        async for line in answer.aiter_lines():
            name, _, value = line.partition(": ")
            if name:
                fields[name] = json.loads(value) if name == "data" else value
            elif fields:
                yield fields
                fields = {}


async def take(events: AsyncIterator[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(60):
        return [await anext(events) for _ in range(count)]


async def test_what_happens_is_seen_at_once(office: Office) -> None:
    async with aclosing(stream(office.client)) as events:  # type: ignore[type-var]
        hello = await anext(events)
        assert hello["event"] == "hello"
        await office.customer_writes(subject="At once")
        received, assigned = await take(events, 2)
    assert [received["data"]["type"], assigned["data"]["type"]] == ["message-received", "conversation-assigned"]
    read = await office.read(received["data"]["conversation_id"], assigned["id"])
    assert read["owner_id"] == assigned["data"]["event"]["data"]["agent_id"]


async def test_a_broken_last_event_id_is_a_problem_not_a_stream(office: Office) -> None:
    answer = await office.client.get("/api/v1/events", headers={"Last-Event-ID": "nonsense"})
    assert answer.status_code == 400
    assert answer.json()["title"] == "Bad Last-Event-ID"


async def test_a_stream_resumes_without_gap_or_repeat_even_at_another_replica(office: Office) -> None:
    known = {p async for p in _positions(office)}
    before: list[dict[str, Any]] = []
    async with aclosing(stream(office.client)) as events:  # type: ignore[type-var]
        await anext(events)
        for n in range(3):
            await office.customer_writes(subject=f"Before {n}")
        before = await take(events, 4)  # cut off in the middle of what is coming
    office.desk.kill()
    for n in range(3):
        await office.customer_writes(subject=f"Away {n}")
    await office.deployment.wait_for_events(CONVERSATION_EVENTS, len(known) + 12)
    await office.another_desk()
    async with aclosing(stream(office.client, before[-1]["id"])) as events:  # type: ignore[type-var]
        await anext(events)
        await office.customer_writes(subject="After")
        after = await take(events, 14 - 4)
    seen = [item["data"]["position"] for item in before + after]
    assert sorted(seen) == sorted({p async for p in _positions(office)} - known)
    assert len(set(seen)) == len(seen)
    for partition in "0123":
        offsets = [int(p.partition(":")[2]) for p in seen if p.startswith(f"{partition}:")]
        assert offsets == sorted(offsets)


async def _positions(office: Office) -> AsyncIterator[str]:
    async for record in office.deployment.records(CONVERSATION_EVENTS):
        yield f"{record.partition}:{record.offset}"
