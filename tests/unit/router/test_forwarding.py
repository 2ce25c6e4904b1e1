"""Forwards, answers to one message, blind copies, approval: whom a reply reaches, and that the customer is none by accident."""

from typing import Any

import pytest
from postroom_contracts.commands import SendReply, StartConversation
from postroom_contracts.configuration import Approval
from postroom_contracts.values import Actor, Channel
from postroom_router.domain.company import company_of
from postroom_router.domain.outcome import World

from tests.unit.router.build import (
    ANN,
    BEN,
    KEYS,
    TEXT,
    EveryContact,
    Played,
    configuration,
    contact_of,
    inbound,
    names,
)

CLEO = contact_of("cleo@example.test")
SHOP = contact_of("shop@supplier.test")


def send(name: str = "r", **fields: Any) -> SendReply:
    return SendReply(**{"actor": ANN, "message_id": name, "content": TEXT, **fields})


def forward(name: str = "f", to: str = "shop@supplier.test", **fields: Any) -> SendReply:
    message = {"answers": inbound().content, "answers_message_id": inbound().message_id}
    return send(name, **{"reply_kind": "forward", "to": [{"address": to}], **message, **fields})


def test_a_forward_answers_nobody_and_makes_no_other_reply_stale() -> None:
    played = Played()
    played.mail(minutes=0)
    seen = played.seen
    fact = played.one(forward())
    assert (fact.reply_kind, fact.recipients, fact.answers) == ("forward", [], inbound().content)
    assert played.state.turn_started_at is not None
    assert names(played.play(send(actor=BEN, expected_sequence=seen))) == ["ReplyAccepted"]


@pytest.mark.parametrize("to", [[], ["help@acme.test"]], ids=["nobody", "ourselves"])
def test_a_forward_that_names_no_outsider_never_means_the_customer(to: list[str]) -> None:
    played = Played()
    played.mail()
    fact = played.one(send("f", reply_kind="forward", to=[{"address": a} for a in to]))
    assert getattr(fact, "reason", None) == ("no_recipient" if not to else None)
    assert not getattr(fact, "recipients", [])


class TestThirdParty:
    def played(self) -> Played:
        played = Played()
        played.mail(minutes=0)
        played.play(forward())
        [answer] = played.mail("answer", sender="shop@supplier.test")
        assert not answer.from_stranger  # type: ignore[attr-defined]
        return played

    def test_what_a_reply_answers_is_still_the_customers_message(self) -> None:
        fact = self.played().one(send())
        assert (fact.answers_message_id, fact.recipients) == (inbound().message_id, [CLEO])

    def test_an_answer_by_mail_to_them_is_refused_for_it_would_go_to_the_customer(self) -> None:
        assert self.played().one(send(via="mail")).reason == "from_stranger"

    def test_they_are_answered_by_name_and_are_no_customer(self) -> None:
        answer = inbound("answer", sender="shop@supplier.test")
        fact = self.played().one(
            send(
                to=[{"address": "shop@supplier.test"}],
                answers=answer.content,
                answers_message_id=answer.message_id,
            )
        )
        assert (fact.recipients, fact.answers_message_id) == ([], answer.message_id)

    def test_who_takes_part_already_stays_a_customer(self) -> None:
        played = Played()
        played.mail()
        played.play(forward(to="cleo@example.test"))
        played.mail("two")
        assert played.state.last_customer_message_id == inbound("two").message_id


def test_an_answer_to_one_message_names_its_recipients_and_a_message_of_this_conversation() -> None:
    played = Played()
    played.mail()
    one = inbound()
    assert played.one(send(answers=one.content, answers_message_id=one.message_id)).reason == "no_recipient"
    foreign = send("f", to=[{"address": "cleo@example.test"}], answers=TEXT, answers_message_id="foreign")
    assert played.one(foreign).reason == "not_found"


def test_who_got_a_blind_copy_takes_part() -> None:
    played = Played()
    played.mail()
    played.play(send(bcc=[{"address": "boss@example.test"}]))
    assert not played.mail("two", sender="boss@example.test")[0].from_stranger  # type: ignore[attr-defined]


def test_what_did_not_come_by_mail_cannot_be_answered() -> None:
    played = Played()
    played.mail(channel=Channel.WEBHOOK, episode="order-1")
    assert played.one(send()).reason == "no_reply_channel"


class TestApproval:
    def played(self) -> Played:
        played = Played()
        known = configuration()
        inbox = known.inboxes[0].model_copy(update={"approval": Approval(teams=["late"])})
        teams = [*known.teams, known.teams[0].model_copy(update={"id": "late", "members": ["ben"]})]
        changed = known.model_copy(update={"inboxes": [inbox, *known.inboxes[1:]], "teams": teams})
        played.world = World(company=company_of(changed, 7), contacts=EveryContact(), keys=KEYS)
        played.mail()
        return played

    @pytest.mark.parametrize(
        ("fields", "outcome"),
        [
            ({}, "needs_approval"),
            ({"via": "mail"}, "needs_approval"),
            ({"approved_by": "ann"}, "needs_approval"),
            ({"approved_by": "ben"}, None),
            ({"actor": BEN}, None),
            ({"actor": Actor(kind="rule", id="hello")}, None),
        ],
        ids=["nobody", "by mail", "by oneself", "approved", "by an approver", "a rule's"],
    )
    def test_only_what_an_approver_let_go_leaves(self, fields: dict[str, Any], outcome: str | None) -> None:
        fact = self.played().one(send(**fields))
        assert getattr(fact, "reason", None) == outcome

    def test_nor_does_a_first_message(self) -> None:
        played = self.played()
        played.state = Played().state
        played.facts = []
        start = StartConversation(
            actor=ANN, message_id="s", inbox_id="support", to=[{"address": "cleo@example.test"}], content=TEXT
        )
        assert played.one(start).reason == "needs_approval"
