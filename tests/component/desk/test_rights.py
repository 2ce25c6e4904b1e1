"""Rights at the edge: what one may not read is answered as what there is not; what one may read only cannot be changed."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
from fastapi.sse import ServerSentEvent
from postroom_contracts import facts as f
from postroom_contracts.configuration import Configuration, ConfigurationApplied
from postroom_desk.api import gate, streams
from postroom_desk.api.guard import Asker, access_for
from postroom_desk.domain.permissions import Operation
from postroom_desk.identity.principal import Principal
from postroom_desk.inboxes import Inboxes

from tests.component.desk.doubles import NOW, DeskBench, settings
from tests.component.desk.facts import ANA, CONVERSATION, customer_content, received, replied
from tests.integration.desk.office import company

TOKENS = {name: f"token-of-{name}-0123456" for name in ("ana", "mira", "lea", "ada", "otto", "rita")}
OWN = "conversation-of-rita"
API = "/api/v1"


def staffed() -> Configuration:
    """Ana sends as support; mira reads sales and notes there; lea leads sales; ada is admin, otto auditor, rita private."""
    plain = company().model_dump()
    people = {a["id"]: a for a in plain["agents"]}
    for agent_id, role in {"lea": "lead", "ada": "admin", "otto": "auditor", "rita": "agent"}.items():
        person = {"id": agent_id, "first_name": agent_id.capitalize(), "email": f"{agent_id}@velo.test", "role": role}
        people[agent_id] = person
    plain["agents"] = list(people.values())
    plain["teams"][1]["members"] = ["lea"]
    plain["inboxes"][1]["access"] = [{"agent": "mira", "rights": ["full_access"]}]
    private = {
        "id": "rita",
        "name": "Rita's own",
        "account": "mail",
        "address": "r@velo.test",
        "teams": [],
        "owner": "rita",
    }
    plain["inboxes"].append(private)
    return Configuration.model_validate(plain)


@pytest.fixture
async def desk() -> DeskBench:
    bench = DeskBench(settings(api_tokens=",".join(f"{n}@{n}={t}" for n, t in TOKENS.items())))
    bench.configurations.add(ConfigurationApplied(configuration_version=2, applied_at=NOW, configuration=staffed()))
    await bench.content.put([customer_content()])
    await bench.happens(received(), CONVERSATION)
    await bench.happens(received("p1", inbox_id="rita", team_id=None, opened=True), OWN)
    return bench


def who(desk: DeskBench, name: str) -> httpx.AsyncClient:
    return desk.client(TOKENS[name])


@pytest.mark.parametrize("path", ["", "/events", "/messages/m1", "/messages/m1/original", "/messages/m1/attachments/0"])
async def test_a_foreign_conversation_is_answered_as_an_unknown_one(desk: DeskBench, path: str) -> None:
    async with who(desk, "mira") as client:
        foreign = await client.get(f"{API}/conversations/{CONVERSATION}{path}")
        unknown = await client.get(f"{API}/conversations/unknown{path}")
    assert (foreign.status_code, unknown.status_code) == (404, 404)
    assert foreign.text.replace(CONVERSATION, "unknown") == unknown.text


@pytest.mark.parametrize(
    ("name", "status"), [("ana", 202), ("ada", 403), ("otto", 403), ("mira", 404), ("lea", 404), ("rita", 404)]
)
async def test_only_who_may_send_answers(desk: DeskBench, name: str, status: int) -> None:
    async with who(desk, name) as client:
        answer = await client.post(f"{API}/conversations/{CONVERSATION}/reply", json={"text": "Hello"})
        unknown = await client.post(f"{API}/conversations/unknown/reply", json={"text": "Hello"})
    assert (answer.status_code, unknown.status_code) == (status, 404)
    assert len(desk.commands.published) == (status == 202)


async def test_a_private_inbox_is_its_owners_alone(desk: DeskBench) -> None:
    for name in ("ana", "mira", "lea", "ada", "otto"):
        async with who(desk, name) as client:
            assert (await client.get(f"{API}/conversations/{OWN}")).status_code == 404
            assert OWN not in (await client.get(f"{API}/conversations")).text
            assert OWN not in (await client.get(f"{API}/contacts/carla/conversations")).text
            assert OWN not in (await client.get("/")).text
            assert "Rita's own" not in (await client.get(f"{API}/company")).text
    async with who(desk, "rita") as client:
        assert [c["id"] for c in (await client.get(f"{API}/conversations")).json()["items"]] == [OWN]
        assert (await client.get(f"{API}/overview")).json()["open"] == 1
        assert "Rita's own" in (await client.get(f"{API}/company")).text


async def test_merging_needs_the_right_in_both(desk: DeskBench) -> None:
    async with who(desk, "ana") as client:
        path = f"{API}/conversations/{CONVERSATION}/merge"
        foreign = await client.post(path, json={"target_id": OWN})
        unknown = await client.post(path, json={"target_id": "unknown"})
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.text == unknown.text
    assert desk.commands.published == []


async def test_who_reads_some_inboxes_sees_the_figures_of_these(desk: DeskBench) -> None:
    desk.figures.answer = (200, {})
    async with who(desk, "lea") as client:
        assert (await client.get(f"{API}/metrics/summary")).status_code == 200
        assert (
            await client.get(f"{API}/metrics/rows", params={"kind": "resolution", "inboxes": "rita"})
        ).status_code == 200
        assert (await client.get(f"{API}/metrics/summary", params={"cut": "team", "value": "sales"})).status_code == 403
        assert (
            await client.get(f"{API}/metrics/summary", params={"cut": "inbox", "value": "support"})
        ).status_code == 404
        assert (await client.get(f"{API}/metrics/conversations/{CONVERSATION}")).status_code == 404
    assert [asked for _, _, asked in desk.figures.asked] == [
        {"inboxes": "sales"},
        {"kind": "resolution", "inboxes": "sales"},
    ]
    async with who(desk, "ana") as client:
        assert (await client.get(f"{API}/metrics/summary")).status_code == 403


async def test_a_request_for_nothing_is_known_to_who_made_it_alone(desk: DeskBench) -> None:
    body = {"inbox_id": "support", "to": [{"address": "x@example.test"}], "subject": "S", "text": "T"}
    async with who(desk, "ana") as client:
        made = await client.post(f"{API}/conversations", json=body)
        path = made.json()["status_url"]
        assert (await client.get(path)).json()["status"] == "pending"
    async with who(desk, "mira") as client:
        assert (await client.get(path)).status_code == 404
        assert (await client.post(f"{API}/conversations", json=body)).status_code == 422


def checked_asker(desk: DeskBench, principal: Principal) -> Asker:
    return Asker(principal, access_for(principal, desk.app.state.parts), Operation.FOLLOW_EVENTS)


def follows(desk: DeskBench, name: str) -> AsyncIterator[ServerSentEvent]:
    return streams.events(desk.app.state.parts, checked_asker(desk, Principal(name, name)), None, None)


async def test_a_stream_has_only_what_its_person_may_read(desk: DeskBench) -> None:
    items = follows(desk, "rita")
    assert (await anext(items)).event == "hello"
    await desk.happens(replied(), CONVERSATION)
    await desk.happens(f.ConversationResolved(actor=ANA, previous="open", resolved_at=NOW), CONVERSATION)
    await desk.happens(f.ConversationResolved(actor=ANA, previous="open", resolved_at=NOW), OWN)
    shown = await anext(items)
    assert (shown.data["conversation_id"], shown.data["type"]) == (OWN, "conversation-resolved")
    await items.aclose()  # type: ignore[attr-defined]


async def test_rights_that_change_count_in_open_streams(desk: DeskBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "LOOK_SECONDS", 0.02)
    items = follows(desk, "rita")
    await anext(items)
    plain = staffed().model_dump()
    plain["inboxes"][0]["access"] = [{"agent": "rita", "rights": ["full_access"]}]
    more = Configuration.model_validate(plain)
    desk.configurations.add(ConfigurationApplied(configuration_version=3, applied_at=NOW, configuration=more))
    assert (await anext(items)).event == "resync"
    await desk.happens(replied(), CONVERSATION)
    assert (await anext(items)).data["conversation_id"] == CONVERSATION
    plain["agents"] = [a | {"enabled": a["id"] != "rita"} for a in plain["agents"]]
    none = Configuration.model_validate(plain)
    desk.configurations.add(ConfigurationApplied(configuration_version=4, applied_at=NOW, configuration=none))
    assert [item async for item in items] == []


async def test_a_session_that_ended_closes_its_stream(desk: DeskBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "LOOK_SECONDS", 0.02)
    valid = [True]

    async def still_valid() -> bool:
        return valid[0]

    asker = replace(checked_asker(desk, Principal("rita", "rita")), still_valid=still_valid)
    items = streams.events(desk.app.state.parts, asker, None, None)
    await anext(items)
    valid[0] = False
    async with asyncio.timeout(20):
        assert [item async for item in items] == []


async def test_a_conversation_that_moves_concerns_the_readers_of_both_inboxes(desk: DeskBench) -> None:
    inboxes: Inboxes = desk.app.state.parts.inboxes
    left = await desk.happens(replied(inbox_id="sales"), CONVERSATION)
    assert await inboxes.concerned(left) == {"sales"}
    moved = replace(left, body=b'{"inbox_id":"sales","previous_inbox_id":"support"}')
    assert await inboxes.concerned(moved) == {"sales", "support"}
    assert await inboxes.of("unknown") is None


async def test_a_disabled_person_is_let_in_nowhere(desk: DeskBench) -> None:
    plain = staffed().model_dump()
    next(a for a in plain["agents"] if a["id"] == "ana")["enabled"] = False
    changed = Configuration.model_validate(plain)
    desk.configurations.add(ConfigurationApplied(configuration_version=3, applied_at=NOW, configuration=changed))
    async with who(desk, "ana") as client:
        for path in ("/company", "/conversations", "/overview", "/events", f"/conversations/{CONVERSATION}"):
            assert (await client.get(f"{API}{path}")).status_code == 403
