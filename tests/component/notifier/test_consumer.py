"""The fold with doubles: nothing due is lost or doubled wherever it is cut off."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

import pytest
from aiokafka import ConsumerRecord
from postroom_contracts.configuration import ConfigurationApplied
from postroom_contracts.events import Event, encode_body, encode_headers
from postroom_contracts.facts import ContentErased
from postroom_contracts.registry import models_of
from postroom_contracts.topics import CONVERSATION_EVENTS
from postroom_notifier.decider import NotifierDecider
from postroom_notifier.domain.conversation import Conversation
from postroom_notifier.domain.delivery import Delivery
from postroom_notifier.domain.follow import Surroundings
from postroom_notifier.returning import Returns
from postroom_runtime.clock import ManualClock
from postroom_runtime.configuration_feed import Configurations
from postroom_runtime.content_store import InMemoryContentStore
from postroom_runtime.documents import Document, InMemoryDocumentStore
from postroom_runtime.errors import ConfigurationNotYetError, ConflictError
from postroom_runtime.fold import Fold, RecordFailedError
from postroom_runtime.kafka import Publisher
from postroom_runtime.records import Incoming, read

from tests.component.notifier.doubles import InMemoryAddressBook, InMemoryDeliveryStore, RecordingPublisher
from tests.unit.notifier.company import FRIDAY, Facts, configuration, contents, customer_content, reply_content

MODELS = models_of(CONVERSATION_EVENTS)


class FailingStore(InMemoryDocumentStore[Conversation]):
    """Loses the next saves, as a process does that dies before them."""

    losses = 0

    async def save(self, documents: Sequence[Document[Conversation]]) -> None:
        if self.losses:
            self.losses -= 1
            raise ConflictError
        await super().save(documents)


class Consumer:
    def __init__(self) -> None:
        self.deliveries = InMemoryDeliveryStore()
        self.store = FailingStore(Conversation)
        self.configurations = Configurations()
        self.wakes = 0
        applied = ConfigurationApplied(configuration_version=1, applied_at=FRIDAY, configuration=configuration())
        self.configurations.add(applied)
        clock = ManualClock(FRIDAY + timedelta(minutes=1))
        self.content = InMemoryContentStore()
        self.addresses = InMemoryAddressBook(clock)
        returns = Returns(self.content, self.configurations, self.addresses)
        self.reported: list[Delivery] = []
        decider = NotifierDecider(
            self.deliveries,
            self.configurations,
            clock,
            timedelta(hours=72),
            self.woken,
            returns,
            self.reported.append,
        )
        self.fold: Fold[Conversation, Surroundings] = Fold(
            service="notifier",
            decider=decider,
            store=self.store,
            publisher=cast("Publisher", RecordingPublisher()),
            clock=clock,
            models=MODELS,
        )
        self.offset = 0

    def woken(self) -> None:
        self.wakes += 1

    async def read(self, *events: Event) -> None:
        await self.fold.handle([self.incoming(e) for e in events], committed())

    def incoming(self, event: Event) -> Incoming:
        self.offset += 1
        record: Any = ConsumerRecord(
            topic="events",
            partition=0,
            offset=self.offset,
            timestamp=0,
            timestamp_type=0,
            key=event.key.encode(),
            value=encode_body(event.data),
            checksum=None,
            serialized_key_size=0,
            serialized_value_size=0,
            headers=tuple(encode_headers(event)),
        )
        found = read(record, MODELS, {"events": "topic-id"}, frozenset())
        assert isinstance(found, Incoming)
        return found

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(d.kind, d.receiver) for d in self.deliveries.all()]


def committed() -> Mapping[str, int]:
    return {}


async def test_cut_off_before_the_state_is_saved_doubles_nothing() -> None:
    consumer, facts = Consumer(), Facts()
    events = [facts.received(), facts.assigned(), facts.replied()]
    consumer.store.losses = 1
    with pytest.raises(ConflictError):
        await consumer.read(*events)
    assert consumer.told == [("assigned", "ana"), ("reply", "customer")], "due already"
    before = dict(consumer.deliveries.stored)
    await consumer.read(*events)
    assert consumer.deliveries.stored == before


async def test_repeats_change_nothing() -> None:
    consumer, facts = Consumer(), Facts()
    events = [facts.received(), facts.assigned(), facts.replied()]
    await consumer.read(*events)
    state = consumer.store.stored[facts.conversation]["state"]
    await consumer.read(*events)
    assert consumer.told == [("assigned", "ana"), ("reply", "customer")]
    assert consumer.store.stored[facts.conversation]["state"] == state
    assert consumer.wakes == 1


async def test_state_holds_no_due_work() -> None:
    consumer, facts = Consumer(), Facts()
    await consumer.read(facts.received(), facts.assigned())
    assert "due" not in consumer.store.stored[facts.conversation]["state"]


async def test_event_ahead_of_its_turn_waits_for_the_missing_one() -> None:
    consumer, facts = Consumer(), Facts()
    first, second, third = facts.received(), facts.assigned(), facts.received("m2")
    await consumer.read(second, third)
    assert consumer.told == [("assigned", "ana")]
    await consumer.read(first)
    assert consumer.told == [("assigned", "ana"), ("replied", "ana")]


async def test_configuration_that_has_not_come_is_waited_for() -> None:
    consumer, facts = Consumer(), Facts()
    with pytest.raises(RecordFailedError) as raised:
        await consumer.read(facts.received(), facts.replied(configuration_version=2))
    assert isinstance(raised.value.cause, ConfigurationNotYetError)
    assert consumer.told == []


async def test_erased_content_takes_addresses_out_of_deliveries() -> None:
    consumer, facts = Consumer(), Facts()
    await consumer.read(facts.received(), facts.replied())
    [delivery] = consumer.deliveries.all()
    consumer.deliveries.stored[delivery.id]["remaining"] = ["carla@example.test"]
    await consumer.read(facts.event(ContentErased(contact_id="contact-1")))
    [delivery] = consumer.deliveries.all()
    assert delivery.remaining == []
    assert "carla" not in str(consumer.deliveries.stored)


async def came_back(consumer: Consumer, facts: Facts, code: str, **document: Any) -> None:
    """A reply goes out, and comes back with `code`; the bounce's content document holds `document`."""
    await consumer.read(facts.received(), facts.replied())
    reply = next(d for d in consumer.deliveries.all() if d.kind == "reply")
    await consumer.content.put([{"_id": "bounce-content", "text": "Delivery failed", **document}])
    bounce = facts.received(
        "b",
        "bounce-content",
        message_kind="bounce",
        delivery_id=reply.id,
        delivery_status="failed",
        delivery_status_code=code,
    )
    await consumer.read(bounce)


