"""Merges: what moves, what is passed on, halves that come too early, and that both ends agree."""

from typing import Any

import pytest
from postroom_contracts.commands import (
    AbsorbConversation,
    AcceptMessage,
    AddNote,
    DeleteConversation,
    EraseContact,
    MarkSpam,
    MergeConversations,
    ResolveConversation,
    RouteConversation,
    SendReply,
    SetWaiting,
    TagConversation,
    WakeConversation,
)
from postroom_contracts.facts import ConversationAbsorbed, ConversationMerged
from postroom_contracts.values import Priority, Status

from tests.unit.router.build import ANN, CONVERSATION, OTHER, SYSTEM, TEXT, Played, at, contact_of, inbound, names

BY_AGENT = MergeConversations(actor=ANN, target_id=OTHER)
BY_THREAD = MergeConversations(actor=SYSTEM, target_id=OTHER, reason="late_parent")


def source(**fields: Any) -> Played:
    played = Played(targets=frozenset({OTHER}))
    played.mail("source", minutes=20, **fields)
    return played


def target() -> Played:
    played = Played(conversation_id=OTHER)
    played.mail("target", minutes=0)
    return played


def handed_over(played: Played) -> AbsorbConversation:
    command = next(p.command for p in played.passed if isinstance(p.command, AbsorbConversation))
    assert isinstance(command, AbsorbConversation)
    return command


def test_both_halves_say_the_same_and_the_turn_moves() -> None:
    one, two = source(), target()
    two.play(SendReply(actor=ANN, message_id="r", content=TEXT), 10)
    merged = one.one(BY_AGENT, 30)
    assert isinstance(merged, ConversationMerged)
    absorbed = two.one(handed_over(one), 30)
    assert isinstance(absorbed, ConversationAbsorbed)
    shared = ("message_ids", "contact_ids", "open_turn_started_at", "actor")
    assert [getattr(merged, n) for n in shared] == [getattr(absorbed, n) for n in shared]
    assert merged.message_ids == [inbound("source").message_id]
    assert (one.state.status, one.state.turn_started_at) == (Status.MERGED, None)
    assert two.state.turn_started_at == at(20)
    assert (absorbed.source_id, merged.target_id) == (CONVERSATION, OTHER)
    assert two.one(SendReply(actor=ANN, message_id="r2", content=TEXT)).answers == inbound("source").content


def test_what_a_stranger_tied_comes_without_its_people_and_is_not_what_is_answered() -> None:
    one, two = source(sender="mallory@evil.test"), target()
    two.play(SendReply(actor=ANN, message_id="r", content=TEXT), 10)
    one.play(MergeConversations(actor=SYSTEM, target_id=OTHER, reason="late_parent", apart=True), 30)
    absorbed = two.one(handed_over(one), 30)
    assert absorbed.message_ids == [inbound("source").message_id]
    assert list(two.state.participants.values()) == ["cleo@example.test"]
    assert two.state.last_customer_message_id == inbound("target").message_id
    assert two.state.turn_started_at == at(20), "somebody waits all the same"


def test_turn_of_the_target_starts_at_the_earlier_of_both() -> None:
    one, two = source(), target()
    one.play(BY_AGENT)
    two.play(handed_over(one))
    assert two.state.turn_started_at == at(0)
    assert two.state.last_customer_message_id == inbound("target").message_id


def test_absorbing_twice_changes_nothing() -> None:
    one, two = source(), target()
    one.play(BY_AGENT)
    two.play(handed_over(one))
    assert two.play(handed_over(one)) == []


@pytest.mark.parametrize(
    ("put", "status", "reopened"),
    [
        (ResolveConversation(actor=ANN), Status.OPEN, True),
        (SetWaiting(actor=ANN), Status.OPEN, False),
        (DeleteConversation(actor=ANN), Status.OPEN, True),
        (MarkSpam(actor=ANN), Status.SPAM, False),
    ],
    ids=["resolved", "waiting", "deleted", "spam"],
)
def test_target_that_gets_an_open_turn(put: Any, status: Status, reopened: bool) -> None:
    one, two = source(), target()
    two.play(put)
    one.play(BY_AGENT)
    fact = two.one(handed_over(one))
    assert (fact.status, fact.reopened) == (status, reopened)


def test_target_that_gets_an_answered_conversation_stays_resolved() -> None:
    one, two = source(), target()
    two.play(ResolveConversation(actor=ANN))
    one.play(SendReply(actor=ANN, message_id="r", content=TEXT))
    one.play(BY_AGENT)
    fact = two.one(handed_over(one))
    assert (fact.status, fact.reopened) == (Status.RESOLVED, False)


def test_what_was_absorbed_makes_the_targets_requests_stale() -> None:
    one, two = source(), target()
    one.play(BY_AGENT)
    two.play(handed_over(one))
    assert two.one(ResolveConversation(actor=ANN, expected_sequence=1)).changed == ["message_received"]


def test_people_and_tags_come_along() -> None:
    one, two = source(sender="dora@example.test"), target()
    one.play(TagConversation(actor=ANN, add=["vip"]))
    one.play(BY_AGENT)
    dora = contact_of("dora@example.test")
    fact = Played.one(two_with_addresses(two, {dora: "dora@example.test"}), handed_over(one))
    assert fact.tags == ["web", "vip"]
    assert fact.contact_ids == [dora]


def two_with_addresses(played: Played, addresses: dict[str, str]) -> Played:
    played.world = type(played.world)(
        company=played.world.company, contacts=played.world.contacts, addresses=addresses, keys=played.world.keys
    )
    return played


