"""The bell: lists, counts, marks of read, live; over doubles."""

import re
from typing import Any

import httpx
import pytest
from postroom_contracts import facts as f
from postroom_contracts.configuration import Configuration, ConfigurationApplied
from postroom_contracts.values import Actor
from postroom_desk.api import streams
from postroom_desk.api.guard import Asker, access_for
from postroom_desk.domain.permissions import Operation
from postroom_desk.identity.principal import Principal

from tests.component.desk.doubles import NOW, DeskBench, settings
from tests.component.desk.facts import ANA, CONVERSATION, assigned, customer_content, received
from tests.component.desk.test_account import token_in
from tests.integration.desk.office import company

PATH = "/api/v1/notifications"
BEN = Actor(kind="agent", id="ben")
TOKENS = "tests=token-of-the-tests-0001,ana@ana=token-of-ana-alone-0001,ben@ben=token-of-ben-alone-0001"
AS_ANA, AS_BEN = "token-of-ana-alone-0001", "token-of-ben-alone-0001"


@pytest.fixture
async def desk() -> DeskBench:
    """Ben gave ana a conversation and mentioned her in it; a customer wrote again in another of hers."""
    desk = DeskBench(settings=settings(api_tokens=TOKENS))
    await desk.content.put([customer_content()])
    await desk.happens(received(), CONVERSATION)
    given = assigned("ana").model_copy(update={"actor": BEN, "reason": "manual"})
    await desk.happens(given, CONVERSATION, source="/postroom/assigner")
    note = f.NoteAdded(message_id="n1", actor=BEN, content=received("n1").content, mentions=["ana"])
    await desk.happens(note, CONVERSATION)
    await desk.happens(received("m1"), "other", cause="first")
    await desk.happens(assigned("ana"), "other", cause="second", source="/postroom/assigner")
    await desk.happens(received("m2"), "other", cause="third")
    return desk


