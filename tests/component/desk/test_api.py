"""The REST API over doubles: problems, pages, waits, repeats."""

import asyncio
from typing import Any

import pytest
from postroom_contracts import commands as c
from postroom_contracts import facts as f
from postroom_contracts.events import Event
from postroom_contracts.ids import content_id
from postroom_desk.domain.positions import LogPosition

from tests.component.desk.doubles import TOKEN, DeskBench
from tests.component.desk.facts import ANA, CONVERSATION, customer_content, received, replied

PATH = f"/api/v1/conversations/{CONVERSATION}"


@pytest.fixture
async def desk() -> DeskBench:
    bench = DeskBench()
    await bench.content.put([customer_content()])
    await bench.happens(received(), CONVERSATION)
    return bench


def answers_with(desk: DeskBench, fact: Any) -> None:
    async def router(command: Event) -> None:
        await desk.happens(fact, command.subject, cause=command.id)

    desk.commands.router = router


async def test_a_request_becomes_a_command_with_what_was_seen(desk: DeskBench) -> None:
    answers_with(desk, replied())
    async with desk.client() as client:
        answer = await client.post(
            f"{PATH}/reply",
            json={"agent": "ana", "text": "Bring it in.", "cc": [{"address": "boss@example.test"}], "then": "resolve"},
            headers={"If-Match": '"7.2"', "Idempotency-Key": "k1"},
        )
    assert answer.status_code == 200, answer.text
    (command,) = desk.commands.published
    reply = command.data
    assert isinstance(reply, c.SendReply)
    assert (command.key, command.source, command.sequence) == (CONVERSATION, "/postroom/desk", None)
    assert (reply.expected_sequence, reply.then, reply.via, reply.actor) == (7, "resolve", "api", ANA)
    document = desk.content.documents[reply.content.content_id]
    assert reply.content.content_id == content_id(reply.message_id)
    assert (document["kind"], document["text"], document["inbox_id"]) == ("reply", "Bring it in.", "support")
    assert document["cc"] == [{"address": "boss@example.test", "name": ""}]


async def test_a_request_without_a_fact_in_time_is_taken_and_can_be_asked_for(desk: DeskBench) -> None:
    async with desk.client() as client:
        answer = await client.post(f"{PATH}/resolve", json={"agent": "ana"}, headers={"Idempotency-Key": "k1"})
        assert answer.status_code == 202
        status_url = answer.json()["status_url"]
        assert answer.headers["location"] == status_url
        assert (await client.get(status_url)).json()["status"] == "pending"
        await desk.happens(
            f.RequestRefused(
                request_id="x",
                request_type="ResolveConversation",
                actor=ANA,
                reason="stale",
                changed=["message_received"],
            ),
            CONVERSATION,
            cause=answer.json()["request_id"],
        )
        assert (await client.get(status_url)).json()["status"] == "refused"
        again = await client.post(f"{PATH}/resolve", json={"agent": "ana"}, headers={"Idempotency-Key": "k1"})
    assert (again.status_code, again.json()["changed"]) == (409, ["message_received"])
    assert len(desk.commands.published) == 1


async def test_a_repeat_after_a_lost_publication_publishes_the_same_command(desk: DeskBench) -> None:
    desk.commands.away = True
    async with desk.client() as client:
        body, headers = {"agent": "ana", "text": "Hello"}, {"Idempotency-Key": "k1"}
        away = await client.post(f"{PATH}/note", json=body, headers=headers)
        assert (away.status_code, away.headers["retry-after"]) == (503, "2")
        desk.commands.away = False
        answers_with(desk, f.NoteAdded(message_id="n1", actor=ANA, content=received().content))
        first = await client.post(f"{PATH}/note", json=body, headers=headers)
        second = await client.post(f"{PATH}/note", json=body, headers=headers)
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()
    assert len(desk.commands.published) == 1


