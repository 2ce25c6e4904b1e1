"""Thread step and decide step together, over doubles: members that overtake each other, crashes, merges both ways."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from postroom_contracts.commands import (
    AddNote,
    EraseContact,
    MergeConversations,
    RefuseAnswer,
    ResolveConversation,
    SendReply,
)
from postroom_contracts.facts import (
    ConversationAbsorbed,
    ConversationMerged,
    MessageReceived,
    NoteAdded,
    ReplyAccepted,
    RequestRefused,
)
from postroom_contracts.ids import content_id, conversation_id
from postroom_contracts.inbound import Authentication, InboundReceived
from postroom_contracts.signed_ids import answer_key
from postroom_contracts.topics import CONVERSATION_COMMANDS
from postroom_contracts.values import ContentReference, Status
from postroom_runtime.errors import ConfigurationNotYetError, InfrastructureError

from tests.component.router.house import House
from tests.unit.router.build import ANN, BEN, KEYS, TEXT, at, inbound
from tests.validation import validate_record


def opened(name: str) -> str:
    return conversation_id("support", f"{name}@example.test")


def child(name: str, parent: str, minutes: float = 0) -> InboundReceived:
    return inbound(name, minutes=minutes, in_reply_to=[f"{parent}@example.test"])


def received(house: House) -> Counter[str]:
    return Counter(e.data.message_id for e in house.facts() if isinstance(e.data, MessageReceived))


async def test_mail_becomes_a_conversation_and_a_reply_to_it_joins() -> None:
    house = House()
    await house.threads(inbound(), child("two", "one", 5))
    await house.decides()
    assert [type(e.data) for e in house.facts()] == [MessageReceived, MessageReceived]
    assert [e.sequence for e in house.facts()] == [1, 2]
    assert {e.key for e in house.facts()} == {opened("one")}
    assert house.store.stored[opened("one")]["sequence"] == house.state(opened("one")).sequence == 2
    for record in (r for topic in house.log.topics.values() for r in topic):
        validate_record(record)


async def test_contact_is_one_for_all_conversations_of_a_person() -> None:
    house = House()
    await house.threads(
        inbound("a"), inbound("b", sender="CLEO@example.test"), inbound("c", sender="dora@example.test")
    )
    await house.decides()
    ids = [e.data.contact_id for e in house.facts() if isinstance(e.data, MessageReceived)]
    assert ids[0] == ids[1] != ids[2]


async def test_status_of_nothing_that_we_know_is_skipped() -> None:
    house = House()
    await house.threads(inbound(message_kind="status", about_external_id="unknown"))
    assert house.log.topics[CONVERSATION_COMMANDS.name] == []
    assert house.claims.rows == {}


class TestAnswers:
    KEY = answer_key(opened("one"), 1, "ann", at(0), KEYS[0])
    ANSWER = ContentReference(content_id="answer", sha256="1" * 64)

    def mail(self, name: str = "answer", **fields: Any) -> InboundReceived:
        values = {
            "sender": "ann@acme.test",
            "envelope_recipients": [f"answers+{self.KEY}@acme.test"],
            "answer": self.ANSWER,
            "authentication": Authentication(dmarc="pass"),
        }
        return inbound(name, **{**values, **fields})

    async def test_becomes_the_reply(self) -> None:
        house = House()
        await house.threads(inbound())
        await house.threads(self.mail())
        await house.decides()
        reply = house.facts()[1].data
        assert isinstance(reply, ReplyAccepted)
        assert (reply.via, reply.content, reply.actor) == ("mail", self.ANSWER, ANN)
        assert reply.message_id == self.mail().message_id

    async def test_of_two_agents_in_the_same_second_one_is_sent_and_one_told(self) -> None:
        house = House()
        bens = answer_key(opened("one"), 1, "ben", at(0), KEYS[0])
        await house.threads(inbound())
        await house.threads(
            self.mail(),
            self.mail("bens", sender="ben@acme.test", envelope_recipients=[f"answers+{bens}@acme.test"]),
        )
        await house.decides()
        first, second = (e.data for e in house.facts()[1:])
        assert isinstance(first, ReplyAccepted)
        assert isinstance(second, RequestRefused)
        assert (second.reason, second.actor, second.content, second.via) == ("stale", BEN, self.ANSWER, "mail")

    async def test_fault_is_told_in_the_conversations_order(self) -> None:
        house = House()
        await house.threads(inbound())
        await house.threads(self.mail(authentication=Authentication(dmarc="fail")))
        await house.decides()
        assert isinstance(house.log.events(CONVERSATION_COMMANDS)[1].data, RefuseAnswer)
        refused = house.facts()[1].data
        assert isinstance(refused, RequestRefused)
        assert refused.reason == "not_authentic"

    async def test_same_mail_under_another_record_is_one_answer(self) -> None:
        house = House()
        await house.threads(inbound())
        await house.threads(self.mail(), self.mail())
        await house.decides()
        assert [type(e.data) for e in house.facts()] == [MessageReceived, ReplyAccepted]

    async def test_forged_key_is_a_marked_mail(self) -> None:
        house = House()
        await house.threads(self.mail(sender="mallory@example.test"))
        await house.decides()
        (fact,) = (e.data for e in house.facts())
        assert isinstance(fact, MessageReceived)
        assert fact.from_stranger


async def test_request_made_with_a_newer_configuration_waits_for_it() -> None:
    house = House()
    await house.threads(inbound())
    await house.decides()
    newer = SendReply(actor=ANN, message_id="r", content=TEXT, configuration_version=2)
    await house.asks(newer, opened("one"), "request")
    with pytest.raises(ConfigurationNotYetError):
        await house.decides()
    house.configure(2)
    await house.decides()
    fact = house.facts()[-1].data
    assert isinstance(fact, ReplyAccepted)
    assert fact.configuration_version == 2


async def test_reply_with_cut_references_overtakes_its_parent_and_both_stand_together() -> None:
    house = House()
    await house.threads(child("two", "one", 5))
    await house.threads(inbound("one"))
    await house.decides()
    assert {e.key for e in house.facts()} == {opened("two")}


async def test_late_parent_merges_both_into_the_older_one() -> None:
    house = House()
    await house.threads(inbound("one", minutes=0))
    await house.threads(child("three", "two", 1))
    await house.threads(child("two", "one", 2))
    await house.decides()
    assert house.final(opened("three")) == opened("one")
    assert set(received(house).values()) == {1}
    merged = next(e.data for e in house.facts() if isinstance(e.data, ConversationMerged))
    absorbed = next(e.data for e in house.facts() if isinstance(e.data, ConversationAbsorbed))
    assert merged.message_ids == absorbed.message_ids == [inbound("three").message_id, inbound("two").message_id]
    await house.threads(child("four", "two", 3))
    await house.asks(AddNote(actor=ANN, message_id="n", content=TEXT), opened("three"), "note")
    await house.decides()
    assert house.state(opened("one")).messages.keys() >= {inbound("four").message_id, "n"}
    assert next(e.key for e in house.facts() if isinstance(e.data, NoteAdded)) == opened("one")


async def test_merges_in_opposite_directions_leave_one_conversation() -> None:
    house = House()
    await house.threads(inbound("a"), inbound("b"))
    await house.decides()
    await house.asks(MergeConversations(actor=ANN, target_id=opened("b")), opened("a"), "one way")
    await house.asks(MergeConversations(actor=BEN, target_id=opened("a")), opened("b"), "other way")
    await house.decides()
    assert house.state(opened("a")).merged_into == opened("b")
    assert house.state(opened("b")).merged_into is None
    assert set(house.state(opened("b")).messages) == {inbound("a").message_id, inbound("b").message_id}
    refused = next(e.data for e in house.facts() if isinstance(e.data, RequestRefused))
    assert (refused.reason, refused.actor) == ("same_conversation", BEN)


async def test_erasing_deletes_texts_raw_mail_attachments_and_the_contact() -> None:
    house = House()
    mail, other = inbound(), inbound("other", sender="dora@example.test")
    for m in (mail, other):
        document = {"_id": content_id(m.message_id), "attachments": [{"blob_id": f"blob-{m.message_id}"}]}
        await house.content.put([document])
        await house.content.put_blob(content_id(m.ledger_id, "raw"), b"raw")
        await house.content.put_blob(f"blob-{m.message_id}", b"picture")
    await house.threads(mail, other)
    await house.decides()
    contact = house.contacts.contacts["email:cleo@example.test"]
    await house.asks(EraseContact(actor=ANN, contact_id=contact), opened("one"), "erase")
    await house.decides()
    assert list(house.content.documents) == [content_id(other.message_id)]
    assert set(house.content.blobs) == {content_id(other.ledger_id, "raw"), f"blob-{other.message_id}"}
    assert list(house.contacts.contacts) == ["email:dora@example.test"]
    assert "cleo@example.test" not in str(house.store.stored)


@pytest.mark.parametrize("seed", range(40))
async def test_whatever_overtakes_dies_or_repeats_every_mail_stands_once_in_the_right_thread(seed: int) -> None:
    """Three threads, parents late, References cut; members run at once, publications break off, batches come again.

    In every second run each mail has a sender of its own, who got none of the others.
    """
    chance = random.Random(seed)
    house = House(seed=seed)
    mails: list[InboundReceived] = []
    for thread in "xyz":
        for n in range(5):
            parent = f"{thread}{chance.randrange(n)}" if n else None
            minutes = ord(thread) + n
            mail = child(f"{thread}{n}", parent, minutes) if parent else inbound(f"{thread}0", minutes=minutes)
            writer = inbound(sender=f"{thread}{n}@example.test" if seed % 2 else f"{thread}@example.test").sender
            mails.append(mail.model_copy(update={"sender": writer}))
    chance.shuffle(mails)

    async def member(share: list[InboundReceived]) -> None:
        while share:
            size = chance.randint(1, 4)
            batch = house.arrives(*share[:size])
            for _ in range(chance.choice((1, 1, 2))):
                with contextlib.suppress(InfrastructureError):
                    await house.thread().handle(batch, {})
            await until_done(partial(house.thread().handle, batch, {}))
            share = share[size:]

    async def until_done(work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await work()
            except InfrastructureError:
                await asyncio.sleep(0)

    house.log.fail_in = chance.randint(1, 6)
    await asyncio.gather(*(member(mails[n::3]) for n in range(3)))
    await until_done(partial(house.thread().handle, house.arrives(*mails[::2]), {}))
    house.log.fail_in = chance.randint(0, 6)
    await until_done(house.decides)
    house.log.fail_in = 0
    await house.thread().handle(house.arrives(*mails), {})
    await house.decides()
    assert received(house) == Counter({m.message_id: 1 for m in mails})
    home = {m: house.final(key) for key in house.store.stored for m in house.state(key).messages}
    threads = {t: {home[m.message_id] for m in mails if m.external_id and m.external_id[0] == t} for t in "xyz"}
    assert all(len(found) == 1 for found in threads.values()), threads
    assert len(set.union(*threads.values())) == 3
    for document in house.store.stored.values():
        assert document["state"] is None or document["sequence"] == document["state"].get("sequence", 0)
    if seed < 4:  # validating takes longer than all the rest
        for record in (r for topic in house.log.topics.values() for r in topic):
            validate_record(record)


async def test_resolve_and_mail_in_either_order_leave_nothing_unseen() -> None:
    for first in ("mail", "resolve"):
        house = House()
        await house.threads(inbound())
        await house.decides()
        resolve = ResolveConversation(actor=ANN, expected_sequence=1)
        if first == "resolve":
            await house.asks(resolve, opened("one"), "request")
        await house.threads(child("two", "one", 5))
        if first == "mail":
            await house.asks(resolve, opened("one"), "request")
        await house.decides()
        assert house.state(opened("one")).status is Status.OPEN
