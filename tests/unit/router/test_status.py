"""Changes of status: which are allowed from where, what they do to the turn and the snooze, and how they are undone."""

from typing import Any

import pytest
from postroom_contracts.commands import (
    AddNote,
    ArchiveConversation,
    DeleteConversation,
    MarkSpam,
    ReopenConversation,
    ResolveConversation,
    RestoreConversation,
    RouteConversation,
    SendReply,
    SetWaiting,
    SnoozeConversation,
    TagConversation,
    UnmarkSpam,
    WakeConversation,
)
from postroom_contracts.facts import RequestRefused
from postroom_contracts.values import Status

from tests.unit.router.build import ANN, TEXT, Played, at, names

SNOOZE = SnoozeConversation(actor=ANN, until=at(600))
TO: dict[str, list[Any]] = {
    "open": [],
    "waiting": [SetWaiting(actor=ANN)],
    "snoozed": [SNOOZE],
    "resolved": [ResolveConversation(actor=ANN)],
    "archived": [ArchiveConversation(actor=ANN)],
    "spam": [MarkSpam(actor=ANN)],
    "deleted": [DeleteConversation(actor=ANN)],
}
O = Status.OPEN  # noqa: E741 - one letter each keeps the table readable
W, S, R, P, D, NO = Status.WAITING, Status.SNOOZED, Status.RESOLVED, Status.SPAM, Status.DELETED, None
TABLE: dict[str, tuple[Any, dict[str, Status | None]]] = {
    "resolve": (ResolveConversation(actor=ANN),
                {"open": R, "waiting": R, "snoozed": R, "resolved": NO, "archived": NO, "spam": NO, "deleted": NO}),
    "reopen": (ReopenConversation(actor=ANN),
               {"open": NO, "waiting": O, "snoozed": O, "resolved": O, "archived": O, "spam": NO, "deleted": NO}),
    "snooze": (SNOOZE,
               {"open": S, "waiting": S, "snoozed": S, "resolved": NO, "archived": NO, "spam": NO, "deleted": NO}),
    "wait": (SetWaiting(actor=ANN),
             {"open": W, "waiting": NO, "snoozed": W, "resolved": NO, "archived": NO, "spam": NO, "deleted": NO}),
    "archive": (ArchiveConversation(actor=ANN),
                {"open": R, "waiting": R, "snoozed": R, "resolved": R, "archived": NO, "spam": NO, "deleted": NO}),
    "delete": (DeleteConversation(actor=ANN),
               {"open": D, "waiting": D, "snoozed": D, "resolved": D, "archived": D, "spam": D, "deleted": NO}),
    "restore": (RestoreConversation(actor=ANN),
                {"open": NO, "waiting": NO, "snoozed": NO, "resolved": NO, "archived": NO, "spam": NO, "deleted": O}),
    "spam": (MarkSpam(actor=ANN),
             {"open": P, "waiting": P, "snoozed": P, "resolved": P, "archived": P, "spam": NO, "deleted": NO}),
    "unspam": (UnmarkSpam(actor=ANN),
               {"open": NO, "waiting": NO, "snoozed": NO, "resolved": NO, "archived": NO, "spam": O, "deleted": NO}),
    "reply": (SendReply(actor=ANN, message_id="r", content=TEXT),
              {"open": O, "waiting": W, "snoozed": S, "resolved": R, "archived": R, "spam": NO, "deleted": NO}),
    "reply and resolve": (SendReply(actor=ANN, message_id="r", content=TEXT, then="resolve"),
                          {"open": R, "waiting": R, "snoozed": R, "resolved": R, "archived": R, "spam": NO, "deleted": NO}),
    "reply and wait": (SendReply(actor=ANN, message_id="r", content=TEXT, then="wait"),
                       {"open": W, "waiting": W, "snoozed": W, "resolved": W, "archived": W, "spam": NO, "deleted": NO}),
}  # fmt: skip


def in_status(name: str) -> Played:
    played = Played()
    played.mail(minutes=0)
    for command in TO[name]:
        played.play(command)
    return played


@pytest.mark.parametrize("start", TO)
@pytest.mark.parametrize("request_name", TABLE)
def test_every_request_on_every_status(request_name: str, start: str) -> None:
    command, expected = TABLE[request_name]
    played = in_status(start)
    before = played.state
    fact = played.one(command)
    if expected[start] is None:
        assert isinstance(fact, RequestRefused)
        assert (fact.reason, fact.request_type) == ("wrong_status", type(command).type_name())
        assert played.state == before.model_copy(update={"sequence": before.sequence + 1})
    else:
        assert played.state.status is expected[start]
        assert (played.state.snooze is not None) == (expected[start] is Status.SNOOZED)
        if hasattr(fact, "previous"):
            assert fact.previous is before.status


