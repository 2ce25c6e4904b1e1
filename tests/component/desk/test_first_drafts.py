"""Drafts of conversations that are still to begin, over doubles: whose they are, handed over, sent once; and the list of all."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from postroom_contracts import commands as c
from postroom_contracts import facts as f
from postroom_contracts.configuration import Configuration, ConfigurationApplied
from postroom_desk.api import first_drafts

from tests.component.desk.doubles import NOW, DeskBench, settings
from tests.component.desk.facts import ANA, CONVERSATION, customer_content, received, replied
from tests.component.desk.writers import ANAS, BENS, answers_with, brought
from tests.integration.desk.office import company

MIRAS = "token-of-the-tests-000m"
DRAFT = "/api/v1/drafts/a-draft-of-the-tests"
OFFER: dict[str, Any] = {
    "inbox_id": "support",
    "to": [{"address": "dora@example.test", "name": "Dora"}],
    "subject": "Your bike",
    "text": "It is ready.",
}


def staffed(**support: Any) -> Configuration:
    """Mira may read and note in support, and has an inbox of her own; ana and ben send from support."""
    plain = company().model_dump()
    plain["inboxes"][0] |= {
        "access": [{"agent": "mira", "rights": ["full_access"]}, {"team": "workshop", "rights": ["send_as"]}],
        **support,
    }
    own = {"id": "own", "name": "Own", "account": "mail", "address": "o@velo.test", "teams": [], "owner": "ana"}
    return Configuration.model_validate({**plain, "inboxes": [*plain["inboxes"], own]})


def works_with(desk: DeskBench, configuration: Configuration) -> None:
    number = desk.configurations.latest_version + 1
    desk.configurations.add(
        ConfigurationApplied(configuration_version=number, applied_at=NOW, configuration=configuration)
    )


@pytest.fixture
async def desk() -> DeskBench:
    bench = DeskBench(settings=settings(api_tokens=f"a@ana={ANAS},b@ben={BENS},m@mira={MIRAS},house={'h' * 20}"))
    works_with(bench, staffed())
    return bench


@pytest.fixture
async def mira(desk: DeskBench) -> AsyncIterator[httpx.AsyncClient]:
    async with desk.client(MIRAS) as client:
        yield client


async def begun(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    answer = await client.put(DRAFT, json=OFFER | changes)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def listed(client: httpx.AsyncClient) -> list[str]:
    answer = await client.get("/api/v1/drafts")
    assert answer.status_code == 200, answer.text
    return [row["subject"] for row in answer.json()["items"]]


async def counted(desk: DeskBench, agent_id: str) -> str:
    """Return the number beside Drafts in the left pane."""
    desk.folders._counted_at = float("-inf")
    async with await desk.browser(agent_id) as client:
        text = (await client.get("/panes/folders")).text
    return text.partition('data-folder="drafts"')[2].partition('class="count">')[2].partition("<")[0]


async def test_it_is_found_again_by_who_began_it_and_by_nobody_else(
    desk: DeskBench, ana: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    first = await ana.put(DRAFT, json=OFFER, headers={"X-Draft-Match": '"0"'})
    assert (first.status_code, first.headers["etag"]) == (200, '"1"')
    again = await ana.put(DRAFT, json=OFFER | {"text": "It is ready now."}, headers={"X-Draft-Match": '"1"'})
    assert (again.status_code, again.json()["number"]) == (200, 2)
    assert (await ana.put(DRAFT, json=OFFER, headers={"X-Draft-Match": '"1"'})).status_code == 412
    async with await desk.browser("ana") as elsewhere:
        found = (await elsewhere.get(DRAFT)).json()
        assert (found["text"], found["subject"], found["inbox_id"]) == ("It is ready now.", "Your bike", "support")
        assert (found["to"], found["people"]) == ([{"address": "dora@example.test", "name": "Dora"}], ["ana"])
        page = (await elsewhere.get("/drafts")).text
        assert 'href="/conversations/new-a-draft-of-the-tests"' in page
        assert "It is ready now." in page
    assert (await listed(ana), await counted(desk, "ana")) == (["Your bike"], "1")
    assert (await listed(ben), await counted(desk, "ben")) == ([], "")
    for method, end in (("GET", ""), ("DELETE", ""), ("GET", "/versions"), ("GET", "/live")):
        assert (await ben.request(method, DRAFT + end)).status_code == 404, (method, end)
    assert (await ben.put(DRAFT, json=OFFER)).status_code == 404
    for end in ("lease", "send", "versions/1/restore"):
        assert (await ben.post(f"{DRAFT}/{end}", json={})).status_code == 404, end
    assert (await ben.post(f"{DRAFT}/hand-over", json={"to": "ben"})).status_code == 404


async def test_it_becomes_a_conversation_once_and_is_gone(desk: DeskBench, ana: httpx.AsyncClient) -> None:
    file = await brought(ana, "offer.pdf", b"%PDF")
    await begun(ana, attachments=[file["upload_id"]], html="<p>It is <b>ready</b>.</p>")
    asked = {"undo_seconds": 10}
    both = await asyncio.gather(*(ana.post(f"{DRAFT}/send", json=asked) for _ in range(2)))
    assert sorted(x.status_code for x in both) == [202, 409]
    assert len({e.id for e in desk.commands.published}) == 1
    event = desk.commands.published[0]
    assert isinstance(event.data, c.StartConversation)
    assert (event.data.actor, event.data.inbox_id, event.data.to[0].address) == (ANA, "support", "dora@example.test")
    assert event.data.attachments[0].filename == "offer.pdf"
    assert event.data.send_at == NOW + timedelta(seconds=10)
    content = (await desk.content.get([event.data.content.content_id]))[event.data.content.content_id]
    assert (content["subject"], content["html"]) == ("Your bike", "<p>It is <b>ready</b>.</p>")
    assert (await ana.put(DRAFT, json=OFFER)).status_code == 409, "it is on its way"
    assert await listed(ana) == ["Your bike"]
    await desk.happens(replied(event.data.message_id), event.subject, cause=event.id)
    assert await listed(ana) == []
    assert (await ana.get(DRAFT)).status_code == 404
    assert desk.uploads.uploads[file["upload_id"]].used
    other = await begun(ana, text="Another one, under the same id")
    answers_with(desk, replied())
    assert (await ana.post(f"{DRAFT}/send", json={})).status_code == 200
    assert len({e.id for e in desk.commands.published}) == 2, other


@pytest.mark.parametrize("lacks", [{"to": []}, {"subject": ""}, {"text": ""}], ids=["nobody", "no subject", "no text"])
async def test_what_cannot_go_out_yet_stays_and_says_why(ana: httpx.AsyncClient, lacks: dict[str, Any]) -> None:
    await begun(ana, **lacks)
    refused = await ana.post(f"{DRAFT}/send", json={})
    assert (refused.status_code, refused.json()["title"]) == (422, "The draft cannot be sent yet")
    assert (await ana.get(DRAFT)).json()["state"] == "open"


async def test_a_refused_one_stays_and_goes_out_as_another_attempt(desk: DeskBench, ana: httpx.AsyncClient) -> None:
    refused = f.RequestRefused(request_id="x", request_type="x", actor=ANA, reason="unknown_inbox")
    answers_with(desk, refused)
    await begun(ana)
    assert (await ana.post(f"{DRAFT}/send", json={})).status_code == 409
    draft = (await ana.get(DRAFT)).json()
    assert (draft["state"], draft["refused"]["reason"]) == ("open", "unknown_inbox")
    answers_with(desk, replied())
    assert (await ana.post(f"{DRAFT}/send", json={})).status_code == 200
    first, second = desk.commands.published
    assert first.subject != second.subject


async def test_who_may_only_note_writes_one_and_hands_it_to_who_may_send(
    desk: DeskBench, ana: httpx.AsyncClient, mira: httpx.AsyncClient
) -> None:
    await begun(mira)
    assert (await mira.post(f"{DRAFT}/send", json={})).status_code == 403
    assert (await mira.put(DRAFT, json=OFFER | {"inbox_id": "nowhere"})).status_code == 422
    given = await mira.post(f"{DRAFT}/hand-over", json={"to": "ana"})
    assert (given.status_code, given.json()["people"]) == (200, ["mira", "ana"])
    rung = (await ana.get("/api/v1/notifications")).json()
    assert [(n["kind"], n["actor_id"], n["subject"]) for n in rung["items"]] == [("draft_handed", "mira", "Your bike")]
    assert rung["items"][0]["conversation_id"] == "new-a-draft-of-the-tests"
    assert (await listed(ana), await listed(mira)) == (["Your bike"], ["Your bike"])
    assert (await ana.put(DRAFT, json=OFFER | {"text": "It is ready!"})).status_code == 200
    locked = await mira.put(DRAFT, json=OFFER)
    assert (locked.status_code, locked.json()["holder_name"]) == (409, "Ana Ruiz")
    answers_with(desk, replied())
    assert (await ana.post(f"{DRAFT}/send", json={})).status_code == 200
    assert (await mira.get(DRAFT)).status_code == 404
    assert (await ana.get("/api/v1/notifications")).json()["unread"] == 0


async def test_it_is_given_to_nobody_who_may_not_write_there(ana: httpx.AsyncClient) -> None:
    await begun(ana, inbox_id="own")
    refused = await ana.post(f"{DRAFT}/hand-over", json={"to": "ben"})
    assert (refused.status_code, refused.json()["detail"]) == (422, "ben cannot write in this inbox")


async def test_one_that_moves_into_a_private_inbox_is_its_owners_alone(
    desk: DeskBench, ana: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    await begun(ana)
    assert (await ana.post(f"{DRAFT}/hand-over", json={"to": "ben"})).status_code == 200
    assert await counted(desk, "ben") == "1"
    await begun(ana, inbox_id="own")
    assert (await ben.get(DRAFT)).status_code == 404
    assert (await listed(ben), await counted(desk, "ben")) == ([], "")
    assert [n["subject"] for n in (await ben.get("/api/v1/notifications")).json()["items"]] == [""]
    async with desk.client("h" * 20) as house:
        assert (await house.get(DRAFT, params={"agent": "ana"})).status_code == 404
        assert (await house.get("/api/v1/drafts", params={"agent": "ana"})).json() == {"items": []}
    assert await listed(ana) == ["Your bike"]


async def test_rights_that_are_lost_hide_it_and_come_back_with_it(desk: DeskBench, ana: httpx.AsyncClient) -> None:
    await begun(ana)
    works_with(desk, staffed(access=[{"agent": "ben", "rights": ["send_as"]}]))
    assert (await ana.get(DRAFT)).status_code == 404
    assert await listed(ana) == []
    works_with(desk, staffed())
    assert (await ana.get(DRAFT)).json()["text"] == "It is ready."


async def test_where_approval_is_asked_for_an_approver_sees_it_and_lets_it_go(
    desk: DeskBench, ana: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    works_with(desk, staffed(approval={"agents": ["ben"]}))
    await begun(ana)
    assert (await ben.get(DRAFT)).status_code == 404
    waits = await ana.post(f"{DRAFT}/send", json={})
    assert (waits.status_code, waits.json()) == (202, {"state": "awaiting_approval", "approvers": ["ben"]})
    assert [n["kind"] for n in (await ben.get("/api/v1/notifications")).json()["items"]] == ["draft_waits"]
    answers_with(desk, replied())
    assert (await ben.post(f"{DRAFT}/send", json={})).status_code == 200
    [command] = [e.data for e in desk.commands.published]
    assert isinstance(command, c.StartConversation)
    assert (command.actor.id, command.approved_by) == ("ana", "ben")


async def test_an_earlier_version_is_put_back(ana: httpx.AsyncClient) -> None:
    long = "It is ready, and we have looked at the gears, too."
    await begun(ana, text=long)
    await begun(ana, text="No", subject="No", to=[])
    items = (await ana.get(f"{DRAFT}/versions")).json()["items"]
    assert [(v["number"], v["text"], v["subject"]) for v in items] == [(2, "No", "No"), (1, long, "Your bike")]
    assert [len(v["to"]) for v in items] == [0, 1]
    back = (await ana.post(f"{DRAFT}/versions/1/restore", json={})).json()
    assert (back["text"], back["subject"], back["number"]) == (long, "Your bike", 3)
    assert [p["address"] for p in back["to"]] == [p["address"] for p in items[1]["to"]]


async def test_thrown_away_it_is_gone_with_its_files(desk: DeskBench, ana: httpx.AsyncClient) -> None:
    file = await brought(ana, "offer.pdf", b"%PDF")
    await begun(ana, attachments=[file["upload_id"]])
    assert (await ana.delete(DRAFT)).status_code == 204
    assert (await ana.get(DRAFT)).status_code == 404
    assert desk.uploads.uploads[file["upload_id"]].held_by is None
    assert await counted(desk, "ana") == ""


async def test_one_person_has_a_bounded_number(ana: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_drafts, "MOST", 3)
    for n in range(3):
        assert (await ana.put(f"/api/v1/drafts/draft-{n:04}", json=OFFER)).status_code == 200
    full = await ana.put(DRAFT, json=OFFER)
    assert (full.status_code, full.json()["title"]) == (422, "Too many drafts")
    assert (await ana.put("/api/v1/drafts/draft-0000", json=OFFER | {"text": "x"})).status_code == 200


async def test_replies_and_notes_that_one_has_begun_are_among_ones_drafts(
    desk: DeskBench, ana: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    await desk.content.put([customer_content()])
    await desk.happens(received(), CONVERSATION)
    path = f"/api/v1/conversations/{CONVERSATION}/draft"
    await ana.put(path, json={"text": "Dear Carla"})
    await ana.put(f"{path}?kind=note", json={"text": "Ask Ben"})
    rows = (await ana.get("/api/v1/drafts")).json()["items"]
    assert {(r["kind"], r["preview"], r["subject"]) for r in rows} == {
        ("reply", "Dear Carla", "Brakes <b>squeal</b>"),
        ("note", "Ask Ben", "Brakes <b>squeal</b>"),
    }
    assert {r["page"] for r in rows} == {f"/conversations/{CONVERSATION}"}
    assert (await counted(desk, "ana"), await counted(desk, "ben")) == ("2", "")
    await ana.post(f"{path}/hand-over", json={"to": "ben"})
    assert [r["kind"] for r in (await ben.get("/api/v1/drafts")).json()["items"]] == ["reply"]
    assert (await counted(desk, "ana"), await counted(desk, "ben")) == ("1", "1")
    for row in rows:
        assert (await ana.delete(row["href"])).status_code == 204
    assert (await counted(desk, "ana"), await counted(desk, "ben")) == ("", "")