async def test_bounce_marks_the_address_and_a_mail_from_it_clears_the_mark() -> None:
    consumer, facts = Consumer(), Facts()
    await consumer.content.put(contents())
    await came_back(consumer, facts, "5.1.1", bounce={"recipient": "Carla@example.test", "status": "5.1.1"})
    assert list(consumer.addresses.marks) == ["carla@example.test"]
    assert consumer.told == [("reply", "customer"), ("bounce", consumer.deliveries.all()[0].id), ("undelivered", "ana")]
    await consumer.read(facts.received("m2", message_kind="auto_reply", automatic="auto-reply"))
    assert consumer.addresses.marks, "a machine's mail says nothing"
    await consumer.read(facts.received("m3"))
    assert consumer.addresses.marks == {}


@pytest.mark.parametrize("code", ["4.4.7", "5.7.1"])
async def test_other_bounces_mark_nobody(code: str) -> None:
    consumer, facts = Consumer(), Facts()
    await consumer.content.put(contents())
    await came_back(consumer, facts, code)
    assert consumer.addresses.marks == {}
    assert consumer.told[-1] == ("undelivered", "ana")


async def test_bounce_cannot_mark_an_address_that_the_mail_did_not_go_to() -> None:
    """Whoever got a mail of ours knows its id, and could forge a bounce of it."""
    consumer, facts = Consumer(), Facts()
    to = [{"address": "carla@example.test"}, {"address": "dora@example.test"}]
    await consumer.content.put([customer_content(), reply_content(to=to)])
    await came_back(consumer, facts, "5.1.1", bounce={"recipient": "boss@example.test"})
    assert consumer.addresses.marks == {}


async def test_bounced_notification_marks_the_agent_whose_answer_clears_it() -> None:
    consumer, facts = Consumer(), Facts()
    await consumer.read(facts.received(), facts.assigned())
    [notification] = consumer.deliveries.all()
    bounce = facts.received(
        "b",
        message_kind="bounce",
        delivery_id=notification.id,
        delivery_status="failed",
        delivery_status_code="5.1.1",
    )
    await consumer.read(bounce)
    assert list(consumer.addresses.marks) == ["ana@staff.acme.test"]
    await consumer.read(facts.replied(via="mail"))
    assert consumer.addresses.marks == {}


async def test_a_cancelled_reply_leaves_nobody_and_is_reported_once() -> None:
    consumer = Consumer()
    facts = Facts()
    await consumer.read(facts.received(), facts.replied(send_at=FRIDAY + timedelta(hours=1)))
    cancel = facts.cancelled()
    await consumer.read(cancel)
    await consumer.read(cancel)
    [delivery] = consumer.deliveries.all()
    assert (delivery.state, delivery.next_at) == ("cancelled", None)
    assert [(d.id, d.results[0].name) for d in consumer.reported] == [(delivery.id, "MessageCancelled")]


async def test_a_reply_that_somebody_has_in_hand_is_not_taken_back() -> None:
    consumer = Consumer()
    facts = Facts()
    await consumer.read(facts.received(), facts.replied())
    later = FRIDAY + timedelta(hours=2)
    leased = await consumer.deliveries.lease(
        1, now=later, until=later + timedelta(minutes=1), lease="x", accounts_out=[], in_hand=[]
    )
    await consumer.read(facts.cancelled())
    assert (len(leased), consumer.deliveries.all()[0].state, consumer.reported) == (1, "due", [])
