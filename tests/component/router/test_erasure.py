"""An erasure from the command to its end, in memory: every conversation that knows the person, and what comes late."""

from typing import Any, cast

import pytest
from postroom_contracts.commands import EraseContact, MergeConversations
from postroom_contracts.facts import ContentErased, MessageReceived
from postroom_contracts.ids import content_id
from postroom_contracts.inbound import InboundReceived
from postroom_contracts.values import Address
from postroom_router.adapters.erasures import Knowing, knowing_of
from postroom_router.domain.threading import person
from postroom_router.erasure import ErasureLoop

from tests.component.router.house import House
from tests.component.router.test_router import opened
from tests.unit.router.build import ANN, at, inbound


class OneReplica:
    async def acquire(self, name: str, seconds: float) -> object:
        return (name, seconds)


class Erasing:
    """A house with its erasure loop; its clock goes a second further with each turn."""

    def __init__(self) -> None:
        self.house = House()
        self.loop = ErasureLoop(
            erasures=self.house.erasures,
            contacts=self.house.contacts,
            acquaintances=self,
            claims=self.house.claims,
            commands=cast("Any", self),
            leases=cast("Any", OneReplica()),
            clock=self.house.clock,
            settle_seconds=5,
        )

    async def knowing(self, contact_id: str) -> list[Knowing]:
        found = []
        for document in self.house.store.stored.values():
            state = document["state"] or {}
            wrote = any(v.startswith(f"{contact_id}/") for v in (state.get("messages") or {}).values())
            if wrote or contact_id in (state.get("participants") or {}):
                found.append(knowing_of(document, contact_id))
        return found

    async def publish_events(self, topic: Any, events: Any) -> None:
        await self.house.log.publish([self.house.log.outgoing(topic, event) for event in events])

    async def stores(self, *mails: InboundReceived) -> None:
        """Put what ingest stores of mails into the content store."""
        for mail in mails:
            file = {"blob_id": f"blob-{mail.message_id}"}
            to = [a.model_dump() for a in mail.to]
            cc = [a.model_dump() for a in mail.cc]
            text = {"text": mail.text, "from": mail.sender.model_dump(), "to": to, "cc": cc, "attachments": [file]}
            await self.house.content.put([{"_id": content_id(mail.message_id), **text}])
            await self.house.content.put_blob(content_id(mail.ledger_id, "raw"), mail.text.encode())
            await self.house.content.put_blob(file["blob_id"], b"file")

    async def takes(self, *mails: InboundReceived) -> None:
        await self.stores(*mails)
        await self.house.threads(*mails)
        await self.house.decides()

    async def asks(self, address: str, request: str = "erase", **fields: Any) -> str:
        """Ask for the erasure of who has this address; return their contact id."""
        contact = self.house.contacts.contacts[f"email:{address}"]
        await self.house.asks(EraseContact(actor=ANN, contact_id=contact, **fields), contact, request)
        await self.house.decides()
        return contact

    async def turns(self, count: int = 20) -> int:
        """Turn the loop until nothing is open; return how often."""
        for turn in range(count):
            if await self.loop.turn() == 0:
                return turn
            self.loop._asked.clear()
            await self.house.decides()
            self.house.clock.advance(1)
        raise AssertionError(f"still open after {count} turns")

    def stored(self) -> str:
        """Return all that is stored, as text."""
        house = self.house
        parts = (house.store.stored, house.content.documents, house.content.blobs, house.contacts.contacts)
        return str([*parts, house.erasures.erasures])


@pytest.fixture
def erasing() -> Erasing:
    return Erasing()


async def test_every_conversation_is_erased_and_nothing_of_the_person_stays(erasing: Erasing) -> None:
    mails = (inbound("one"), inbound("two"), inbound("three", inbox_id="billing"))
    others = inbound("other", sender="dora@example.test", cc=[Address(address="cleo@example.test", name="Cleo")])
    await erasing.takes(*mails, others)
    contact = await erasing.asks("cleo@example.test")
    await erasing.turns()
    facts = [e.data for e in erasing.house.facts() if isinstance(e.data, ContentErased)]
    assert sorted(m for f in facts for m in f.message_ids) == sorted(m.message_id for m in mails)
    assert {f.contact_id for f in facts} == {contact}
    assert "cleo@example.test" not in erasing.stored()
    assert erasing.house.content.documents[content_id(others.message_id)]["cc"] == []
    assert content_id(others.ledger_id, "raw") in erasing.house.content.blobs
    assert all(person("cleo@example.test") not in row.people for row in erasing.house.claims.rows.values())
    done = erasing.house.erasures.erasures[contact]
    assert (done.key, done.conversations, done.done_at is not None) == (None, 4, True)


