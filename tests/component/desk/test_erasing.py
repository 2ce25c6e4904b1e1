"""Asking for the erasure of a person: who may, what goes into the queue, what the audit keeps of it."""

import json
from typing import Any

import pytest
from postroom_contracts.commands import EraseContact
from postroom_desk.identity.principal import Principal

from tests.component.desk.doubles import DeskBench, settings
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


async def test_the_page_offers_it_to_admins_alone(desk: DeskBench, monkeypatch: pytest.MonkeyPatch) -> None:
    pages: dict[str, Any] = {}
    for name, principal in {"house": Principal("house"), "ana": Principal("ana", "ana")}.items():
        monkeypatch.setattr("postroom_desk.api.auth.authenticate", lambda *_, p=principal: p)
        async with desk.client() as client:
            pages[name] = (await client.get("/conversations/conversation-1")).text
    assert 'data-erase="contact-carla"' in pages["house"]
    assert "data-erase" not in pages["ana"]
    assert "carla@" not in json.dumps([str(e) for e in desk.commands.published])
