"""Asking for the erasure of a person: who may, what goes into the queue, what the audit keeps of it; and how far it is."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from postroom_contracts.commands import EraseContact
from postroom_contracts.facts import ContentErased
from postroom_contracts.ids import content_id
from postroom_desk.domain.positions import Positions
from postroom_desk.identity.principal import Principal

from tests.component.desk.doubles import NOW, DeskBench, settings
from tests.component.desk.facts import customer_content, received

PATH = "/api/v1/contacts/contact-carla/erase"


@pytest.fixture
async def desk() -> DeskBench:
    desk = DeskBench(settings(request_wait_seconds=0.001))
    await desk.content.put([customer_content("m1")])
    await desk.happens(received("m1", opened=True, contact_id="contact-carla"), "conversation-1")
    return desk


async def test_the_command_is_the_contacts_own_and_says_who_asked(desk: DeskBench) -> None:
    async with desk.client() as client:
        answer = await client.post(PATH, json={"agent": "ana", "whole": True})
    assert answer.status_code == 202, answer.text
    said = answer.json()
    (event,) = desk.commands.published
    assert isinstance(event.data, EraseContact)
    assert (event.subject, event.data.contact_id, event.data.whole) == ("contact-carla", "contact-carla", True)
    assert (event.data.actor.kind, event.data.actor.id) == ("agent", "ana")
    assert said == {
        "request_id": event.id,
        "contact_id": "contact-carla",
        "status_url": f"/api/v1/requests/{event.id}",
    }


async def test_a_repeat_is_one_request_and_another_one_under_its_key_is_refused(desk: DeskBench) -> None:
    key = {"Idempotency-Key": "k1"}
    async with desk.client() as client:
        first = await client.post(PATH, json={"agent": "ana"}, headers=key)
        again = await client.post(PATH, json={"agent": "ana"}, headers=key)
        other = await client.post(PATH, json={"agent": "ana", "whole": True}, headers=key)
    assert first.json() == again.json()
    assert other.status_code == 422


@pytest.mark.parametrize("contact", ["a.b", "$where", "a%2Fb", "x" * 65])
async def test_what_is_no_contacts_id_is_refused(desk: DeskBench, contact: str) -> None:
    async with desk.client() as client:
        answer = await client.post(f"/api/v1/contacts/{contact}/erase", json={"agent": "ana"})
    assert answer.status_code in (404, 422)
    assert desk.commands.published == []


def router_says(request_id: str, at: datetime = NOW, **changes: Any) -> dict[str, Any]:
    said = {"contact_id": "contact-carla", "request_id": request_id, "asked_by": "ana", "whole": False}
    times = {"asked_at": at.isoformat(), "begun_at": at.isoformat(), "done_at": None}
    return {**said, **times, "conversations": None, **changes}


async def progress(desk: DeskBench, request_id: str = "") -> Any:
    async with desk.client() as client:
        asked = {"request_id": request_id} if request_id else {}
        answer = await client.get("/api/v1/contacts/contact-carla/erasure", params=asked)
    return answer.json() if answer.status_code == 200 else answer.status_code


async def test_an_erasure_is_followed_from_its_asking_until_nothing_is_left(desk: DeskBench) -> None:
    assert await progress(desk) == 404
    async with desk.client() as client:
        request_id = (await client.post(PATH, json={"agent": "ana"})).json()["request_id"]
    assert (await progress(desk, request_id))["state"] == "asked"
    assert await progress(desk) == 404

    desk.router.said["contact-carla"] = router_says(request_id)
    found = await progress(desk)
    assert (found["state"], found["conversations"], found["asked_by"]) == ("running", 0, "ana")
    gone = ContentErased(contact_id="contact-carla", message_ids=["m1"], ledger_ids=["ledger-m1"], blob_ids=["blob-1"])
    await desk.happens(gone, "conversation-1", cause=request_id)
    desk.groups.behind = {"ingest"}
    assert (await progress(desk))["services"] == {"ingest": False, "notifier": True, "desk": True}

    desk.router.said["contact-carla"] = router_says(request_id, done_at=NOW.isoformat(), conversations=1)
    assert (await progress(desk))["state"] == "done"
    desk.groups.behind = set()
    desk.mark.place = Positions()  # the desk's own copies are forgotten where the index is filled
    assert (await progress(desk))["services"]["desk"] is False
    desk.mark.place = None
    await desk.content.put_blob("blob-1", b"a file")
    found = await progress(desk)
    assert (found["state"], found["left"]) == ("left", 2), "the text of m1 and the file"
    await desk.content.delete([content_id("m1"), "blob-1"])
    found = await progress(desk)
    assert (found["state"], found["left"], found["conversations"]) == ("verified", 0, 1)


async def test_an_earlier_erasure_is_not_taken_for_the_one_that_was_asked_for_now(desk: DeskBench) -> None:
    done = router_says("an-older-one", NOW - timedelta(days=9), done_at=NOW.isoformat(), conversations=3)
    desk.router.said["contact-carla"] = done
    async with desk.client() as client:
        request_id = (await client.post(PATH, json={"agent": "ana"})).json()["request_id"]
    assert (await progress(desk, request_id))["state"] == "asked"
    assert (await progress(desk))["state"] == "verified"


async def test_an_erasure_is_known_for_the_one_that_was_asked_for_whatever_the_clock_did_meanwhile(
    desk: DeskBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = desk.clock.now

    def a_millisecond_later() -> datetime:
        desk.clock.advance(0.001)
        return now()

    monkeypatch.setattr(desk.clock, "now", a_millisecond_later)
    async with desk.client() as client:
        request_id = (await client.post(PATH, json={"agent": "ana"})).json()["request_id"]
    (command,) = desk.commands.published
    desk.router.said["contact-carla"] = router_says(
        request_id, command.time, done_at=command.time.isoformat(), conversations=0
    )
    assert (await progress(desk, request_id))["state"] == "verified"


async def test_a_router_that_is_away_is_said_and_the_page_asks_again(desk: DeskBench) -> None:
    desk.router.away = True
    assert await progress(desk) == 503
    async with desk.client() as client:
        pane = await client.get("/panes/erasure/contact-carla")
        assert (pane.status_code, 'hx-trigger="every 2s"' in pane.text) == (200, True)
        desk.router.away = False
        desk.router.said["contact-carla"] = router_says("r", done_at=NOW.isoformat(), conversations=0)
        pane = await client.get("/panes/erasure/contact-carla")
    assert 'data-state="verified"' in pane.text
    assert "every 2s" not in pane.text


async def test_the_page_offers_it_to_admins_alone(desk: DeskBench, monkeypatch: pytest.MonkeyPatch) -> None:
    pages: dict[str, Any] = {}
    for name, principal in {"house": Principal("house"), "ana": Principal("ana", "ana")}.items():
        monkeypatch.setattr("postroom_desk.api.auth.authenticate", lambda *_, p=principal: p)
        async with desk.client() as client:
            pages[name] = (await client.get("/conversations/conversation-1")).text
    assert 'data-erase="contact-carla"' in pages["house"]
    assert "data-erase" not in pages["ana"]
    assert "carla@" not in json.dumps([str(e) for e in desk.commands.published])
