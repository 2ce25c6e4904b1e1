"""Notifications to chat tools: who gets them, and that nothing of a customer goes along unasked."""

import json
from typing import Any

import pytest
from postroom_contracts.configuration import Configuration
from postroom_notifier.domain.chat import chat_body, destination_of
from postroom_notifier.domain.delivery import Delivery, Result, sent

from tests.unit.notifier.company import CONVERSATION, FRIDAY, Facts, configuration
from tests.unit.notifier.test_follow import due, told

LOADED = {"customer-content": {"subject": "Brakes <!channel> & bells\nBcc: x", "text": "canary-of-the-customer"}}
CHAT = ("chat", "chat:room")


def room(**changes: Any) -> Configuration:
    return configuration(chat=[{"id": "room", "url": {"env": "ROOM"}} | changes])


@pytest.mark.parametrize(
    ("changes", "gets"),
    [
        ({}, True),
        ({"agents": ["ana"]}, True),
        ({"agents": ["ben"]}, False),
        ({"teams": ["workshop"]}, True),
        ({"kinds": ["mentioned"]}, False),
        ({"inboxes": ["support"]}, True),
        ({"enabled": False}, False),
    ],
)
def test_a_destination_gets_what_it_is_for(changes: dict[str, Any], gets: bool) -> None:
    f = Facts()
    assert (CHAT in told(f.received(), f.assigned("ana"), settings=room(**changes))) is gets


def test_one_event_is_sent_once_however_many_it_is_for_and_muting_mail_does_not_mute_it() -> None:
    f = Facts()
    settings = configuration(chat=[{"id": "room", "url": {"env": "ROOM"}}], muted={"ana": ["replied"]})
    events = [f.received(), f.assigned("ana"), f.received("m2", watchers=["ben"])]
    assert told(*events, settings=settings) == [CHAT, ("assigned", "ana"), CHAT, ("replied", "ben")]


def test_of_a_private_inbox_nothing_is_sent_unless_it_is_named() -> None:
    f = Facts()
    for inboxes, gets in ([], False), (["support"], True):
        plain = room(inboxes=inboxes).model_dump()
        plain["inboxes"][0] |= {"owner": "ana", "teams": []}
        settings = Configuration.model_validate(plain)
        assert (CHAT in told(f.received(), f.assigned("ana"), settings=settings)) is gets


def made(**changes: Any) -> tuple[Delivery, Configuration]:
    f, settings = Facts(), room(**changes)
    return due(f.received(), f.assigned("ana"), settings=settings)[0], settings


def body(**changes: Any) -> dict[str, Any]:
    delivery, settings = made(**changes)
    destination = destination_of(settings, delivery)
    assert destination is not None
    found: dict[str, Any] = json.loads(chat_body(destination, delivery, settings, LOADED, "https://desk.test/"))
    return found


def test_slack_is_told_without_and_with_the_subject() -> None:
    link = f"https://desk.test/conversations/{CONVERSATION}"
    first = "Ana Ruiz has a new conversation (Canary internal inbox)"
    assert body() == {"text": f"{first}\n{link}"}
    text = body(subject=True)["text"]
    assert text.split("\n")[0::2] == [first, link]
    assert text.split("\n")[1].startswith("Brakes &lt;!channel&gt; &amp; bells")


def test_programs_are_told_ids_and_codes() -> None:
    told_json = body(format="json")
    assert {k: told_json[k] for k in ("kind", "agent_id", "conversation_id", "inbox_id")} == {
        "kind": "assigned",
        "agent_id": "ana",
        "conversation_id": CONVERSATION,
        "inbox_id": "support",
    }
    assert "canary" not in json.dumps(told_json)
    assert "subject" not in told_json


def test_the_result_is_a_fact_of_the_agent_by_webhook() -> None:
    delivery, settings = made()
    fact = Result.of(sent(delivery, FRIDAY)).data
    assert (fact["notification"], fact["agent_id"], fact["channel"]) == ("assigned", "ana", "webhook")
    assert destination_of(room(enabled=False), delivery) is None
    assert settings.notifications.chat[0].url.env == "ROOM"
