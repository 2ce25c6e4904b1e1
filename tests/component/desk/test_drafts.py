"""Drafts over doubles: shared, locked, handed over, approved, sent once."""

import asyncio
from typing import Any

import httpx
import pytest
from postroom_contracts import commands as c
from postroom_contracts import facts as f
from postroom_contracts.configuration import Approval, ConfigurationApplied
from postroom_contracts.values import Status
from postroom_desk.domain.draft import LEASE

from tests.component.desk.doubles import NOW, DeskBench, settings
from tests.component.desk.facts import ANA, CONVERSATION, customer_content, received, replied
from tests.component.desk.writers import ANAS, BENS, PNG, answers_with, brought
from tests.integration.desk.office import company

PATH = f"/api/v1/conversations/{CONVERSATION}"
DRAFT = f"{PATH}/draft"


@pytest.fixture
async def desk() -> DeskBench:
    bench = DeskBench(settings=settings(api_tokens=f"a@ana={ANAS},b@ben={BENS}"))
    await bench.content.put([customer_content()])
    await bench.happens(received(), CONVERSATION)
    return bench


async def save(client: httpx.AsyncClient, text: str, number: int | None = None, **fields: Any) -> httpx.Response:
    headers = {} if number is None else {"X-Draft-Match": f'"{number}"'}
    return await client.put(DRAFT, json={"text": text, "seen": "1.0", **fields}, headers=headers)


async def test_it_is_saved_for_everybody_and_written_by_one(ana: httpx.AsyncClient, ben: httpx.AsyncClient) -> None:
    assert (await ana.get(DRAFT)).json()["number"] == 0
    first = await save(ana, "Dear Carla", 0)
    assert (first.status_code, first.headers["etag"]) == (200, '"1"')
    seen = (await ben.get(DRAFT)).json()
    assert (seen["text"], seen["holder"], seen["holder_name"]) == ("Dear Carla", "ana", "Ana Ruiz")
    locked = await save(ben, "Hi", 1)
    assert (locked.status_code, locked.json()["holder_name"]) == (409, "Ana Ruiz")
    assert (await ben.post(f"{DRAFT}/lease", json={"take_over": True})).status_code == 200
    assert (await save(ana, "Dear Carla,", 1)).status_code == 409
    assert (await save(ben, "Dear Carla, B", 1)).json()["number"] == 2
    assert (await ben.post(f"{DRAFT}/hand-over", json={"to": "ana"})).status_code == 200
    behind = await save(ana, "x", 1)
    assert (behind.status_code, behind.json()["number"]) == (412, 2)
    items = (await ana.get(f"{DRAFT}/versions")).json()["items"]
    assert [(v["by"], v["text"]) for v in items] == [("ben", "Dear Carla, B"), ("ana", "Dear Carla")]
    unable = await ben.post(f"{DRAFT}/hand-over", json={"to": "mira"})
    assert unable.status_code == 422