async def test_two_tokens_may_use_the_same_key(desk: DeskBench) -> None:
    answers_with(desk, f.NoteAdded(message_id="n1", actor=ANA, content=received().content))
    from postroom_desk.submit import cause_of

    assert cause_of("one", "k") != cause_of("two", "k")


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "kind"),
    [
        ("reply", {"agent": "ana", "text": " \n"}, {}, 422, "invalid"),
        ("reply", {"agent": "ana", "text": "x", "unknown": 1}, {}, 422, "invalid"),
        ("reply", {"agent": "ana", "text": 5}, {}, 422, "invalid"),
        ("reply", {"agent": "ana", "text": "x", "send_at": "2026-03-06T10:00:00"}, {}, 422, "invalid"),
        ("reply", {"text": "x"}, {}, 422, "unknown-agent"),
        ("reply", {"agent": "nobody", "text": "x"}, {}, 422, "unknown-agent"),
        ("resolve", {"agent": "ana"}, {"If-Match": "nonsense"}, 400, "bad-etag"),
        ("resolve", {"agent": "ana"}, {"Idempotency-Key": "with space"}, 400, "bad-key"),
        ("snooze", {"agent": "ana", "until": "2026-03-06T15:00:00Z"}, {}, 422, "invalid"),
        ("tag", {"agent": "ana"}, {}, 422, "invalid"),
        ("merge", {"agent": "ana", "target_id": CONVERSATION}, {}, 422, "invalid"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_faulty_request_is_a_problem_and_publishes_nothing(
    desk: DeskBench, path: str, body: dict[str, Any], headers: dict[str, str], status: int, kind: str
) -> None:
    async with desk.client() as client:
        answer = await client.post(f"{PATH}/{path}", json=body, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:postroom:problem:{kind}")
    assert answer.headers["content-type"] == "application/problem+json"
    assert desk.commands.published == []


async def test_every_answer_has_a_request_id_and_keeps_a_given_one(desk: DeskBench) -> None:
    async with desk.client() as client:
        given = await client.get("/api/v1/overview", headers={"X-Request-Id": "trace-7"})
        made = await client.get("/api/v1/nothing", headers={"X-Request-Id": "bad value\t"})
    assert given.headers["x-request-id"] == "trace-7"
    assert made.status_code == 404
    assert made.json()["type"] == "urn:postroom:problem:http"
    assert len(made.headers["x-request-id"]) == 32


async def test_a_read_waits_for_its_position(desk: DeskBench) -> None:
    async def later() -> None:
        await asyncio.sleep(0.05)
        await desk.happens(replied(), CONVERSATION)

    reader = desk.app.state.parts.reader
    reader.wait_seconds = 30
    task = asyncio.create_task(later())
    async with desk.client() as client:
        answer = await client.get(PATH, params={"min_position": str(LogPosition(0, 1))})
        reader.wait_seconds = 0.05
        never = await client.get(PATH, params={"min_position": "0:99"})
    await task
    assert [m["kind"] for m in answer.json()["messages"]] == ["incoming", "outgoing"]
    assert (never.status_code, never.headers["retry-after"]) == (503, "2")


async def test_mongodb_away_is_503_and_an_unknown_conversation_404(desk: DeskBench) -> None:
    async with desk.client() as client:
        assert (await client.get("/api/v1/conversations/none")).status_code == 404
        desk.conversations.away = True
        away = await client.get(PATH)
    assert (away.status_code, away.headers["retry-after"]) == (503, "2")


async def test_pages_follow_one_another_without_gap_or_repeat(desk: DeskBench) -> None:
    for n in range(7):
        await desk.happens(received(f"x{n}", f"14:{n:02}", opened=True), f"conversation-{n}")
    seen: list[str] = []
    cursor: str | None = None
    async with desk.client() as client:
        for _ in range(10):
            query = {"limit": "3", "sort": "waiting"} | ({"cursor": cursor} if cursor else {})
            page = (await client.get("/api/v1/conversations", params=query)).json()
            seen += [item["id"] for item in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        foreign = await client.get("/api/v1/conversations", params={"cursor": "abc"})
    assert seen == [*(f"conversation-{n}" for n in range(7)), CONVERSATION]
    assert foreign.status_code == 400


async def test_erased_content_is_not_given_out(desk: DeskBench) -> None:
    await desk.content.delete([content_id("m1")])
    await desk.happens(f.ContentErased(contact_id="carla", message_ids=["m1"]), CONVERSATION)
    async with desk.client() as client:
        (message,) = (await client.get(PATH)).json()["messages"]
        original = await client.get(f"{PATH}/messages/m1/original")
    assert (message["erased"], message["text"], message["original_href"]) == (True, "", None)
    assert original.status_code == 404


async def test_figures_are_passed_on_or_503(desk: DeskBench) -> None:
    async with desk.client() as client:
        away = await client.get("/api/v1/metrics/summary")
        desk.figures.answer = (200, {"first_response": {}})
        there = await client.get("/api/v1/metrics/summary", params={"cut": "team", "value": "workshop"})
        outside = await client.get("/api/v1/metrics/..%2f..%2fsecret")
    assert away.status_code == 503
    assert there.json() == {"first_response": {}}
    assert desk.figures.asked[-1] == ("GET", "/api/v1/metrics/summary", {"cut": "team", "value": "workshop"})
    assert outside.status_code == 404


async def test_the_api_describes_itself(desk: DeskBench) -> None:
    async with desk.client() as client:
        document = (await client.get("/api/v1/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    actions = {
        p.rpartition("/")[2]
        for p in document["paths"]
        if p.startswith("/api/v1/conversations/{conversation}/") and not {"draft", "saved-replies"} & set(p.split("/"))
    }
    assert actions == {
        "reply", "note", "claim", "assign", "tag", "route", "snooze", "merge",
        "forward", "recipients", "cancel", "split", "watch", "unwatch",
        "resolve", "reopen", "wait", "archive", "delete", "restore", "spam", "unspam",
    }  # fmt: skip
    assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    assert TOKEN not in str(document)
