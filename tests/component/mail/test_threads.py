# ruff: noqa: E501 - tables of mails read better in long lines
"""Threads of real mails, from the bytes to the conversations: cut and long References, late parents, several inboxes."""

from itertools import permutations

import pytest
from postroom_contracts.commands import MergeConversations
from postroom_contracts.facts import MessageReceived
from postroom_contracts.ids import conversation_id

from tests.component.mail.way import CONVERSATION, OURS, Way
from tests.unit.router.build import ANN

CLEO = "From: Cleo <cleo@example.test>\nTo: support@acme.test\nSubject: Re: Parcel"
LONG = "\n ".join(f"<r{n}@example.test>" for n in range(200))


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param("In-Reply-To: <one@example.test>", id="In-Reply-To alone"),
        pytest.param("References: <one@example.test>", id="References alone"),
        pytest.param("In-Reply-To: one@example.test", id="without brackets"),
        pytest.param('In-Reply-To: Your message of "Mon, 2 Mar 2026" <one@example.test>', id="with words around"),
        pytest.param(f"References: {LONG}\n <one@example.test>", id="the newest of 201, folded"),
        pytest.param(f"References: <one@example.test>\n {LONG}", id="the oldest of 201, folded"),
        pytest.param(f"In-Reply-To: <{OURS[:60]}>\nReferences: <one@example.test> <{OURS[:60]}>", id="our id cut off, the customer's kept"),
        pytest.param(f"In-Reply-To:\n <{OURS}>", id="our id, folded"),
        pytest.param(f"References: <x@example.test><{OURS}><y@example.test>", id="no blanks between"),
    ],
)  # fmt: skip
async def test_answer_finds_its_conversation(fields: str) -> None:
    way = Way()
    await way.begin()
    fact = await way.received(f"{CLEO}\nMessage-ID: <two@example.test>\n{fields}")
    assert way.home(fact.message_id) == CONVERSATION
    assert not fact.from_stranger


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=lambda order: "".join(map(str, order)))
async def test_four_mails_become_one_conversation_in_each_order(order: tuple[int, ...]) -> None:
    """Each names its parent alone, as programs do that cut References."""
    way = Way()
    for n in order:
        parent = f"\nIn-Reply-To: <m{n - 1}@example.test>" if n else ""
        await way.send(f"{CLEO}\nMessage-ID: <m{n}@example.test>{parent}", f"text {n}", minutes=n)
    received = [e.data.message_id for e in way.house.facts() if isinstance(e.data, MessageReceived)]
    assert len(received) == 4
    (home,) = {way.home(message_id) for message_id in received}
    assert set(way.house.state(home).messages) == set(received)


async def test_mail_to_two_inboxes_is_one_message_in_each_and_each_keeps_its_answers() -> None:
    way = Way()
    both = "From: cleo@example.test\nTo: support@acme.test, sales@acme.test\nSubject: Parcel"
    first = await way.send(f"{both}\nMessage-ID: <one@example.test>")
    assert [f.inbox_id for f in first if isinstance(f, MessageReceived)] == ["support", "sales"]
    answer = await way.send(f"{both}\nMessage-ID: <two@example.test>\nIn-Reply-To: <one@example.test>")
    homes = [way.home(f.message_id) for f in answer if isinstance(f, MessageReceived)]
    assert homes == [CONVERSATION, conversation_id("sales", "one@example.test")]


async def test_our_id_leads_home_from_any_inbox() -> None:
    """A conversation that was handed to other people keeps catching what answers it, wherever that is sent."""
    way = Way()
    await way.begin()
    fact = await way.received(
        f"From: cleo@example.test\nTo: sales@acme.test\nMessage-ID: <two@example.test>\nIn-Reply-To: <{OURS}>"
    )
    assert (way.home(fact.message_id), fact.inbox_id) == (CONVERSATION, "support")


@pytest.mark.parametrize("answer", ["one@example.test", OURS], ids=["the customer's id", "our id"])
async def test_merged_conversation_keeps_catching_answers(answer: str) -> None:
    way = Way()
    await way.begin()
    other = await way.received("From: cleo@example.test\nTo: support@acme.test\nMessage-ID: <other@example.test>")
    target = way.home(other.message_id)
    await way.house.asks(MergeConversations(actor=ANN, target_id=target), CONVERSATION, "merge")
    await way.house.decides()
    facts = await way.send(f"{CLEO}\nMessage-ID: <two@example.test>\nIn-Reply-To: <{answer}>")
    assert [type(fact).__name__ for fact in facts] == ["MessageReceived"]
    assert set(way.house.state(target).messages) >= {f.message_id for f in facts if isinstance(f, MessageReceived)}


async def test_colleague_outside_who_got_a_mail_forwarded_is_a_stranger_until_an_agent_writes_to_them() -> None:
    way = Way()
    await way.begin()
    fact = await way.received(
        f"From: lawyer@else.test\nTo: support@acme.test\nMessage-ID: <l@else.test>\nIn-Reply-To: <{OURS}>"
    )
    assert way.home(fact.message_id) == CONVERSATION
    assert fact.from_stranger
