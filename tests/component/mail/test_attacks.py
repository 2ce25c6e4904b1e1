# ruff: noqa: E501 - tables of mails read better in long lines
"""Attacks by mail, from the bytes to what the router decides: nobody acts as an agent, gets into a thread, or is written to."""

import pytest
from postroom_contracts.commands import SendReply
from postroom_contracts.facts import MessageReceived, ReplyAccepted, RequestRefused

from tests.component.mail.way import CONVERSATION, FORGED, OURS, Way, key_of
from tests.unit.router.build import ANN, TEXT

PASS = "Authentication-Results: mx.acme.test; dmarc=pass header.from=acme.test"
PASS_EVIL = "Authentication-Results: mx.acme.test; dmarc=pass header.from=evil.test"
RECEIVED = "Received: from evil.test by mx.acme.test with ESMTP; Mon, 2 Mar 2026 09:00:00 +0000"
FOREIGN = "Received: from [192.0.2.1] by out.evil.test with ESMTP; Mon, 2 Mar 2026 08:59:00 +0000"
FROM_ANN = "From: Ann <ann@acme.test>"
FROM_MALLORY = "From: Mallory <mallory@evil.test>"
TO_KEY = f"To: {key_of('ann')}\nMessage-ID: <m{{n}}@evil.test>\nSubject: Re: Parcel"
TO_SUPPORT = "To: support@acme.test\nMessage-ID: <m{n}@evil.test>\nSubject: Re: Parcel"


async def test_a_proven_agents_answer_is_a_reply() -> None:
    way = Way()
    await way.begin()
    (fact,) = await way.send(f"{PASS}\n{RECEIVED}\n{FROM_ANN}\n{TO_KEY}", "My answer")
    assert isinstance(fact, ReplyAccepted)
    assert fact.actor == ANN


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        pytest.param(f"{FROM_ANN}\n{TO_KEY}", "not_authentic", id="nothing proven"),
        pytest.param(f"{PASS.replace('pass', 'fail')}\n{PASS}\n{FROM_ANN}\n{TO_KEY}", "not_authentic", id="forged result below ours"),
        pytest.param(f"{RECEIVED}\n{FOREIGN}\n{PASS}\n{FROM_ANN}\n{TO_KEY}", "not_authentic", id="forged result below a foreign Received"),
        pytest.param(f"Authentication-Results: evil.test\n mx.acme.test; dmarc=pass header.from=acme.test\n{FROM_ANN}\n{TO_KEY}", "not_authentic", id="our id in a fold"),
        pytest.param(f"{PASS_EVIL}\n{FROM_ANN}\n{TO_KEY}", "not_authentic", id="a pass for the sending domain, not for From"),
        pytest.param(f"{PASS}\nFrom: Ann <ann@acme.test>, <mallory@evil.test>\n{TO_KEY}", "not_authentic", id="two senders"),
        pytest.param(f"{PASS}\n{FROM_ANN}\n{FROM_MALLORY}\n{TO_KEY}", "not_authentic", id="two From fields"),
        pytest.param(f"X-Postroom-Agent: ann\nX-Postroom-Authenticated: pass\nX-Postroom-Internal: true\n{FROM_ANN}\n{TO_KEY}", "not_authentic", id="fields of our name"),
        pytest.param(f"ARC-Authentication-Results: i=1; mx.acme.test; dmarc=pass header.from=acme.test\n{FROM_ANN}\n{TO_KEY}", "not_authentic", id="ARC"),
    ],
)  # fmt: skip
async def test_unproven_agent_is_refused_and_nothing_is_sent(head: str, reason: str) -> None:
    way = Way()
    await way.begin()
    (fact,) = await way.send(head, "Send the money here")
    assert isinstance(fact, RequestRefused)
    assert (fact.reason, fact.via) == (reason, "mail")
    assert "SendReply" not in way.commands


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(f"{PASS_EVIL}\n{FROM_MALLORY}\n{TO_KEY}", id="somebody else has the key"),
        pytest.param(f'{PASS_EVIL}\nFrom: "ann@acme.test" <mallory@evil.test>\n{TO_KEY}', id="an agent's address as a name"),
        pytest.param(f"{PASS_EVIL}\n{FROM_MALLORY}\nSender: ann@acme.test\nReply-To: ann@acme.test\nX-Original-From: ann@acme.test\n{TO_KEY}", id="an agent in other fields"),
        pytest.param(f"{PASS}\n{FROM_ANN}\n{TO_KEY.replace(key_of('ann'), key_of('ben'))}", id="another agent's key"),
        pytest.param(f"{PASS}\nFrom: eve@acme.test\n{TO_KEY.replace(key_of('ann'), key_of('eve'))}", id="an agent who has left"),
        pytest.param(f"{PASS}\n{FROM_ANN}\nAuto-Submitted: auto-replied\n{TO_KEY}", id="an agent's machine"),
        pytest.param(f"{PASS}\nFrom: support@acme.test\nX-Original-From: Ann <ann@acme.test>\n{TO_KEY}", id="an inbox that forwards an agent"),
        pytest.param(f"{PASS}\nFrom: Ann\nSender: ann@acme.test\n{TO_KEY}", id="From without an address"),
        pytest.param(f"{PASS_EVIL}\n{FROM_MALLORY}\nDelivered-To: {key_of('ann')}\n{TO_SUPPORT}", id="the key in Delivered-To"),
    ],
)  # fmt: skip
async def test_key_in_other_hands_makes_marked_mail(head: str) -> None:
    way = Way()
    await way.begin()
    fact = await way.received(head)
    assert fact.from_stranger
    assert "SendReply" not in way.commands