async def test_what_is_written_goes_along_when_its_conversation_is_merged(
    desk: DeskBench, ana: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    await desk.content.put([customer_content("m2")])
    for target in ("second", "third"):
        await desk.happens(received("m2", opened=True), target)
    await save(ana, "Dear Carla", to=[{"address": "dora@example.test"}])
    await ana.put(f"{DRAFT}?kind=note", json={"text": "hers"})
    for source, target in ((CONVERSATION, "second"), ("second", "third")):
        absorbed = f.ConversationAbsorbed(source_id=source, absorbed_at=NOW, actor=ANA, status=Status.OPEN)
        await desk.happens(absorbed, target)
        await desk.happens(f.ConversationMerged(target_id=target, merged_at=NOW, actor=ANA), source)
    third = "/api/v1/conversations/third/draft"
    rows = (await ana.get("/api/v1/drafts")).json()["items"]
    assert {row["page"] for row in rows} == {"/conversations/second"}
    assert (await ben.get(third)).json()["number"] == 0, "ana writes it still"
    assert (await ben.get(f"{third}?kind=note")).json()["number"] == 0
    moved = (await ana.get(third)).json()
    assert (moved["text"], moved["number"], moved["to"][0]["address"]) == ("Dear Carla", 1, "dora@example.test")
    assert (moved["conversation_id"], moved["seen"]) == ("third", "")
    assert (await ana.get(f"{third}?kind=note")).json()["text"] == "hers"
    assert (await ana.get(DRAFT)).json()["number"] == 0
    desk.clock.advance(LEASE.total_seconds())
    assert (await ben.get(third)).json()["text"] == "Dear Carla"
    assert [v["text"] for v in (await ben.get(f"{third}/versions")).json()["items"]] == ["Dear Carla"]

    await save(ben, "Another")  # to the one that was merged, by whoever had it open
    assert (await ben.get(third)).json()["text"] == "Dear Carla", "what is written there stays"
    assert (await ben.delete(third)).status_code == 204
    assert (await ben.get(third)).json()["text"] == "Another"


async def test_an_earlier_version_is_put_back_and_the_present_text_becomes_one(
    desk: DeskBench, ana: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    picture = await brought(ana, "a.png", PNG, inline=True)
    html = f'<p>Dear <b>Carla</b></p><img src="cid:{picture["content_id"]}">'
    await save(ana, "Dear Carla", html=html, attachments=[picture["upload_id"]])
    await ana.post(f"{DRAFT}/hand-over", json={"to": "ben"})
    await save(ben, "Hi", to=[{"address": "dora@example.test"}])
    assert (await ana.post(f"{DRAFT}/versions/1/restore", json={})).status_code == 409, "ben writes"
    back = await ben.post(f"{DRAFT}/versions/1/restore", json={})
    assert (back.status_code, back.headers["etag"]) == (200, '"3"')
    draft = back.json()
    assert (draft["text"], draft["saved_by"], draft["to"][0]["address"]) == ("Dear Carla", "ben", "dora@example.test")
    assert "<b>Carla</b>" in draft["html"]
    assert "cid:" not in draft["html"], "the draft does not have this picture any more"
    items = (await ben.get(f"{DRAFT}/versions")).json()["items"]
    assert [(v["number"], v["by_name"], v["text"]) for v in items] == [
        (3, "Ben Okafor", "Dear Carla"),
        (2, "Ben Okafor", "Hi"),
        (1, "Ana Ruiz", "Dear Carla"),
    ]
    assert (await ben.post(f"{DRAFT}/versions/9/restore", json={})).status_code == 404


async def test_it_is_sent_once_with_its_files_however_often_it_is_asked_for(
    desk: DeskBench, ana: httpx.AsyncClient
) -> None:
    picture = await brought(ana, "a.png", PNG, inline=True)
    html = f'<p onclick="x()">Look</p><img src="cid:{picture["content_id"]}">'
    shown = (await save(ana, "", html=html, attachments=[picture["upload_id"]])).json()
    assert "onclick" not in shown["html"]
    assert [x["filename"] for x in shown["attachments"]] == ["a.png"]
    first, second = await asyncio.gather(
        ana.post(f"{DRAFT}/send", json={"then": "wait"}), ana.post(f"{DRAFT}/send", json={"then": "wait"})
    )
    assert sorted([first.status_code, second.status_code]) == [202, 409]
    published = desk.commands.published
    assert len({e.id for e in published}) == 1
    command = published[0].data
    assert isinstance(command, c.SendReply)
    assert (command.expected_sequence, command.then, command.actor) == (1, "wait", ANA)
    assert (await save(ana, "more")).status_code == 409
    await desk.happens(replied(command.message_id), CONVERSATION, cause=published[0].id)
    assert (await ana.get(DRAFT)).json()["number"] == 0
    assert (await ana.post(f"{DRAFT}/send", json={})).status_code == 422


async def test_a_refused_one_stays_with_what_changed_and_goes_out_as_another_attempt(
    desk: DeskBench, ana: httpx.AsyncClient
) -> None:
    stale = f.RequestRefused(request_id="x", request_type="x", actor=ANA, reason="stale", changed=["message_received"])
    answers_with(desk, stale)
    await save(ana, "Dear Carla")
    answer = await ana.post(f"{DRAFT}/send", json={})
    assert (answer.status_code, answer.json()["changed"]) == (409, ["message_received"])
    draft = (await ana.get(DRAFT)).json()
    assert (draft["text"], draft["state"], draft["refused"]["changed"]) == ("Dear Carla", "open", ["message_received"])
    answers_with(desk, replied())
    assert (await save(ana, "Dear Carla", seen="2.0")).json()["refused"] is None
    assert (await ana.post(f"{DRAFT}/send", json={})).status_code == 200
    first, second = desk.commands.published
    assert first.id != second.id
    assert isinstance(second.data, c.SendReply)
    assert second.data.expected_sequence == 2


async def test_a_forward_without_anybody_to_get_it_is_not_sent_and_stays(ana: httpx.AsyncClient) -> None:
    await save(ana, "Yours?", mode="forward", message_id="m1")
    assert (await ana.post(f"{DRAFT}/send", json={})).status_code == 422
    draft = (await ana.get(DRAFT)).json()
    assert (draft["text"], draft["state"]) == ("Yours?", "open")


async def test_where_approval_is_asked_for_an_approver_sends_what_its_author_wrote(
    desk: DeskBench, ana: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    known = company()
    inbox = known.inboxes[0].model_copy(update={"approval": Approval(agents=["ben"])})
    changed = known.model_copy(update={"inboxes": [inbox, *known.inboxes[1:]]})
    desk.configurations.add(ConfigurationApplied(configuration_version=2, applied_at=NOW, configuration=changed))
    await save(ana, "Dear Carla")
    waits = await ana.post(f"{DRAFT}/send", json={})
    assert (waits.status_code, waits.json()) == (202, {"state": "awaiting_approval", "approvers": ["ben"]})
    assert desk.commands.published == []
    assert (await ben.get(DRAFT)).json()["author"] == "ana"
    answers_with(desk, replied())
    assert (await ben.post(f"{DRAFT}/send", json={})).status_code == 200
    command = desk.commands.published[0].data
    assert isinstance(command, c.SendReply)
    assert (command.actor.id, command.approved_by) == ("ana", "ben")


async def test_a_cancelled_reply_comes_back_into_the_draft_and_over_nothing_else(
    desk: DeskBench, ana: httpx.AsyncClient
) -> None:
    answers_with(desk)
    await save(ana, "Dear Carla", to=[{"address": "carla@example.test"}])
    await ana.post(f"{DRAFT}/send", json={"undo_seconds": 10})
    message = desk.commands.published[0].data.message_id  # type: ignore[attr-defined]
    await desk.happens(replied(message), CONVERSATION, cause=desk.commands.published[0].id)
    assert (await ana.post(f"{DRAFT}/from/{message}", json={})).status_code == 404
    await desk.happens(f.MessageCancelled(message_id=message, delivery_id="d", cancelled_at=NOW), CONVERSATION)
    back = await ana.post(f"{DRAFT}/from/{message}", json={})
    assert (back.status_code, back.json()["text"]) == (200, "Dear Carla")
    assert [p["address"] for p in back.json()["to"]] == ["carla@example.test"]
    assert (await ana.post(f"{DRAFT}/from/{message}", json={})).status_code == 409


async def test_dropping_it_lets_its_files_go(desk: DeskBench, ana: httpx.AsyncClient, ben: httpx.AsyncClient) -> None:
    file = await brought(ana, "a", b"1")
    await save(ana, "x", attachments=[file["upload_id"]])
    assert desk.uploads.uploads[file["upload_id"]].held_by is not None
    assert (await ben.delete(DRAFT)).status_code == 409
    assert (await ana.delete(DRAFT)).status_code == 204
    assert desk.uploads.uploads[file["upload_id"]].held_by is None


async def test_who_cannot_read_the_conversation_has_no_draft_there() -> None:
    desk = DeskBench(settings=settings(api_tokens=f"m@mira={ANAS}"))
    await desk.happens(received(), CONVERSATION)
    async with desk.client(ANAS) as mira:
        for method, path in (("GET", ""), ("GET", "/versions"), ("GET", "/live"), ("DELETE", "")):
            assert (await mira.request(method, f"{DRAFT}{path}")).status_code == 404, path
        assert (await mira.put(DRAFT, json={"text": "x"})).status_code == 404
        for path in ("/lease", "/send"):
            assert (await mira.post(f"{DRAFT}{path}", json={})).status_code == 404, path