@pytest.mark.parametrize(
    "command",
    [
        *(c for c, _ in TABLE.values()),
        AddNote(actor=ANN, message_id="n", content=TEXT),
        TagConversation(actor=ANN, add=["a"]),
        RouteConversation(actor=ANN, priority="low"),
    ],
    ids=lambda c: type(c).__name__,
)
def test_unknown_conversation_is_refused(command: Any) -> None:
    assert Played().one(command).reason == "not_found"


@pytest.mark.parametrize("name", ["resolve", "archive", "spam", "delete", "reply and resolve", "reply"])
def test_turn_ends_with(name: str) -> None:
    played = in_status("open")
    assert played.state.turn_started_at == at(0)
    played.play(TABLE[name][0])
    assert played.state.turn_started_at is None


@pytest.mark.parametrize("name", ["wait", "snooze"])
def test_turn_outlives(name: str) -> None:
    played = in_status("open")
    played.play(TABLE[name][0])
    assert played.state.turn_started_at == at(0)


@pytest.mark.parametrize(
    ("away", "back"),
    [(MarkSpam(actor=ANN), UnmarkSpam(actor=ANN)), (DeleteConversation(actor=ANN), RestoreConversation(actor=ANN))],
    ids=["spam", "bin"],
)
@pytest.mark.parametrize("start", ["open", "waiting", "snoozed", "resolved", "archived"])
def test_undoing_gives_back_status_archive_turn_and_snooze(start: str, away: Any, back: Any) -> None:
    played = in_status(start)
    before = played.state
    played.play(away)
    fact = played.one(back)
    kept = ("status", "archived", "turn_started_at", "snooze")
    assert {n: getattr(played.state, n) for n in kept} == {n: getattr(before, n) for n in kept}
    assert fact.status is before.status


def test_spam_in_the_bin_is_spam_again_when_restored() -> None:
    played = in_status("spam")
    played.play(DeleteConversation(actor=ANN))
    played.play(RestoreConversation(actor=ANN))
    assert played.state.status is Status.SPAM
    played.play(UnmarkSpam(actor=ANN))
    assert (played.state.status, played.state.turn_started_at) == (Status.OPEN, at(0))


class TestSnooze:
    def test_timer_wakes_it_at_its_time_not_at_the_timers(self) -> None:
        played = in_status("snoozed")
        fact = played.one(WakeConversation(generation=1, due_at=at(600), late=True), 605)
        assert (fact.woken_at, fact.late, fact.actor.kind) == (at(600), True, "timer")
        assert (played.state.status, played.state.snooze) == (Status.OPEN, None)

    def test_timer_of_an_earlier_snooze_does_nothing(self) -> None:
        played = in_status("snoozed")
        played.play(SnoozeConversation(actor=ANN, until=at(900)))
        assert played.state.snooze is not None
        assert played.state.snooze.generation == 2
        assert played.play(WakeConversation(generation=1, due_at=at(600))) == []

    @pytest.mark.parametrize("start", ["open", "waiting", "resolved", "spam", "deleted"])
    def test_timer_finds_it_awake(self, start: str) -> None:
        assert in_status(start).play(WakeConversation(generation=1, due_at=at(600))) == []

    def test_timer_of_an_unknown_conversation(self) -> None:
        assert Played().play(WakeConversation(generation=1, due_at=at(600))) == []

    def test_generation_counts_on_after_a_customer_ended_it(self) -> None:
        played = in_status("snoozed")
        played.mail("two")
        assert played.one(SNOOZE).generation == 2

    def test_until_must_lie_ahead(self) -> None:
        assert in_status("open").one(SnoozeConversation(actor=ANN, until=at(5)), 5).reason == "not_in_future"


def test_archiving_an_open_one_says_that_it_resolved_it() -> None:
    assert in_status("open").one(ArchiveConversation(actor=ANN)).resolved
    assert not in_status("resolved").one(ArchiveConversation(actor=ANN)).resolved


def test_times_are_those_of_the_request() -> None:
    assert in_status("open").one(ResolveConversation(actor=ANN), 30).resolved_at == at(30)


def test_reply_that_resolves_makes_one_fact() -> None:
    played = in_status("open")
    facts = played.play(SendReply(actor=ANN, message_id="r", content=TEXT, then="resolve"))
    assert names(facts) == ["ReplyAccepted"]
    assert (facts[0].resolved, facts[0].status) == (True, Status.RESOLVED)  # type: ignore[attr-defined]