async def test_facts_name_the_request_as_their_cause_so_that_its_asker_sees_them(erasing: Erasing) -> None:
    await erasing.takes(inbound("one"), inbound("two"))
    await erasing.asks("cleo@example.test")
    await erasing.turns()
    (asked,) = {e.causation_id for e in erasing.house.facts() if isinstance(e.data, ContentErased)}
    assert asked == erasing.house.erasures.erasures.popitem()[1].request


async def test_merged_conversations_end_though_each_passes_the_request_on(erasing: Erasing) -> None:
    await erasing.takes(inbound("one"), inbound("two"))
    await erasing.house.asks(MergeConversations(actor=ANN, target_id=opened("two")), opened("one"), "merge")
    await erasing.house.decides()
    late = inbound("late", minutes=1, in_reply_to=[inbound("one").external_id], text="passed on")
    await erasing.takes(late)
    await erasing.asks("cleo@example.test")
    await erasing.turns()
    assert "cleo@example.test" not in erasing.stored()
    assert erasing.house.content.documents == {}


async def test_mail_that_had_come_in_before_and_is_decided_after_counts_and_leaves_no_text(erasing: Erasing) -> None:
    late = inbound("late", minutes=0)
    await erasing.takes(inbound("one"))
    contact = await erasing.asks("cleo@example.test")
    await erasing.turns()
    erasing.house.clock.advance(3600)
    await erasing.takes(late)
    received, erased = (e.data for e in erasing.house.facts()[-2:])
    assert isinstance(received, MessageReceived)
    assert isinstance(erased, ContentErased)
    assert (received.contact_id, erased.message_ids) == (contact, [late.message_id])
    assert "cleo@example.test" not in erasing.stored()
    assert erasing.house.content.documents == {}
    assert erasing.house.content.blobs == {}


async def test_dead_letter_that_is_decided_in_one_batch_with_a_new_mail_goes_and_the_new_mail_stays(
    erasing: Erasing,
) -> None:
    await erasing.takes(inbound("one"))
    contact = await erasing.asks("cleo@example.test")
    await erasing.turns()
    dead, new = inbound("dead", minutes=0), inbound("new", minutes=60)
    assert new.ingested_at == at(60)
    erasing.house.clock.advance(7200)
    await erasing.takes(dead, new)
    assert set(erasing.house.content.documents) == {content_id(new.message_id)}
    assert erasing.house.contacts.contacts["email:cleo@example.test"] != contact


async def test_repeated_and_cut_off_at_any_publication_it_comes_to_the_same_end(erasing: Erasing) -> None:
    await erasing.takes(*(inbound(f"mail-{n}") for n in range(6)))
    await erasing.asks("cleo@example.test")
    await erasing.loop.turn()
    commands = erasing.house.log.topics["conversation-commands"]
    size = len(commands) - erasing.house.commands_done
    await erasing.house.decide_batch(erasing.house.commands_done, size)
    await erasing.house.decide_batch(erasing.house.commands_done, size)
    await erasing.turns()
    erased = [m for e in erasing.house.facts() if isinstance(e.data, ContentErased) for m in e.data.message_ids]
    assert sorted(erased) == sorted(inbound(f"mail-{n}").message_id for n in range(6))
    assert "cleo@example.test" not in erasing.stored()


@pytest.mark.parametrize("contact", ["a.b", "$where", "x" * 65, "a..b"])
async def test_what_is_no_contacts_id_is_nobodys(erasing: Erasing, contact: str) -> None:
    await erasing.house.asks(EraseContact(actor=ANN, contact_id=contact), contact, "erase")
    await erasing.house.decides()
    assert erasing.house.erasures.erasures == {}


async def test_unknown_contact_is_done_at_once_and_says_nothing(erasing: Erasing) -> None:
    await erasing.house.asks(EraseContact(actor=ANN, contact_id="nobody"), "nobody", "erase")
    await erasing.house.decides()
    await erasing.turns()
    assert erasing.house.facts() == []
    assert erasing.house.erasures.erasures["nobody"].conversations == 0
