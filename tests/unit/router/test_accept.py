"""What a message makes of its conversation: opening, ending waits, reopening, turns, participants, strangers."""

from typing import Any

import pytest
from postroom_contracts.commands import (
    AcceptMessage,
    ArchiveConversation,
    DeleteConversation,
    MarkSpam,
    ResolveConversation,
    SendReply,
    SetWaiting,
    SnoozeConversation,
    StartConversation,
    UnmarkSpam,
)
from postroom_contracts.facts import MessageReceived
from postroom_contracts.signed_ids import signed_message_id
from postroom_contracts.values import Priority, Status

from tests.unit.router.build import ANN, CONVERSATION, KEYS, TEXT, Played, at, contact_of, inbound

PUT = {
    Status.WAITING: SetWaiting(actor=ANN),
    Status.SNOOZED: SnoozeConversation(actor=ANN, until=at(600)),
    Status.RESOLVED: ResolveConversation(actor=ANN),
    Status.DELETED: DeleteConversation(actor=ANN),
    Status.SPAM: MarkSpam(actor=ANN),
}


def received(facts: list[Any]) -> MessageReceived:
    (fact,) = facts
    assert isinstance(fact, MessageReceived)
    return fact


def test_first_message_opens_with_everything_that_routing_made_of_it() -> None:
    fact = received(Played().mail())
    assert (fact.opened, fact.reopened, fact.status) == (True, False, Status.OPEN)
    assert (fact.source_of_contact, fact.tags) == ("web", ["web"])
    assert (fact.team_id, fact.policy_id, fact.agent_id) == ("first", "standard", None)
    assert (fact.priority, fact.configuration_version) == (Priority.NORMAL, 7)
    assert fact.contact_id == contact_of("cleo@example.test")
    assert not fact.from_stranger


def test_message_for_an_inbox_that_is_not_configured_any_more_is_kept() -> None:
    fact = received(Played().mail(inbox_id="gone"))
    assert (fact.team_id, fact.tags) == (None, ["gone"])


def test_redelivered_message_changes_nothing() -> None:
    played = Played()
    played.mail()
    before = played.state
    assert played.mail() == []
    assert played.state == before


@pytest.mark.parametrize(
    ("put", "status", "reopened"),
    [
        (None, Status.OPEN, False),
        (Status.WAITING, Status.OPEN, False),
        (Status.SNOOZED, Status.OPEN, False),
        (Status.RESOLVED, Status.OPEN, True),
        (Status.DELETED, Status.OPEN, True),
        (Status.SPAM, Status.SPAM, False),
    ],
)
def test_customer_message_on_each_status(put: Status | None, status: Status, reopened: bool) -> None:
    played = Played()
    played.mail()
    if put:
        played.play(PUT[put])
        assert played.state.status is put
    fact = received(played.mail("two", minutes=60))
    assert (fact.status, fact.reopened, fact.opened) == (status, reopened, False)
    assert played.state.status is status
    assert played.state.snooze is None


@pytest.mark.parametrize("kind", ["auto_reply", "bounce", "status", "reaction", "echo"])
@pytest.mark.parametrize("put", [Status.WAITING, Status.SNOOZED, Status.RESOLVED, Status.DELETED, Status.SPAM])
def test_what_no_customer_wrote_ends_nothing_and_starts_no_turn(kind: str, put: Status) -> None:
    played = Played()
    played.mail()
    played.play(PUT[put])
    turn = played.state.turn_started_at if kind != "echo" else None
    fact = received(played.mail("two", message_kind=kind))
    assert (fact.status, fact.reopened) == (put, False)
    assert played.state.turn_started_at == turn


def test_archived_conversation_comes_out_of_the_archive() -> None:
    played = Played()
    played.mail()
    played.play(ArchiveConversation(actor=ANN))
    assert received(played.mail("two")).reopened
    assert not played.state.archived


def test_spam_in_the_bin_stays_there() -> None:
    played = Played()
    played.mail()
    played.play(MarkSpam(actor=ANN))
    played.play(DeleteConversation(actor=ANN))
    assert received(played.mail("two")).status is Status.DELETED


def test_what_came_while_it_was_spam_waits_when_the_mark_is_taken_away() -> None:
    played = Played()
    played.mail(minutes=0)
    played.play(ResolveConversation(actor=ANN), 5)
    played.play(MarkSpam(actor=ANN), 6)
    played.mail("two", minutes=10)
    played.play(UnmarkSpam(actor=ANN), 20)
    assert (played.state.status, played.state.turn_started_at) == (Status.OPEN, at(10))


def test_turn_starts_at_the_smallest_time_of_receipt_in_it() -> None:
    played = Played()
    played.mail("late", minutes=30)
    played.mail("early", minutes=10)
    assert played.state.turn_started_at == at(10)
    assert played.state.last_customer_message_id == inbound("late").message_id