class TestPassedOn:
    @pytest.mark.parametrize(
        "command",
        [
            AcceptMessage(inbound=inbound("new")),
            AddNote(actor=ANN, message_id="n", content=TEXT),
            TagConversation(actor=ANN, add=["vip"]),
            RouteConversation(actor=ANN, priority=Priority.HIGH),
            ResolveConversation(actor=ANN),
            SendReply(actor=ANN, message_id="r", content=TEXT),
            MergeConversations(actor=ANN, target_id="third"),
            AbsorbConversation(source_id="third", actor=ANN),
        ],
        ids=lambda c: type(c).__name__,
    )
    def test_with_their_id(self, command: Any) -> None:
        played = source()
        played.play(BY_AGENT)
        played.passed.clear()
        assert played.play(command) == []
        (passed,) = played.passed
        assert (passed.key, passed.command, passed.request_id) == (OTHER, command, "request-3")

    def test_requests_are_stale_in_a_conversation_that_their_actor_never_saw(self) -> None:
        one, two = source(), target()
        one.play(BY_AGENT)
        two.play(handed_over(one))
        one.play(SendReply(actor=ANN, expected_sequence=1, message_id="r", content=TEXT))
        fact = two.one(one.passed[-1].command)
        assert (fact.reason, fact.changed) == ("stale", ["message_received"])

    def test_message_that_stood_here_before_the_merge_does_not_go_there_again(self) -> None:
        played = source()
        played.play(BY_AGENT)
        played.passed.clear()
        assert played.mail("source") == []
        assert played.passed == []

    def test_timer_ends_here(self) -> None:
        played = source()
        played.play(BY_AGENT)
        played.passed.clear()
        assert played.play(WakeConversation(generation=1, due_at=at(0))) == []
        assert played.passed == []


class TestTooEarly:
    def test_half_that_comes_before_the_first_message_waits_for_it(self) -> None:
        one, two = source(), Played(conversation_id=OTHER)
        one.play(BY_THREAD)
        assert two.play(handed_over(one)) == []
        assert two.play(handed_over(one)) == []
        assert names(two.mail("target")) == ["MessageReceived", "ConversationAbsorbed"]
        assert two.state.absorbed == [CONVERSATION]
        assert set(two.state.messages) == {inbound("source").message_id, inbound("target").message_id}

    def test_source_that_no_message_reached_passes_on_what_comes(self) -> None:
        played = Played()
        assert played.play(BY_THREAD) == []
        assert played.passed == []
        assert played.mail() == []
        assert played.passed[0].key == OTHER


class TestRefused:
    def test_into_itself(self) -> None:
        played = source()
        assert played.one(MergeConversations(actor=ANN, target_id=CONVERSATION)).reason == "same_conversation"

    def test_into_one_that_leads_back_here(self) -> None:
        played = Played(targets=frozenset({OTHER}), merged={OTHER: ["third", CONVERSATION]})
        played.mail()
        assert played.one(BY_AGENT).reason == "same_conversation"
        assert played.play(BY_THREAD) == []

    def test_into_one_that_nobody_knows(self) -> None:
        played = Played()
        played.mail()
        assert played.one(BY_AGENT).reason == "not_found"

    def test_out_of_nothing(self) -> None:
        assert Played(targets=frozenset({OTHER})).one(BY_AGENT).reason == "not_found"


class TestErasing:
    def test_names_what_the_person_wrote_and_forgets_the_address(self) -> None:
        played = Played()
        played.mail()
        played.mail("dora", sender="dora@example.test")
        played.mail("two")
        fact = played.one(EraseContact(actor=ANN, contact_id=contact_of("cleo@example.test")))
        assert fact.message_ids == [inbound("one").message_id, inbound("two").message_id]
        assert fact.ledger_ids == [inbound("one").ledger_id, inbound("two").ledger_id]
        assert list(played.state.participants.values()) == [""]

    def test_stranger_can_be_erased(self) -> None:
        played = Played()
        played.mail()
        played.mail("two", sender="mallory@example.test")
        fact = played.one(EraseContact(actor=ANN, contact_id=contact_of("mallory@example.test")))
        assert fact.message_ids == [inbound("two").message_id]

    def test_somebody_else_is_not_found(self) -> None:
        played = Played()
        played.mail()
        assert played.one(EraseContact(actor=ANN, contact_id="nobody")).reason == "not_found"

    def test_merged_conversation_erases_its_own_part_and_passes_on(self) -> None:
        played = source()
        played.play(BY_AGENT)
        played.passed.clear()
        fact = played.one(EraseContact(actor=ANN, contact_id=contact_of("cleo@example.test")))
        assert fact.message_ids == [inbound("source").message_id]
        assert played.passed[0].key == OTHER


class TestSorting:
    def test_tags_say_what_really_changed(self) -> None:
        played = Played()
        played.mail()
        fact = played.one(TagConversation(actor=ANN, add=["web", "vip", "vip"], remove=["web", "none", "vip"]))
        assert (fact.added, fact.removed, fact.tags) == (["vip"], [], ["web", "vip"])
        fact = played.one(TagConversation(actor=ANN, remove=["web"]))
        assert (fact.added, fact.removed, fact.tags) == ([], ["web"], ["vip"])

    def test_route_leaves_what_is_not_named(self) -> None:
        played = Played()
        played.mail()
        fact = played.one(RouteConversation(actor=ANN, team_id="second"))
        assert (fact.team_id, fact.priority, fact.watchers, fact.policy_id) == (
            "second",
            Priority.NORMAL,
            [],
            "standard",
        )
        assert played.one(RouteConversation(actor=ANN, priority="low", watchers=[])).team_id == "second"

    def test_unknown_team(self) -> None:
        played = Played()
        played.mail()
        assert played.one(RouteConversation(actor=ANN, team_id="nobody")).reason == "unknown_team"