async def listed(desk: DeskBench, token: str = AS_ANA, **query: Any) -> dict[str, Any]:
    async with desk.client(token) as client:
        answer = await client.get(PATH, params=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def mark(desk: DeskBench, token: str = AS_ANA, **body: Any) -> httpx.Response:
    async with desk.client(token) as client:
        return await client.post(f"{PATH}/read", json=body)


async def test_a_person_reads_what_concerns_them(desk: DeskBench) -> None:
    found = await listed(desk)
    assert {(n["kind"], n["conversation_id"]) for n in found["items"]} == {
        ("assigned", CONVERSATION),
        ("mentioned", CONVERSATION),
        ("assigned", "other"),
        ("replied", "other"),
    }
    assert found["unread"] == 4
    given = next(n for n in found["items"] if n["actor_id"] == "ben" and n["kind"] == "assigned")
    assert given["subject"] == "Brakes <b>squeal</b>"
    assert (given["actor_name"], given["customer"], given["read"]) == ("Ben Okafor", "Carla <i>Cruz</i>", False)
    assert (await listed(desk, AS_BEN)) == {"items": [], "next_cursor": None, "unread": 0}
    async with desk.client() as client:
        assert (await client.get(PATH)).status_code == 422, "a token bound to nobody says whose"
        assert len((await client.get(PATH, params={"agent": "ana"})).json()["items"]) == 4


async def test_pages_follow_each_other_without_a_gap(desk: DeskBench) -> None:
    ids, cursor = [], None
    for _ in range(4):
        page = await listed(desk, limit=1, **({"cursor": cursor} if cursor else {}))
        ids += [n["id"] for n in page["items"]]
        cursor = page["next_cursor"]
    assert (len(set(ids)), cursor) == (4, None)
    async with desk.client(AS_ANA) as client:
        for wrong in ("x", "2026-03-06T15:30:00_x", "2026-03-06T15:30:00+00:00_"):
            assert (await client.get(PATH, params={"cursor": wrong})).status_code == 400


async def test_one_and_one_conversation_and_all_are_marked_as_read(desk: DeskBench) -> None:
    first = (await listed(desk))["items"][0]["id"]
    assert (await mark(desk, AS_BEN, ids=[first])).json() == {"unread": 0}
    assert (await mark(desk, ids=[first])).json() == {"unread": 3}
    assert (await mark(desk, ids=[first])).json() == {"unread": 3}
    assert [n["id"] for n in (await listed(desk))["items"] if n["read"]] == [first]
    assert first not in [n["id"] for n in (await listed(desk, show="unread"))["items"]]
    assert (await mark(desk, until="2020-01-01T00:00:00Z")).json() == {"unread": 3}
    await mark(desk, conversation_id=CONVERSATION)
    assert {n["conversation_id"] for n in (await listed(desk, show="unread"))["items"]} <= {"other"}
    assert (await mark(desk, until=NOW.isoformat())).json() == {"unread": 0}
    for wrong in ({}, {"ids": [first], "conversation_id": "other"}, {"until": "2026-03-06T15:30:00"}):
        assert (await mark(desk, **wrong)).status_code == 422


async def test_opening_a_conversation_marks_what_is_about_it(desk: DeskBench) -> None:
    async with desk.client(AS_ANA) as client:
        assert (await client.put(f"/api/v1/conversations/{CONVERSATION}/read")).status_code == 204
    left = await listed(desk, show="unread")
    assert [n["conversation_id"] for n in left["items"]] == ["other", "other"]
    assert left["unread"] == 2


async def test_whoever_may_read_the_inbox_no_more_has_no_notification_of_it(desk: DeskBench) -> None:
    await desk.happens(
        f.ConversationRouted(
            actor=ANA, inbox_id="sales", previous_inbox_id="support", team_id="sales", priority="normal",
            configuration_version=1,
        ),
        "other",
    )  # fmt: skip
    found = await listed(desk)
    assert ({n["conversation_id"] for n in found["items"]}, found["unread"]) == ({CONVERSATION}, 2)
    plain = company().model_dump()
    plain["inboxes"][0]["access"] = [{"agent": "ben", "rights": ["full_access"]}]
    without = Configuration.model_validate(plain)
    desk.configurations.add(ConfigurationApplied(configuration_version=2, applied_at=NOW, configuration=without))
    assert await listed(desk) == {"items": [], "next_cursor": None, "unread": 0}


async def test_drafts_ring_for_whom_they_are(desk: DeskBench) -> None:
    path = f"/api/v1/conversations/{CONVERSATION}/draft"
    async with desk.client(AS_ANA) as client:
        await client.put(path, json={"text": "Come in"})
        assert (await client.post(f"{path}/hand-over", json={"to": "ben"})).status_code == 200
    found = (await listed(desk, AS_BEN))["items"]
    assert [(n["kind"], n["actor_id"]) for n in found] == [("draft_handed", "ana")]


async def test_who_may_approve_hears_of_a_reply_that_waits(desk: DeskBench) -> None:
    plain = company().model_dump()
    plain["inboxes"][0]["approval"] = {"agents": ["ben"]}
    asks = Configuration.model_validate(plain)
    desk.configurations.add(ConfigurationApplied(configuration_version=2, applied_at=NOW, configuration=asks))
    path = f"/api/v1/conversations/{CONVERSATION}/draft"
    async with desk.client(AS_ANA) as client:
        await client.put(path, json={"text": "Come in"})
        assert (await client.post(f"{path}/send", json={})).status_code == 202
    assert [n["kind"] for n in (await listed(desk, AS_BEN))["items"]] == ["draft_waits"]


async def test_a_stream_tells_the_count_as_it_changes(desk: DeskBench) -> None:
    principal = Principal("ana", "ana")
    asker = Asker(principal, access_for(principal, desk.app.state.parts), Operation.FOLLOW_EVENTS)
    stream = streams.events(desk.app.state.parts, asker, None, notifications=True)
    assert (await anext(stream)).event == "hello"
    await desk.bell.feed.counting.renew()
    first = await anext(stream)
    await mark(desk, until=NOW.isoformat())
    await desk.bell.feed.counting.renew()
    second = await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]
    assert [(s.event, s.data) for s in (first, second)] == [
        ("notifications", {"unread": 4}),
        ("notifications", {"unread": 0}),
    ]
    assert not desk.bell.feed._agents, "nobody is counted for whom no stream is open"


async def test_the_page_shows_the_list_and_marks_without_a_script(desk: DeskBench) -> None:
    page = {"accept": "text/html"}
    async with await desk.browser("ana") as client:
        shown = (await client.get("/notifications", headers=page)).text
        assert "Ben Okafor gave you this conversation" in shown
        assert "Carla &lt;i&gt;Cruz&lt;/i&gt; wrote again" in shown
        assert 'aria-label="Notifications, 4 unread"' in shown
        identifier = re.findall(r'name="id" value="([^"]+)"', shown)[0]
        done = await client.post("/notifications/read", data={"csrf": token_in(shown), "id": identifier})
        assert (done.status_code, done.headers["location"]) == (303, "/notifications?show=all")
        assert 'aria-label="Notifications, 3 unread"' in (await client.get("/", headers=page)).text
        until = re.findall(r'name="until" value="([^"]+)"', shown)[0]
        await client.post("/notifications/read", data={"csrf": token_in(shown), "until": until, "show": "unread"})
        shown = (await client.get("/notifications?show=unread", headers=page)).text
        assert "You have read everything." in shown
        assert 'aria-label="Notifications, 0 unread"' in shown
        assert (
            await client.post("/notifications/read", data={"csrf": token_in(shown), "until": "x"})
        ).status_code == 422


async def test_whoever_acts_as_nobody_has_no_list(desk: DeskBench) -> None:
    async with desk.client() as client:
        assert "Choose whom you act as" in (await client.get("/notifications")).text
        assert (await client.post("/notifications/read", data={"until": NOW.isoformat()})).status_code == 422