def test_auto_reply_that_opens_a_conversation_starts_no_turn() -> None:
    played = Played()
    assert received(played.mail(message_kind="auto_reply", automatic="auto-reply")).opened
    assert played.state.turn_started_at is None
    assert played.state.message_sequence == 0


def test_people_in_copy_take_part_but_we_do_not() -> None:
    played = Played()
    played.mail(
        to=[{"address": "support@acme.test"}, {"address": "Help+x@acme.test"}, {"address": "dora@example.test"}],
        cc=[{"address": "ann@acme.test"}, {"address": "answers+key@acme.test"}],
    )
    assert sorted(played.state.participants.values()) == ["cleo@example.test", "dora@example.test"]
    assert not received(played.mail("two", sender="Dora@example.test")).from_stranger


def test_stranger_is_marked_shown_and_becomes_no_participant() -> None:
    played = Played()
    played.mail()
    fact = received(played.mail("two", sender="mallory@example.test", cc=[{"address": "friend@example.test"}]))
    assert fact.from_stranger
    assert list(played.state.participants.values()) == ["cleo@example.test"]
    assert received(played.mail("three", sender="mallory@example.test")).from_stranger


def test_what_a_stranger_wrote_is_never_what_a_reply_answers() -> None:
    played = Played()
    played.mail()
    played.mail("two", sender="mallory@example.test", reply_to=[{"address": "mallory@example.test"}])
    state = played.state
    assert state.last_customer_message_id == inbound().message_id
    assert state.last_customer_contact_id == contact_of("cleo@example.test")
    assert (state.message_sequence, state.stranger_sequence) == (2, 2)


def test_who_opens_says_where_answers_go() -> None:
    played = Played()
    played.mail(sender="form@web.test", reply_to=[{"address": "Cleo@example.test"}, {"address": "support@acme.test"}])
    assert sorted(played.state.participants.values()) == ["cleo@example.test", "form@web.test"]
    assert not played.state.last_customer_from_only
    assert not received(played.mail("two")).from_stranger


@pytest.mark.parametrize(
    ("reply_to", "from_only"),
    [
        ("mallory@evil.test", True),
        ("cleo@example.test", False),
        ("dora@example.test", False),
        ("support@acme.test", False),
    ],
    ids=["a stranger", "the sender", "a participant", "ourselves"],
)
def test_reply_to_of_a_later_message_counts_only_for_participants(reply_to: str, from_only: bool) -> None:
    played = Played()
    played.mail(cc=[{"address": "dora@example.test"}])
    played.mail("two", reply_to=[{"address": reply_to}])
    assert played.state.last_customer_from_only is from_only
    assert sorted(played.state.participants.values()) == ["cleo@example.test", "dora@example.test"]
    fact = played.one(SendReply(actor=ANN, message_id="r", content=TEXT))
    assert fact.answers_from_only is from_only
    played.mail("three")
    assert not played.state.last_customer_from_only


def test_in_a_conversation_that_we_began_a_stranger_is_not_the_one_to_answer() -> None:
    played = Played()
    played.play(
        StartConversation(
            actor=ANN, message_id="m", inbox_id="support", content=TEXT, to=[{"address": "cleo@example.test"}]
        )
    )
    assert received(played.mail("two", sender="mallory@example.test")).from_stranger
    assert played.state.last_customer_content is None


def test_forwarded_mail_is_marked() -> None:
    played = Played()
    assert received(played.mail(forwarded_by={"address": "ann@acme.test"})).forwarded
    assert not received(played.mail("two")).forwarded


def test_mark_of_the_thread_step_stays() -> None:
    played = Played()
    assert received(played.play(AcceptMessage(inbound=inbound(), from_stranger=True))).from_stranger


def test_bounce_names_the_delivery_that_we_signed() -> None:
    played = Played()
    played.mail()
    about = signed_message_id(CONVERSATION, "delivery-1", "acme.test", KEYS[0])
    fact = received(
        played.mail("dsn", sender="mailer-daemon@example.test", message_kind="bounce", about_external_id=about,
                    delivery_status="failed", delivery_status_code="5.1.1")
    )  # fmt: skip
    assert (fact.delivery_id, fact.delivery_status, fact.delivery_status_code) == ("delivery-1", "failed", "5.1.1")
    assert not fact.from_stranger
    forged = about.replace("delivery-1", "delivery-2")
    assert received(played.mail("forged", message_kind="bounce", about_external_id=forged)).delivery_id is None


def test_echo_counts_as_our_reply() -> None:
    played = Played()
    played.mail()
    fact = received(played.mail("typed", message_kind="echo", sender="ann@acme.test"))
    assert fact.from_agent == "ann"
    assert played.state.turn_started_at is None
    assert played.state.reply_sequence == 2


