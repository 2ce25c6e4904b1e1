"""Mail to a keyed address: a reply only with key, sender, authenticity and text all in order."""

from datetime import timedelta
from typing import Any

import pytest
from postroom_contracts.commands import RefuseAnswer, SendReply
from postroom_contracts.inbound import Authentication
from postroom_contracts.signed_ids import answer_key
from postroom_contracts.values import ContentReference
from postroom_router.domain.answers import Answered, Ordinary, answer_of

from tests.unit.router.build import ANN, CONVERSATION, KEYS, NINE, company, inbound

ANSWER = ContentReference(content_id="answer", sha256="1" * 64)
KEY = answer_key(CONVERSATION, 3, "ann", NINE, KEYS[0])


def answer(**fields: Any) -> Ordinary | Answered:
    values: dict[str, Any] = {
        "sender": "ann@acme.test",
        "envelope_recipients": [f"answers+{KEY}@acme.test"],
        "answer": ANSWER,
        "authentication": Authentication(dmarc="pass"),
        **fields,
    }
    return answer_of(inbound(**values), company(), KEYS)


def test_all_in_order_is_a_reply_of_that_agent() -> None:
    found = answer()
    assert isinstance(found, Answered)
    assert found.conversation_id == CONVERSATION
    assert found.command == SendReply(
        actor=ANN,
        expected_sequence=3,
        message_id=inbound().message_id,
        content=ANSWER,
        via="mail",
        configuration_version=7,
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"envelope_recipients": [], "to": [{"address": f"Answers+{KEY.upper()}@Acme.test"}]},
        {"envelope_recipients": [], "cc": [{"address": f"answers+{KEY}@acme.test"}]},
        {"sender": "ANN@acme.test"},
        {"authentication": Authentication(internal_account=True)},
    ],
    ids=["To, in capitals", "Cc", "sender in capitals", "internal account"],
)
def test_other_ways_to_be_in_order(fields: dict[str, Any]) -> None:
    found = answer(**fields)
    assert isinstance(found, Answered)
    assert isinstance(found.command, SendReply)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"authentication": Authentication(dmarc="fail")}, "not_authentic"),
        ({"authentication": Authentication()}, "not_authentic"),
        ({"minutes": timedelta(days=16).total_seconds() / 60}, "expired_key"),
        ({"answer_problem": "empty", "answer": None}, "empty_text"),
        ({"answer": None}, "empty_text"),
        ({"answer_problem": "holds_marker"}, "holds_marker"),
        ({"answer_problem": "holds_link"}, "holds_link"),
        ({"answer_problem": "holds_key"}, "holds_key"),
    ],
)
def test_fault_with_a_valid_key_is_refused_and_the_text_kept(fields: dict[str, Any], reason: str) -> None:
    found = answer(**fields)
    assert isinstance(found, Answered)
    assert isinstance(found.command, RefuseAnswer)
    assert (found.command.reason, found.command.actor, found.command.expected_sequence) == (reason, ANN, 3)
    assert found.command.content == (inbound().content if fields.get("answer", ANSWER) is None else ANSWER)


@pytest.mark.parametrize(
    "fields",
    [
        {"sender": "ben@acme.test"},
        {"sender": "mallory@example.test"},
        {"sender": "eve@acme.test"},
        {"envelope_recipients": [f"answers+{KEY[:-1] + ('a' if KEY[-1] != 'a' else 'b')}@acme.test"]},
        {"automatic": "auto-reply"},
        {"message_kind": "auto_reply"},
        {"message_kind": "bounce"},
    ],
    ids=["another agent", "a stranger", "a disabled agent", "forged", "automatic", "auto-reply", "bounce"],
)
def test_no_valid_key_or_a_machine_is_ordinary_and_marked(fields: dict[str, Any]) -> None:
    assert answer(**fields) == Ordinary(marked=True)


@pytest.mark.parametrize(
    "recipient",
    ["answers@acme.test", "answers+hello@acme.test", f"support+{KEY}@acme.test", f"answers+{KEY}@else.test"],
)
def test_mail_without_a_key_for_our_address_is_ordinary(recipient: str) -> None:
    assert answer(envelope_recipients=[recipient]) == Ordinary()


def test_no_answer_address_no_answers() -> None:
    mail = inbound(sender="ann@acme.test", envelope_recipients=[f"answers+{KEY}@acme.test"], answer=ANSWER)
    assert answer_of(mail, company(answer_address=None), KEYS) == Ordinary()


def test_imported_answer_is_not_sent_once_more() -> None:
    assert answer(imported=True) == Ordinary(marked=True)