async def test_old_key_is_refused() -> None:
    way = Way()
    await way.begin()
    (fact,) = await way.send(f"{PASS}\n{FROM_ANN}\n{TO_KEY}", "late", minutes=16 * 24 * 60)
    assert isinstance(fact, RequestRefused)
    assert fact.reason == "expired_key"


@pytest.mark.parametrize("head", [f"{PASS}\n{FROM_ANN}", FROM_ANN], ids=["proven", "not proven"])
async def test_agents_ordinary_mail_is_a_customers(head: str) -> None:
    way = Way()
    await way.begin()
    fact = await way.received(f"{head}\nX-Postroom-Conversation: {CONVERSATION}\n{TO_SUPPORT}")
    assert (fact.opened, fact.from_agent, fact.message_kind) == (True, None, "message")


@pytest.mark.parametrize(
    ("fields", "inside"),
    [
        pytest.param(f"In-Reply-To: <{OURS}>", True, id="an id that we signed"),
        pytest.param(
            f"In-Reply-To: <x@evil.test>\nReferences: <x@evil.test>\n <{OURS}>",
            True,
            id="such an id in folded References",
        ),
        pytest.param("References: <one@example.test>", True, id="the customer's id"),
        pytest.param("Message-ID: <one@example.test>", True, id="the customer's id as its own"),
        pytest.param(f"In-Reply-To: <{FORGED}>", False, id="our form with a wrong key"),
        pytest.param(f"In-Reply-To: <{OURS.replace('delivery-1', 'delivery-2')}>", False, id="our form, changed"),
        pytest.param(f"References: <{CONVERSATION}@acme.test>", False, id="the conversation's id"),
        pytest.param(f"Message-ID: <{OURS}>", False, id="our id as its own"),
        pytest.param(f"Subject: Re: Parcel [{CONVERSATION}]", False, id="a number in the subject"),
        pytest.param(f"X-Postroom-Conversation: {CONVERSATION}\nThread-Index: {OURS}", False, id="other fields"),
    ],
)
async def test_who_knows_an_id_is_a_marked_stranger_and_sees_nothing(fields: str, inside: bool) -> None:
    way = Way()
    await way.begin()
    own = "" if "Message-ID" in fields else "\nMessage-ID: <m@evil.test>"
    fact = await way.received(
        f"{fields}{own}\n{FROM_MALLORY}\nReply-To: mallory@evil.test\nTo: support@acme.test\nCc: friend@evil.test"
    )
    assert (way.home(fact.message_id) == CONVERSATION, fact.opened) == (inside, not inside)
    assert fact.from_stranger is inside
    state = way.house.state(CONVERSATION)
    assert list(state.participants.values()) == ["cleo@example.test"]
    await way.house.asks(SendReply(actor=ANN, message_id="r", content=TEXT), CONVERSATION, "reply")
    await way.house.decides()
    reply = next(e.data for e in way.house.facts() if isinstance(e.data, ReplyAccepted))
    first = next(e.data for e in way.house.facts() if isinstance(e.data, MessageReceived))
    assert reply.recipients == [first.contact_id]
    assert (reply.answers, reply.answers_message_id) == (first.content, first.message_id)


