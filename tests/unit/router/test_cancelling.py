"""Scheduled replies that are taken back: what they had done to the conversation is undone, unless somebody decided since."""

import pytest
from postroom_contracts.commands import CancelReply, ReopenConversation, ResolveConversation, SendReply
from postroom_contracts.values import Status

from tests.unit.router.build import ANN, BEN, TEXT, Played, at, names


def scheduled(name: str = "r", minutes: float = 60, **fields: object) -> SendReply:
    return SendReply.model_validate(
        {"actor": ANN, "message_id": name, "content": TEXT, "send_at": at(minutes), **fields}
    )


def cancel(name: str = "r") -> CancelReply:
    return CancelReply(actor=ANN, message_id=name)


def test_cancelling_opens_the_turn_again_from_where_it_began() -> None:
    played = Played()
    played.mail(minutes=0)
    played.play(scheduled(then="resolve"))
    assert (played.state.status, played.state.turn_started_at) == (Status.RESOLVED, None)
    fact = played.one(cancel())
    assert (fact.reason, fact.previous, fact.status, fact.unresolved) == ("asked", "resolved", "open", True)
    assert fact.open_turn_started_at == at(0)
    assert (played.state.status, played.state.turn_started_at) == (Status.OPEN, at(0))
    assert played.one(cancel()).reason == "too_late"


@pytest.mark.parametrize(("minutes", "outcome"), [(59.9, "ReplyCancelled"), (60, "RequestRefused")])
def test_only_before_its_time(minutes: float, outcome: str) -> None:
    played = Played()
    played.mail(minutes=0)
    played.play(scheduled())
    assert names(played.play(cancel(), minutes)) == [outcome]


def test_what_was_decided_since_stays() -> None:
    played = Played()
    played.mail(minutes=0)
    played.play(scheduled(then="wait"))
    played.play(ResolveConversation(actor=BEN))
    fact = played.one(cancel())
    assert (fact.status, fact.unresolved, fact.open_turn_started_at) == (Status.RESOLVED, False, None)
    played.play(ReopenConversation(actor=BEN))
    assert played.state.turn_started_at is None


def test_another_reply_since_has_answered() -> None:
    played = Played()
    played.mail(minutes=0)
    played.play(scheduled())
    played.play(SendReply(actor=BEN, message_id="now", content=TEXT))
    assert played.one(cancel()).open_turn_started_at is None


def test_a_reply_that_was_not_scheduled_or_is_unknown_is_not_cancelled() -> None:
    played = Played()
    played.mail()
    played.play(SendReply(actor=ANN, message_id="now", content=TEXT))
    assert played.one(cancel("now")).reason == "too_late"
    assert played.one(cancel("other")).reason == "not_found"


def test_a_customer_who_writes_first_holds_back_what_asks_for_that() -> None:
    played = Played()
    played.mail(minutes=0)
    played.play(scheduled("held", then="resolve", hold_if_customer_writes=True))
    played.play(scheduled("goes"))
    facts = played.mail("two", minutes=5)
    assert names(facts) == ["ReplyCancelled", "MessageReceived"]
    assert facts[0].message_id == "held"  # type: ignore[attr-defined]
    assert facts[0].reason == "customer_wrote"  # type: ignore[attr-defined]
    assert list(played.state.scheduled) == ["goes"]
    assert played.state.status is Status.OPEN
    assert names(played.mail("three", minutes=6)) == ["MessageReceived"]


def test_a_stranger_or_a_machine_holds_nothing_back() -> None:
    played = Played()
    played.mail(minutes=0)
    played.play(scheduled(hold_if_customer_writes=True))
    assert names(played.mail("two", minutes=5, sender="mallory@example.test")) == ["MessageReceived"]
    assert names(played.mail("three", minutes=6, message_kind="auto_reply")) == ["MessageReceived"]
