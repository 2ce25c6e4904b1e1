"""What our own side writes: recipients, the open turn, notes, answers refused before, conversations that we begin."""

from typing import Any

import pytest
from postroom_contracts.commands import AddNote, RefuseAnswer, ResolveConversation, SendReply, StartConversation
from postroom_contracts.values import Actor, Channel, Status

from tests.unit.router.build import ANN, TEXT, Played, at, contact_of, inbound, names

CLEO, DORA = contact_of("cleo@example.test"), contact_of("dora@example.test")


def reply(name: str = "r", **fields: Any) -> SendReply:
    return SendReply(**{"actor": ANN, "message_id": name, "content": TEXT, **fields})


def test_reply_answers_the_customers_latest_message() -> None:
    played = Played()
    played.mail()
    played.mail("two")
    fact = played.one(reply())
    assert (fact.answers, fact.answers_message_id) == (inbound("two").content, inbound("two").message_id)
    assert (fact.recipients, fact.inbox_id, fact.status) == ([CLEO], "support", Status.OPEN)
    assert fact.configuration_version == 7


@pytest.mark.parametrize(
    ("to", "recipients", "closes"),
    [
        ([], [CLEO], True),
        (["Cleo@example.test"], [CLEO], True),
        (["dora@example.test", "cleo@example.test"], [DORA, CLEO], True),
        (["lawyer@example.test"], [], False),
        (["lawyer@example.test", "cleo@example.test"], [CLEO], True),
    ],
    ids=["nobody named", "customer", "both customers", "outsider only", "outsider too"],
)
def test_only_a_reply_to_a_customer_closes_the_turn(to: list[str], recipients: list[str], closes: bool) -> None:
    played = Played()
    played.mail(cc=[{"address": "dora@example.test"}], minutes=0)
    fact = played.one(reply(to=[{"address": a} for a in to]))
    assert fact.recipients == recipients
    assert (played.state.turn_started_at is None) is closes


def test_whom_an_agent_writes_to_takes_part_from_then_on() -> None:
    played = Played()
    played.mail()
    played.play(reply(to=[{"address": "lawyer@example.test"}], cc=[{"address": "ben@acme.test"}]))
    assert sorted(played.state.participants.values()) == ["cleo@example.test", "lawyer@example.test"]
    assert not played.mail("two", sender="lawyer@example.test")[0].from_stranger  # type: ignore[attr-defined]


class TestStrangers:
    def played(self) -> Played:
        played = Played()
        played.mail()
        played.mail("two", sender="mallory@example.test")
        return played

    def test_reply_that_names_nobody_goes_to_the_participant_and_answers_their_message(self) -> None:
        fact = self.played().one(reply())
        assert (fact.recipients, fact.answers_message_id) == ([CLEO], inbound().message_id)

    def test_reply_that_names_the_stranger_goes_there_closes_the_turn_and_makes_a_participant(self) -> None:
        played = self.played()
        fact = played.one(reply(to=[{"address": "mallory@example.test"}]))
        assert fact.recipients == [contact_of("mallory@example.test")]
        assert played.state.turn_started_at is None
        assert not played.mail("three", sender="mallory@example.test")[0].from_stranger  # type: ignore[attr-defined]

    def test_answer_by_mail_to_what_a_stranger_wrote_is_refused_for_it_would_go_to_somebody_else(self) -> None:
        played = self.played()
        refused = played.one(reply(via="mail", expected_sequence=2))
        assert (refused.reason, refused.content) == ("from_stranger", TEXT)
        played.mail("three")
        assert played.one(reply(via="mail", expected_sequence=4)).recipients == [CLEO]

    def test_answer_by_mail_goes_on_after_somebody_replied(self) -> None:
        played = self.played()
        played.play(reply())
        assert played.one(reply("r2", via="mail", expected_sequence=3)).recipients == [CLEO]


@pytest.mark.parametrize("kind", ["rule", "bot", "campaign", "survey"])
def test_what_no_human_wrote_leaves_the_turn_open(kind: Any) -> None:
    played = Played()
    played.mail(minutes=0)
    played.play(reply(actor=Actor(kind=kind, id="x")))
    assert played.state.turn_started_at == at(0)


def test_same_reply_under_another_request_changes_nothing() -> None:
    played = Played()
    played.mail()
    played.play(reply())
    assert played.play(reply(expected_sequence=1)) == []


def test_refused_reply_keeps_its_text_and_its_way() -> None:
    played = Played()
    played.mail()
    played.mail("two")
    fact = played.one(reply(expected_sequence=1, via="mail"))
    assert (fact.reason, fact.content, fact.via) == ("stale", TEXT, "mail")


def test_answer_that_was_refused_before_it_came_here() -> None:
    played = Played()
    played.mail()
    fact = played.one(RefuseAnswer(actor=ANN, message_id="m", reason="not_authentic", content=TEXT))
    assert (fact.reason, fact.content, fact.via, fact.router_sequence) == ("not_authentic", TEXT, "mail", 1)
    assert fact.request_type == "org.postroom.send-reply.v1"


def test_note_is_neither_reply_nor_answer() -> None:
    played = Played()
    played.mail(minutes=0)
    note = AddNote(actor=ANN, message_id="n", content=TEXT, mentions=["ben"])
    assert played.one(note).mentions == ["ben"]
    assert played.state.turn_started_at == at(0)
    assert played.play(note) == []


class TestStart:
    START = StartConversation(
        actor=ANN,
        message_id="s",
        inbox_id="support",
        to=[{"address": "cleo@example.test"}, {"address": "dora@example.test"}],
        content=TEXT,
    )

    def test_makes_the_conversation_and_its_first_message(self) -> None:
        played = Played()
        started, sent = played.play(self.START)
        assert names([started, sent]) == ["ConversationStarted", "ReplyAccepted"]
        assert started.contact_ids == sent.recipients == [CLEO, DORA]  # type: ignore[attr-defined]
        assert (started.team_id, started.tags, started.policy_id) == ("first", ["web"], "standard")  # type: ignore[attr-defined]
        assert (played.state.status, played.state.turn_started_at) == (Status.OPEN, None)

    def test_first_customer_message_is_a_reply_to_it(self) -> None:
        played = Played()
        played.play(self.START)
        fact = played.mail("answer", minutes=30, sender="dora@example.test")[0]
        assert (fact.opened, fact.from_stranger) == (False, False)  # type: ignore[attr-defined]
        assert played.state.turn_started_at == at(30)

    def test_counts_as_a_reply_that_somebody_may_not_have_seen(self) -> None:
        played = Played()
        played.play(self.START)
        assert played.one(ResolveConversation(actor=ANN, expected_sequence=1)).reason == "stale"

    def test_reply_before_any_customer_wrote_goes_to_those_written_to(self) -> None:
        played = Played()
        played.play(self.START)
        fact = played.one(reply())
        assert (fact.recipients, fact.answers) == ([CLEO, DORA], None)

    @pytest.mark.parametrize(("inbox", "reason"), [("gone", "unknown_inbox"), ("support", "exists")])
    def test_refused(self, inbox: str, reason: str) -> None:
        played = Played()
        if reason == "exists":
            played.mail()
        fact = played.one(self.START.model_copy(update={"inbox_id": inbox}))
        assert (fact.reason, fact.content) == (reason, TEXT)

    def test_channel_is_the_one_asked_for(self) -> None:
        played = Played()
        started, sent = played.play(self.START.model_copy(update={"channel": Channel.SMS}))
        assert started.channel is sent.channel is Channel.SMS  # type: ignore[attr-defined]