async def test_a_forged_participant_cannot_draw_the_answer_to_another_address() -> None:
    way = Way()
    await way.begin()
    forged = f"From: Cleo <cleo@example.test>\nReply-To: cleo@evil.test\nIn-Reply-To: <{OURS}>\n{TO_SUPPORT}"
    assert not (await way.received(forged)).from_stranger
    await way.house.asks(SendReply(actor=ANN, message_id="r", content=TEXT), CONVERSATION, "reply")
    await way.house.decides()
    reply = next(e.data for e in way.house.facts() if isinstance(e.data, ReplyAccepted))
    assert reply.answers_from_only
    assert list(way.house.state(CONVERSATION).participants.values()) == ["cleo@example.test"]


async def test_a_strangers_own_conversation_is_no_way_into_another() -> None:
    way = Way()
    bait = await way.received(
        f"{FROM_MALLORY}\nTo: support@acme.test\nMessage-ID: <bait@evil.test>\nIn-Reply-To: <hook@evil.test>", minutes=0
    )
    await way.begin()
    await way.send(
        f"{FROM_MALLORY}\nTo: support@acme.test, cleo@example.test\nMessage-ID: <hook@evil.test>\nIn-Reply-To: <one@example.test>",
        minutes=2,
    )
    assert way.home(bait.message_id) == CONVERSATION
    state = way.house.state(CONVERSATION)
    assert list(state.participants.values()) == ["cleo@example.test"]
    await way.house.asks(SendReply(actor=ANN, message_id="r", content=TEXT), CONVERSATION, "reply")
    await way.house.decides()
    reply = next(e.data for e in way.house.facts() if isinstance(e.data, ReplyAccepted))
    assert reply.recipients == [way.house.contacts.contacts["email:cleo@example.test"]]


async def test_a_stranger_brings_no_conversations_together() -> None:
    way = Way()
    await way.begin()
    await way.send(
        "From: dora@example.test\nTo: support@acme.test\nMessage-ID: <two@example.test>\nSubject: Bill", minutes=2
    )
    await way.send(
        f"{FROM_MALLORY}\nTo: support@acme.test, cleo@example.test\nMessage-ID: <m@evil.test>\nReferences: <one@example.test> <two@example.test>"
    )
    assert way.commands == ["AcceptMessage"] * 3
    later = await way.received(
        "From: cleo@example.test\nTo: support@acme.test\nMessage-ID: <three@example.test>\nIn-Reply-To: <one@example.test>"
    )
    assert way.home(later.message_id) == CONVERSATION


async def test_id_of_ours_taken_as_its_own_catches_nobodys_answer() -> None:
    way = Way()
    await way.begin()
    await way.received(f"{FROM_MALLORY}\nMessage-ID: <{OURS}>\nTo: support@acme.test")
    fact = await way.received(
        f"From: cleo@example.test\nMessage-ID: <two@example.test>\nIn-Reply-To: <{OURS}>\nTo: support@acme.test"
    )
    assert way.home(fact.message_id) == CONVERSATION
    assert not fact.from_stranger


@pytest.mark.parametrize(
    ("head", "sender"),
    [
        (f"{PASS}\n{FROM_ANN}", "cleo@example.test"),
        (FROM_ANN, "ann@acme.test"),
        (f"{PASS_EVIL}\n{FROM_MALLORY}", "mallory@evil.test"),
    ],
    ids=["a proven agent", "not proven", "a stranger"],
)
async def test_only_a_proven_agents_forwarding_speaks_for_somebody(head: str, sender: str) -> None:
    way = Way()
    await way.begin()
    text = (
        "---------- Forwarded message ---------\nFrom: Cleo <cleo@example.test>\nDate: today\nSubject: Parcel\n\nPlease"
    )
    fact = await way.received(
        f"{head}\nMessage-ID: <f@acme.test>\nIn-Reply-To: <{OURS}>\nTo: support@acme.test\nSubject: Fwd: Parcel", text
    )
    spoken_for = sender == "cleo@example.test"
    assert (fact.forwarded, fact.from_stranger) == (spoken_for, not spoken_for)
    assert way.house.contacts.contacts[f"email:{sender}"] == fact.contact_id
