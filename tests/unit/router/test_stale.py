"""Stale requests: a customer's message, a public reply by anybody, or a status changed by somebody else after it."""

import pytest
from postroom_contracts.commands import (
    AddNote,
    ArchiveConversation,
    DeleteConversation,
    MarkSpam,
    MergeConversations,
    ReopenConversation,
    Request,
    ResolveConversation,
    RouteConversation,
    SendReply,
    SetWaiting,
    SnoozeConversation,
    TagConversation,
)
from postroom_contracts.facts import RequestRefused
from postroom_contracts.values import Actor, Status

from tests.unit.router.build import ANN, BEN, OTHER, TEXT, Played, at


def reply(name: str, expected: int | None, actor: Actor = ANN) -> SendReply:
    return SendReply(actor=actor, expected_sequence=expected, message_id=name, content=TEXT)


def counting(expected: int | None) -> dict[str, Request]:
    return {
        "reply": reply("late", expected),
        "resolve": ResolveConversation(actor=ANN, expected_sequence=expected),
        "archive": ArchiveConversation(actor=ANN, expected_sequence=expected),
        "delete": DeleteConversation(actor=ANN, expected_sequence=expected),
        "spam": MarkSpam(actor=ANN, expected_sequence=expected),
        "merge": MergeConversations(actor=ANN, expected_sequence=expected, target_id=OTHER),
    }


def harmless(expected: int | None) -> dict[str, Request]:
    return {
        "note": AddNote(actor=ANN, expected_sequence=expected, message_id="note", content=TEXT),
        "tag": TagConversation(actor=ANN, expected_sequence=expected, add=["vip"]),
        "route": RouteConversation(actor=ANN, expected_sequence=expected, watchers=["ben"]),
        "wait": SetWaiting(actor=ANN, expected_sequence=expected),
        "snooze": SnoozeConversation(actor=ANN, expected_sequence=expected, until=at(600)),
        "reopen": ReopenConversation(actor=ANN, expected_sequence=expected),
    }


EVENTS = {
    "message_received": lambda p: p.mail("two"),
    "reply_accepted": lambda p: p.play(reply("bens", None, BEN)),
    "status_changed": lambda p: p.play(SetWaiting(actor=BEN)),
}
NOTHING_NEW = {
    "note": lambda p: p.play(AddNote(actor=BEN, message_id="n", content=TEXT)),
    "tag": lambda p: p.play(TagConversation(actor=BEN, add=["vip"])),
    "route": lambda p: p.play(RouteConversation(actor=BEN, priority="high")),
    "auto_reply": lambda p: p.mail("ooo", message_kind="auto_reply"),
    "bounce": lambda p: p.mail("dsn", message_kind="bounce"),
    "own status": lambda p: p.play(SetWaiting(actor=ANN)),
    "refused": lambda p: p.play(ReopenConversation(actor=BEN)),
}


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("name", counting(0))
def test_what_the_actor_did_not_see_refuses_the_request(name: str, event: str) -> None:
    played = Played(targets=frozenset({OTHER}))
    played.mail()
    EVENTS[event](played)
    before = played.state
    fact = played.one(counting(1)[name])
    assert isinstance(fact, RequestRefused)
    assert (fact.reason, fact.changed, fact.router_sequence) == ("stale", [event], 2)
    assert played.state == before.model_copy(update={"sequence": 3})


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("name", counting(0))
def test_the_same_request_goes_through_when_all_was_seen(name: str, event: str) -> None:
    played = Played(targets=frozenset({OTHER}))
    played.mail()
    EVENTS[event](played)
    assert not isinstance(played.one(counting(2)[name]), RequestRefused)


@pytest.mark.parametrize("name", counting(0))
def test_without_an_expected_sequence_nothing_is_stale(name: str) -> None:
    played = Played(targets=frozenset({OTHER}))
    played.mail()
    played.mail("two")
    assert not isinstance(played.one(counting(None)[name]), RequestRefused)


@pytest.mark.parametrize("event", NOTHING_NEW)
@pytest.mark.parametrize("name", counting(0))
def test_what_concerns_nobody_makes_nothing_stale(name: str, event: str) -> None:
    played = Played(targets=frozenset({OTHER}))
    played.mail()
    NOTHING_NEW[event](played)
    assert not isinstance(played.one(counting(1)[name]), RequestRefused)


@pytest.mark.parametrize("name", harmless(0))
def test_requests_that_take_nothing_away_are_never_stale(name: str) -> None:
    played = Played()
    played.mail()
    played.mail("two")
    if name == "reopen":
        played.play(ResolveConversation(actor=ANN))
    fact = played.one(harmless(1)[name])
    assert not isinstance(fact, RequestRefused), fact


def test_the_same_agent_does_not_answer_twice() -> None:
    played = Played()
    played.mail()
    played.play(reply("first", 1))
    fact = played.one(reply("second", 1))
    assert (fact.reason, fact.changed, fact.content) == ("stale", ["reply_accepted"], TEXT)


def test_own_change_of_status_behind_somebody_elses_still_counts_as_unseen() -> None:
    played = Played()
    played.mail()
    played.play(SetWaiting(actor=BEN))
    played.play(ReopenConversation(actor=ANN))
    assert played.one(ResolveConversation(actor=ANN, expected_sequence=1)).changed == ["status_changed"]


def test_all_that_changed_is_named() -> None:
    played = Played()
    played.mail()
    played.play(SendReply(actor=BEN, message_id="r", content=TEXT, then="resolve"))
    played.mail("two")
    fact = played.one(ResolveConversation(actor=ANN, expected_sequence=1))
    assert fact.changed == ["message_received", "reply_accepted", "status_changed"]
    assert played.state.status is Status.OPEN