class TestRulesOnMessages:
    RULES = (
        {
            "id": "vip",
            "when": {"field": "sender_domain", "value": "example.test"},
            "then": {
                "add_tags": ["vip"],
                "priority": "high",
                "team": "second",
                "agent": "ben",
                "watchers": ["ann"],
                "policy": "gold",
            },
        },
    )

    def test_opening_message_gets_all_of_a_rule(self) -> None:
        fact = received(Played(self.RULES).mail())
        assert (fact.tags, fact.priority, fact.team_id) == (["web", "vip"], Priority.HIGH, "second")
        assert (fact.agent_id, fact.watchers, fact.policy_id) == ("ben", ["ann"], "gold")
        assert fact.rules == ["vip"]

    def test_later_message_gets_tags_watchers_and_a_higher_priority_only(self) -> None:
        played = Played(({**self.RULES[0], "when": {"field": "new_conversation", "value": False}},))
        played.mail()
        fact = received(played.mail("two"))
        assert (fact.tags, fact.priority, fact.watchers) == (["web", "vip"], Priority.HIGH, ["ann"])
        assert (fact.team_id, fact.agent_id, fact.policy_id) == ("first", None, "standard")

    def test_later_message_does_not_lower_the_priority(self) -> None:
        played = Played(({"id": "calm", "then": {"priority": "low"}}, *self.RULES))
        assert received(played.mail()).priority is Priority.HIGH
        played = Played(
            ({"id": "calm", "when": {"field": "new_conversation", "value": False}, "then": {"priority": "low"}},)
        )
        played.mail()
        assert received(played.mail("two")).priority is Priority.NORMAL

    def test_rule_that_marks_spam(self) -> None:
        played = Played(({"id": "spam", "then": {"mark_spam": True}},))
        assert received(played.mail(minutes=3)).status is Status.SPAM
        assert played.state.turn_started_at is None
        played.play(UnmarkSpam(actor=ANN))
        assert played.state.status is Status.OPEN
        assert played.state.turn_started_at == at(3)


def test_imported_history_opens_resolved_and_names_no_owner() -> None:
    rules = [{"id": "vip", "then": {"agent": "ben", "add_tags": ["vip"]}}]
    played = Played(rules)
    fact = received(played.mail(imported=True))
    assert (fact.imported, fact.opened, fact.reopened, fact.status) == (True, True, False, Status.RESOLVED)
    assert (fact.agent_id, fact.team_id, fact.tags) == (None, "first", ["web", "vip"])
    assert (played.state.turn_started_at, played.state.message_sequence) == (None, 0)
    assert played.state.last_customer_content is not None, "there is something to answer"


def test_news_on_imported_history_reopens_it() -> None:
    played = Played()
    played.mail("old", imported=True)
    fact = received(played.mail("new"))
    assert (fact.imported, fact.opened, fact.reopened, fact.status) == (False, False, True, Status.OPEN)
    assert played.state.turn_started_at == at(2)


@pytest.mark.parametrize("status", list(PUT))
def test_imported_history_leaves_a_conversation_as_it_is(status: Status) -> None:
    played = Played()
    played.mail()
    played.play(PUT[status])
    before = played.state
    fact = received(played.mail("older", imported=True))
    assert (fact.status, fact.reopened) == (status, False)
    kept = ("status", "turn_started_at", "snooze", "message_sequence", "before_spam", "before_deleted", "archived")
    assert [getattr(played.state, name) for name in kept] == [getattr(before, name) for name in kept]
    assert len(played.state.messages) == 2


def test_imported_bounce_says_nothing_of_a_delivery() -> None:
    about = signed_message_id(CONVERSATION, "d1", "acme.test", KEYS[0]).strip("<>")
    bounce: dict[str, Any] = {"message_kind": "bounce", "about_external_id": about}
    assert received(Played().mail(**bounce)).delivery_id == "d1"
    assert received(Played().mail(**bounce, imported=True)).delivery_id is None


def test_a_probe_is_put_away_and_no_rule_sees_it() -> None:
    rules = [
        {
            "id": "all",
            "when": {"field": "subject", "operator": "contains", "value": "Order"},
            "then": {"add_tags": ["refund"], "priority": "high"},
        }
    ]
    played = Played(rules=rules)
    fact = received(played.mail(subject="Order", probe=True, imported=True))
    assert (fact.probe, fact.imported, fact.status, fact.tags) == (True, True, Status.RESOLVED, ["web"])
    assert fact.priority is Priority.NORMAL
    other = received(Played(rules=rules).mail(subject="Order"))
    assert (other.probe, "refund" in other.tags) == (False, True)
