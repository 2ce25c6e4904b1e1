"""Splits, moves and watchers: what stays, what goes, and who is told."""

from typing import Any

import pytest
from postroom_contracts.commands import (
    AcceptMessage,
    OpenSplit,
    RouteConversation,
    SendReply,
    SplitConversation,
    UnwatchConversation,
    WatchConversation,
)
from postroom_contracts.ids import delivery_id, event_id
from postroom_contracts.signed_ids import signed_message_id
from postroom_contracts.values import Channel, Status

from tests.unit.router.build import ANN, CONVERSATION, KEYS, OTHER, TEXT, Played, at, contact_of, inbound, names

CLEO = contact_of("cleo@example.test")
ONE, TWO = inbound("one"), inbound("two")


def split(message: str = TWO.message_id, **fields: Any) -> SplitConversation:
    return SplitConversation.model_validate(
        {"actor": ANN, "message_id": message, "new_conversation_id": OTHER, **fields}
    )


def reply(name: str = "r") -> SendReply:
    return SendReply(actor=ANN, message_id=name, content=TEXT)


class Both:
    """A conversation of two questions, the second split off."""

    def __init__(self, *, answered: bool = False) -> None:
        self.source = Played()
        self.source.mail("one", minutes=0)
        if answered:
            self.source.play(reply("first"), 1)
        self.source.mail("two", minutes=5)
        self.source.play(reply("second"), 6)
        self.source.mail("three", minutes=7)
        self.fact: Any = self.source.one(split(answers=ONE.content, answers_message_id=ONE.message_id), 10)
        self.target = Played(conversation_id=OTHER, addresses={CLEO: "cleo@example.test"})
        [passed] = self.source.passed
        assert passed.key == OTHER
        assert isinstance(passed.command, OpenSplit)
        self.opened: Any = self.target.one(passed.command, 11)


def test_a_message_and_what_follows_go_on_elsewhere() -> None:
    both = Both()
    gone = [TWO.message_id, "second", inbound("three").message_id]
    assert both.fact.message_ids == both.opened.message_ids == gone
    opened = both.opened
    assert (opened.source_id, opened.inbox_id, opened.team_id, opened.tags) == (
        CONVERSATION,
        "support",
        "first",
        ["web"],
    )
    assert both.target.state.participants == {CLEO: "cleo@example.test"}
    assert both.target.one(reply("later")).answers_message_id == inbound("three").message_id
    assert both.source.one(reply("here")).answers_message_id == ONE.message_id


def test_the_open_turn_goes_with_its_start_and_is_counted_once() -> None:
    both = Both()
    assert both.fact.open_turn_started_at is None
    assert both.opened.open_turn_started_at == at(7)
    assert (both.source.state.turn_started_at, both.target.state.turn_started_at) == (None, at(7))


def test_a_turn_with_messages_on_both_sides_is_open_on_both() -> None:
    played = Played()
    played.mail("one", minutes=0)
    played.mail("two", minutes=5)
    fact = played.one(split(answers=ONE.content, answers_message_id=ONE.message_id), 6)
    assert fact.open_turn_started_at == at(0)
    [passed] = played.passed
    assert isinstance(passed.command, OpenSplit)
    assert passed.command.unanswered == {TWO.message_id: at(5)}


def test_what_comes_again_is_known_and_what_answers_a_reply_that_went_is_passed_on() -> None:
    both = Both()
    assert both.source.play(AcceptMessage(inbound=inbound("two", minutes=5))) == []
    [second] = [f for f in both.source.facts if getattr(f, "message_id", "") == "second"]
    delivery = delivery_id(event_id("request-3", second.type_name()), "reply", "customer")
    ours = signed_message_id(CONVERSATION, delivery, "acme.test", KEYS[0])
    answer = AcceptMessage(inbound=inbound("four", in_reply_to=[ours]))
    assert both.source.play(answer) == []
    assert [(p.key, p.command) for p in both.source.passed[1:]] == [(OTHER, answer)]
    assert names(both.target.play(answer)) == ["MessageReceived"]


def test_the_halves_are_made_once() -> None:
    both = Both()
    assert both.source.one(split()).reason == "not_found"
    passed = both.source.passed[0].command
    assert both.target.play(passed) == []


@pytest.mark.parametrize(
    ("message", "reason"), [(ONE.message_id, "nothing_left"), ("unknown", "not_found")], ids=["all of it", "unknown"]
)
def test_refused(message: str, reason: str) -> None:
    played = Played()
    played.mail("one")
    played.mail("two")
    assert played.one(split(message)).reason == reason


def test_a_reply_that_is_still_to_be_sent_is_not_split_off() -> None:
    played = Played()
    played.mail("one")
    played.play(SendReply(actor=ANN, message_id="r", content=TEXT, send_at=at(100)))
    assert played.one(split("r")).reason == "scheduled_reply"


def test_a_move_takes_team_policy_and_later_replies_along() -> None:
    played = Played()
    played.mail("one")
    fact = played.one(RouteConversation(actor=ANN, inbox_id="sales"))
    assert (fact.inbox_id, fact.previous_inbox_id, fact.team_id, fact.policy_id) == (
        "sales",
        "support",
        "second",
        "standard",
    )
    assert played.one(reply()).inbox_id == "sales"
    received = played.mail("two")[0]
    assert received.inbox_id == "sales", "where the conversation is, not where the mail came in"  # type: ignore[attr-defined]
    again = played.one(RouteConversation(actor=ANN, inbox_id="sales", priority="high"))
    assert (again.inbox_id, again.previous_inbox_id) == (None, None)


def test_a_move_to_nowhere_or_to_another_channel_is_refused() -> None:
    played = Played()
    played.mail("one")
    assert played.one(RouteConversation(actor=ANN, inbox_id="nowhere")).reason == "unknown_inbox"
    played = Played()
    played.mail("one", channel=Channel.WEBHOOK)
    assert played.one(RouteConversation(actor=ANN, inbox_id="sales")).reason == "other_channel"


def test_watching_adds_one_and_takes_one_away_whoever_else_watches() -> None:
    played = Played()
    played.mail("one")
    played.play(WatchConversation(actor=ANN, agent_id="ann"))
    assert played.one(WatchConversation(actor=ANN, agent_id="ben")).watchers == ["ann", "ben"]
    assert played.one(WatchConversation(actor=ANN, agent_id="ben")).watchers == ["ann", "ben"]
    assert played.one(UnwatchConversation(actor=ANN, agent_id="ann")).watchers == ["ben"]
    assert played.one(WatchConversation(actor=ANN, agent_id="eve")).reason == "unknown_agent"
    assert played.state.status is Status.OPEN
