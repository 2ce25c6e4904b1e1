"""Requests become facts: with real router and assigner, over the REST API."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from postroom_contracts import commands as c
from postroom_contracts.states import ConversationState
from postroom_contracts.topics import CONVERSATION_COMMANDS, CONVERSATION_EVENTS, CONVERSATION_STATES
from postroom_desk.cli_states import differences

from tests.integration.desk.office import ANA_TOKEN, PICTURE, Office, eventually

pytestmark = [pytest.mark.connected, pytest.mark.asyncio(loop_scope="module")]


async def test_a_request_is_answered_with_its_fact_and_can_be_read_at_once(office: Office, subject: str) -> None:
    await office.customer_writes(subject=subject)
    seen = await office.conversation(subject, lambda row: row["owner_id"] is not None)
    assert seen["tags"] == ["support", "brakes"]
    assert seen["turn_open"]
    assert seen["contact"]["name"] == "Carla Cruz"

    answer = await office.ask(seen["id"], "reply", {"text": "Bring it in today."}, seen=seen["etag"])

    assert answer.status_code == 200, answer.text
    done = answer.json()
    assert done["outcome"] == "reply-accepted"
    assert done["event"]["data"]["actor"] == {"kind": "agent", "id": "ana"}
    read = await office.read(seen["id"], done["position"])
    assert [(m["kind"], m["text"]) for m in read["messages"]] == [
        ("incoming", "The brakes squeal since Tuesday."),
        ("outgoing", "Bring it in today."),
    ]
    assert not read["turn_open"]
    state = (await office.client.get(f"/api/v1/requests/{done['request_id']}")).json()
    assert (state["status"], state["position"]) == ("done", done["position"])


async def test_the_same_idempotency_key_gives_the_same_answer_and_one_effect(office: Office, subject: str) -> None:
    await office.customer_writes(subject=subject)
    seen = await office.conversation(subject)
    both = await asyncio.gather(
        *(office.ask(seen["id"], "reply", {"text": "Once."}, seen["etag"], key="key-1") for _ in range(2))
    )
    later = await office.ask(seen["id"], "reply", {"text": "Once."}, seen["etag"], key="key-1")

    assert [a.status_code for a in (*both, later)] == [200, 200, 200]
    assert len({a.json()["event"]["id"] for a in (*both, later)}) == 1
    other = await office.ask(seen["id"], "reply", {"text": "Something else."}, seen["etag"], key="key-1")
    assert other.status_code == 422
    assert other.json()["type"] == "urn:postroom:problem:key-reused"
    read = await office.read(seen["id"], later.json()["position"])
    assert [m["text"] for m in read["messages"] if m["kind"] == "outgoing"] == ["Once."]
    events = await office.deployment.events(CONVERSATION_EVENTS)
    mine = Counter(type(e.data).__name__ for e in events if e.subject == seen["id"])
    assert mine["ReplyAccepted"] == 1
    commands = await office.deployment.events(CONVERSATION_COMMANDS)
    assert len([e for e in commands if isinstance(e.data, c.SendReply) and e.subject == seen["id"]]) == 1


async def test_a_reply_over_a_message_that_was_not_seen_is_refused_with_what_changed(
    office: Office, subject: str
) -> None:
    first = await office.customer_writes(subject=subject)
    seen = await office.conversation(subject)
    await office.customer_writes("And the wheel wobbles.", subject, answers=first)
    await eventually(lambda: _with_messages(office, seen["id"], 2), "the second message")

    answer = await office.ask(seen["id"], "reply", {"text": "Just oil it."}, seen=seen["etag"])

    assert answer.status_code == 409
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["reason"], problem["changed"]) == ("stale", ["message_received"])
    assert (await _with_messages(office, seen["id"], 2)) is not None


async def _with_messages(office: Office, conversation: str, count: int) -> dict[str, object] | None:
    read = await office.read(conversation)
    return read if len(read["messages"]) == count else None


async def test_two_claims_of_one_epoch_have_one_winner(office: Office, subject: str) -> None:
    await office.customer_writes(inbox="sales", subject=subject)
    queued = await office.conversation(subject, lambda row: row["queued_at"] is not None)
    answers = await asyncio.gather(
        office.ask(queued["id"], "claim", {"agent": "mira"}, seen=queued["etag"]),
        office.ask(queued["id"], "claim", {"agent": "ben"}, seen=queued["etag"]),
    )
    assert sorted(a.status_code for a in answers) == [200, 409]
    winner = next(a for a in answers if a.status_code == 200).json()
    loser = next(a for a in answers if a.status_code == 409).json()
    assert loser["reason"] == "stale_epoch"
    read = await office.read(queued["id"], winner["position"])
    assert read["owner_id"] == winner["event"]["data"]["agent_id"] == loser["owner_id"]
    assert read["ownership"]["reason"] == "claim"


async def test_every_action_leads_to_its_state(office: Office, subject: str) -> None:
    await office.customer_writes(subject=subject)
    seen = await office.conversation(subject, lambda row: row["owner_id"] is not None)
    other = "ben" if seen["owner_id"] == "ana" else "ana"
    steps: list[tuple[str, dict[str, Any], str]] = [
        ("note", {"text": "Ask the workshop.", "mentions": ["ben"]}, "open"),
        ("tag", {"add": ["order"], "remove": ["brakes"]}, "open"),
        ("route", {"priority": "urgent"}, "open"),
        ("assign", {"agent_id": other}, "open"),
        ("wait", {}, "waiting"),
        ("snooze", {"until": "2099-01-01T09:00:00+01:00"}, "snoozed"),
        ("reopen", {}, "open"),
        ("spam", {}, "spam"),
        ("unspam", {}, "open"),
        ("delete", {}, "deleted"),
        ("restore", {}, "open"),
        ("resolve", {}, "resolved"),
        ("archive", {}, "resolved"),
    ]
    for action, body, status in steps:
        answer = await office.ask(seen["id"], action, body)
        assert answer.status_code == 200, (action, answer.text)
        read = await office.read(seen["id"], answer.json()["position"])
        assert read["status"] == status, action
    assert read["archived"]
    assert read["tags"] == ["support", "order"]
    assert read["priority"] == "urgent"
    assert [m["kind"] for m in read["messages"]] == ["incoming", "note"]
    assert seen["id"] in [row["id"] for row in await office.conversations(archived=True)]
    assert seen["id"] not in [row["id"] for row in await office.conversations(sort="newest")]


async def test_an_agent_writes_first(office: Office, subject: str) -> None:
    body = {
        "agent": "ben",
        "inbox_id": "support",
        "to": [{"address": "dora@example.test", "name": "Dora"}],
        "subject": "Your bicycle is ready",
        "text": "Come and get it.",
    }
    answer = await office.client.post("/api/v1/conversations", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["outcome"] == "reply-accepted"
    read = await office.read(answer.json()["conversation_id"], answer.json()["position"])
    assert (read["subject"], read["contact"]["name"]) == ("Your bicycle is ready", "Dora")
    assert [m["text"] for m in read["messages"]] == ["Come and get it."]


async def test_a_merged_conversation_shows_in_its_target(office: Office, subject: str) -> None:
    carla = (f"{subject.split()[2]}@example.test", "Carla")
    await office.customer_writes("First matter.", subject, carla)
    one = await office.conversation(subject)
    await office.customer_writes("Second matter.", f"{subject} again", carla)
    two = await office.conversation(f"{subject} again")

    answer = await office.ask(two["id"], "merge", {"target_id": one["id"]})

    assert answer.status_code == 200, answer.text
    target = await eventually(lambda: _with_messages(office, one["id"], 2), "the merge")
    assert [m["text"] for m in target["messages"]] == ["First matter.", "Second matter."]  # type: ignore[attr-defined]

    async def merged() -> dict[str, Any] | None:  # whose fact lies on another partition than the target's
        read = await office.read(two["id"])
        return read if read["status"] == "merged" else None

    assert (await eventually(merged, "the end of the merged one"))["merged_into"] == one["id"]
    history = (await office.client.get(f"/api/v1/contacts/{one['contact_ids'][0]}/conversations")).json()["items"]
    assert [row["id"] for row in history] == [one["id"]]


async def test_content_is_given_out_harmless(office: Office, subject: str) -> None:
    evil = '<p onclick="x()">Hello <script>alert(1)</script><img src="https://spy.test/p.gif"><img src="cid:brake"></p>'
    await office.customer_writes(subject=subject, html=evil, picture=True)
    seen = await office.conversation(subject)
    message = seen["messages"][0]

    attachment = await office.client.get(message["attachments"][0]["href"])
    assert attachment.content == PICTURE
    assert attachment.headers["x-content-type-options"] == "nosniff"
    assert attachment.headers["content-disposition"].startswith('attachment; filename=".._brake _nd.png"')
    original = await office.client.get(message["original_href"])
    assert original.text.endswith("The brakes squeal since Tuesday.\r\n")
    assert original.headers["content-type"] == "message/rfc822"
    html = await office.client.get(message["html_href"])
    assert "script" not in html.text
    assert "onclick" not in html.text
    assert "spy.test" not in html.text
    assert "data:image/png;base64," in html.text
    assert html.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert (await office.client.get(message["attachments"][0]["href"][:-1] + "1")).status_code == 404


async def test_a_token_that_names_an_agent_acts_as_nobody_else(office: Office, subject: str) -> None:
    await office.customer_writes(subject=subject)
    seen = await office.conversation(subject)
    path = f"/api/v1/conversations/{seen['id']}/note"
    async with office.as_token(ANA_TOKEN) as ana, office.as_token("no-such-token-at-all") as stranger:
        as_herself = await ana.post(path, json={"text": "Mine."})
        as_ben = await ana.post(path, json={"text": "Mine.", "agent": "ben"})
        nobody = await stranger.get("/api/v1/conversations")
    assert as_herself.json()["event"]["data"]["actor"]["id"] == "ana"
    assert as_ben.status_code == 403
    assert nobody.status_code == 401
    assert nobody.headers["www-authenticate"] == "Bearer"


async def test_a_conversation_shows_its_events_as_they_stand_on_kafka(office: Office, subject: str) -> None:
    await office.customer_writes(subject=subject)
    seen = await office.conversation(subject, lambda row: row["owner_id"] is not None)
    done = (await office.ask(seen["id"], "note", {"text": "Mine."})).json()
    path = f"/api/v1/conversations/{seen['id']}/events"
    shown = (await office.client.get(path, params={"min_position": done["position"]})).json()["items"]
    records = [
        (f"{r.partition}:{r.offset}", dict(r.headers)["ce_id"].decode(), r.value)
        async for r in office.deployment.records(CONVERSATION_EVENTS)
        if r.key == seen["id"].encode()
    ]
    assert [(s["position"], s["event"]["id"]) for s in shown] == [(p, i) for p, i, _ in records]
    first = (await office.client.get(path, params={"limit": 1})).json()
    rest = (await office.client.get(path, params={"cursor": first["next_cursor"]})).json()
    assert first["items"] + rest["items"] == shown
    message = await office.client.get(shown[0]["event"]["data"]["href"])
    assert message.json()["text"] == "The brakes squeal since Tuesday."


async def test_a_position_that_is_not_reached_is_503_with_retry_after(office: Office, subject: str) -> None:
    answer = await office.client.get("/api/v1/conversations", params={"min_position": "0:999999"})
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert (await office.client.get("/api/v1/conversations", params={"min_position": "x"})).status_code == 400


async def test_the_compacted_topic_says_what_the_log_comes_to(office: Office, subject: str) -> None:
    await office.customer_writes(subject=subject)
    seen = await office.conversation(subject, lambda row: row["owner_id"] is not None)
    for action, body in [("tag", {"add": ["order"]}), ("resolve", {}), ("archive", {})]:
        assert (await office.ask(seen["id"], action, body)).status_code == 200
    settings = office.deployment.settings

    async def equal() -> tuple[int, list[str]] | None:
        found = await differences(settings)
        return found if found[0] and not found[1] else None

    count, _ = await eventually(equal, "states that are what the log comes to", 40)
    assert count == len({e.subject for e in await office.deployment.events(CONVERSATION_EVENTS)})
    states = [e for e in await office.deployment.events(CONVERSATION_STATES) if e.subject == seen["id"]]
    newest = states[-1].data
    assert isinstance(newest, ConversationState)
    assert (newest.status, newest.archived, newest.owner_id) == ("resolved", True, seen["owner_id"])
    assert newest.tags == ["support", "brakes", "order"]
    assert newest.waiting_since is None
