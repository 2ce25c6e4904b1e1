"""The router as a process, on real Kafka and MongoDB: races, late parents, kills at each step, redelivery."""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from postroom_contracts.commands import AcceptMessage, ResolveConversation, SnoozeConversation
from postroom_contracts.events import Event, new_event
from postroom_contracts.facts import (
    ConversationAbsorbed,
    ConversationMerged,
    ConversationResolved,
    ConversationWoken,
    Fact,
    MessageReceived,
    RequestRefused,
)
from postroom_contracts.ids import conversation_id
from postroom_contracts.inbound import InboundReceived
from postroom_contracts.registry import source_of
from postroom_contracts.topics import CONVERSATION_COMMANDS, CONVERSATION_EVENTS, INBOUND_MESSAGES
from postroom_contracts.values import Status
from postroom_runtime.kafka import Publisher, client_options
from pymongo import MongoClient

from tests.deployment import Deployment, ServiceProcess
from tests.unit.router.build import ANN, configuration, inbound

pytestmark = pytest.mark.connected
STEPS = ["thread.loaded", "thread.claimed", "thread.published", "thread.moved"]


@pytest.fixture
async def house(
    kafka_bootstrap: str, mongo_uri: str, topic_prefix: str, database_prefix: str
) -> AsyncIterator[Deployment]:
    async with Deployment(kafka_bootstrap, mongo_uri, topic_prefix, database_prefix) as deployment:
        await deployment.configure(configuration())
        yield deployment


def opened(name: str) -> str:
    return conversation_id("support", f"{name}@example.test")


def child(name: str, parent: str, minutes: float) -> InboundReceived:
    return inbound(name, minutes=minutes, in_reply_to=[f"{parent}@example.test"])


async def deliver(house: Deployment, mails: Sequence[InboundReceived]) -> None:
    events = []
    for mail in mails:
        event = new_event(
            mail,
            source=source_of("ingest"),
            cause_id=mail.ledger_id,
            subject=mail.inbox_id,
            time=house.clock.now(),
            key=f"{mail.account_id}\n{mail.sender.address}",
        )
        events.append(Event(**{**{f: getattr(event, f) for f in event.__slots__}, "id": mail.message_id}))
    await house.publisher.publish_events(INBOUND_MESSAGES, events)


async def settled(house: Deployment, timeout_seconds: float = 90) -> None:
    """Return when both steps of the router have committed all that stands on their topics, three times in a row."""
    calm = 0
    async with asyncio.timeout(timeout_seconds):
        while calm < 3:
            lag = await lag_of(house, "router-thread", INBOUND_MESSAGES.name)
            lag += await lag_of(house, "router-decide", CONVERSATION_COMMANDS.name)
            calm = 0 if lag else calm + 1
            await asyncio.sleep(0.2)


async def lag_of(house: Deployment, group: str, topic: str, *, rewind: bool = False) -> int:
    """Return how many records the group has not committed; with `rewind` set it back to the beginning."""
    name = house.settings.topic(topic)
    consumer = AIOKafkaConsumer(
        **client_options(house.settings), group_id=f"{house.settings.topic_prefix}{group}", enable_auto_commit=False
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(name, p) for p in range(house.settings.partitions)]
        if rewind:
            consumer.assign(partitions)
            await consumer.commit(dict.fromkeys(partitions, 0))
        ends = await consumer.end_offsets(partitions)
        return sum([ends[tp] - (await consumer.committed(tp) or 0) for tp in partitions])
    finally:
        await consumer.stop()


def conversations(house: Deployment) -> dict[str, dict[str, Any]]:
    with MongoClient[dict[str, Any]](house.settings.mongo_uri.get_secret_value()) as client:
        found = client[house.settings.database("router")]["conversations"].find()
        return {d["_id"]: d for d in found}


def by_conversation(events: Sequence[Event]) -> dict[str, list[Fact]]:
    found: dict[str, list[Fact]] = defaultdict(list)
    for event in events:
        assert isinstance(event.data, Fact)
        assert event.sequence == len(found[event.key]) + 1, "the numbers of a conversation have a gap"
        found[event.key].append(event.data)
    return found


def final(documents: dict[str, dict[str, Any]], key: str) -> str:
    while onward := documents[key]["state"].get("merged_into"):
        key = onward
    return key


async def started(house: Deployment, **env: str) -> ServiceProcess:
    process = house.start("router", **env)
    await process.ready()
    return process


async def test_thousand_races_of_a_mail_against_a_resolve_leave_no_message_unseen(house: Deployment) -> None:
    """A conversation each; the customer's second mail and the agent's resolve come from two producers at once."""
    await started(house)
    count, chance = 1000, random.Random(1)
    await deliver(house, [inbound(f"first-{n}", minutes=0) for n in range(count)])
    await settled(house)
    desk = Publisher(house.settings)
    await desk.start()

    async def send(publisher: Publisher, commands: list[tuple[str, Any]], source: str) -> None:
        events = [
            new_event(data, source=source_of(source), cause_id=f"{source} {key}", subject=key, time=house.clock.now())
            for key, data in commands
        ]
        await asyncio.sleep(chance.uniform(0, 0.01))
        await publisher.publish_events(CONVERSATION_COMMANDS, events)

    mails = [(opened(f"first-{n}"), AcceptMessage(inbound=inbound(f"second-{n}", minutes=1))) for n in range(count)]
    resolves = [(opened(f"first-{n}"), ResolveConversation(actor=ANN, expected_sequence=1)) for n in range(count)]
    start = 0
    while start < count:  # a few conversations at a time, so that neither producer gets ahead of the other
        end = start + chance.randint(1, 25)
        await asyncio.gather(send(house.publisher, mails[start:end], "router"), send(desk, resolves[start:end], "desk"))
        start = end
    await desk.stop()
    await settled(house)
    logs = by_conversation(await house.events(CONVERSATION_EVENTS))
    assert len(logs) == count
    documents = conversations(house)
    outcomes: Counter[str] = Counter()
    for key, facts in logs.items():
        kinds = [type(f) for f in facts]
        if kinds[1:] == [MessageReceived, RequestRefused]:
            refused = facts[2]
            assert isinstance(refused, RequestRefused)
            assert (refused.reason, refused.changed) == ("stale", ["message_received"])
            outcomes["mail first"] += 1
        else:
            assert kinds[1:] == [ConversationResolved, MessageReceived]
            mail = facts[2]
            assert isinstance(mail, MessageReceived)
            assert mail.reopened
            outcomes["resolve first"] += 1
        assert documents[key]["state"].get("status", Status.OPEN) == Status.OPEN
        assert documents[key]["sequence"] == documents[key]["state"]["sequence"] == 3
    assert outcomes.total() == count
    assert min(outcomes["mail first"], outcomes["resolve first"]) > 10, f"no race: {outcomes}"


async def test_replies_with_cut_references_before_their_parents_make_one_conversation_each(house: Deployment) -> None:
    """50 threads of parent, reply and reply to the reply, in every order, from senders in different partitions."""
    await started(house)
    chance, mails = random.Random(2), []
    for n in range(50):
        thread = [
            inbound(f"a{n}", minutes=0, sender=f"a{n}@example.test"),
            child(f"b{n}", f"a{n}", 1).model_copy(update={"sender": inbound(sender=f"b{n}@example.test").sender}),
            child(f"c{n}", f"b{n}", 2).model_copy(update={"sender": inbound(sender=f"c{n}@example.test").sender}),
        ]
        chance.shuffle(thread)
        mails += thread
    for n in range(0, len(mails), 7):
        await deliver(house, mails[n : n + 7])
    await settled(house)
    documents = conversations(house)
    facts = by_conversation(await house.events(CONVERSATION_EVENTS))
    received = Counter(f.message_id for log in facts.values() for f in log if isinstance(f, MessageReceived))
    assert received == Counter({m.message_id: 1 for m in mails})
    home = {m: final(documents, key) for key, d in documents.items() for m in d["state"].get("messages", {})}
    for n in range(50):
        assert len({home[inbound(f"{letter}{n}").message_id] for letter in "abc"}) == 1
    assert len(set(home.values())) == 50


async def test_late_parent_merges_the_younger_conversation_into_the_older(house: Deployment) -> None:
    await started(house)
    await deliver(house, [inbound("one", minutes=0), child("three", "two", 1)])
    await house.wait_for_events(CONVERSATION_EVENTS, 2)
    await deliver(house, [child("two", "one", 2)])
    await house.wait_for_events(CONVERSATION_EVENTS, 5)
    await deliver(house, [child("four", "two", 3)])
    logs = by_conversation(await house.wait_for_events(CONVERSATION_EVENTS, 6))
    younger, older = logs[opened("three")], logs[opened("one")]
    assert [type(f) for f in younger] == [MessageReceived, MessageReceived, ConversationMerged]
    assert [type(f) for f in older] == [MessageReceived, ConversationAbsorbed, MessageReceived]


@pytest.mark.parametrize("step", STEPS)
async def test_killed_at_each_step_of_the_thread_step_nothing_is_lost_or_doubled(house: Deployment, step: str) -> None:
    dying = house.start("router", POSTROOM_KILL_AT=step)
    await deliver(house, [inbound("one", minutes=0), child("three", "two", 1), child("two", "one", 2)])
    await house.killed(dying)
    await started(house)
    await deliver(house, [child("four", "two", 3)])
    await house.wait_for_events(CONVERSATION_EVENTS, 6)
    await settled(house)
    documents = conversations(house)
    facts = by_conversation(await house.events(CONVERSATION_EVENTS))
    received = Counter(f.message_id for log in facts.values() for f in log if isinstance(f, MessageReceived))
    mails = [inbound(name) for name in ("one", "two", "three", "four")]
    assert received == Counter({m.message_id: 1 for m in mails})
    assert final(documents, opened("three")) == opened("one")
    assert set(documents[opened("one")]["state"]["messages"]) == {m.message_id for m in mails}


async def test_redelivery_of_all_inbound_messages_changes_nothing(house: Deployment) -> None:
    mails = [inbound(f"m{n}", minutes=n) for n in range(100)]
    mails += [child(f"r{n}", f"m{n}", 200 + n) for n in range(40)] + [
        child("late", "gap", 300),
        child("gap", "m1", 301),
    ]
    process = await started(house)
    await deliver(house, mails)
    await settled(house)
    before, facts = _states(house), await house.events(CONVERSATION_EVENTS)
    assert await process.stop() == 0
    await lag_of(house, "router-thread", INBOUND_MESSAGES.name, rewind=True)
    assert await lag_of(house, "router-thread", INBOUND_MESSAGES.name) == len(mails)
    await started(house)
    await settled(house)
    assert len(await house.events(CONVERSATION_COMMANDS)) > 0
    assert by_conversation(await house.events(CONVERSATION_EVENTS)) == by_conversation(facts)
    assert _states(house) == before


def _states(house: Deployment) -> dict[str, Any]:
    return {key: (d["sequence"], d["state"]) for key, d in conversations(house).items()}


async def test_snooze_ends_by_its_timer(house: Deployment) -> None:
    await started(house)
    await deliver(house, [inbound("one")])
    await house.wait_for_events(CONVERSATION_EVENTS, 1)
    now = house.clock.now()
    for name, length in (("far", timedelta(days=365)), ("near", timedelta(seconds=2))):
        command = SnoozeConversation(actor=ANN, until=now + length)
        event = new_event(command, source=source_of("desk"), cause_id=name, subject=opened("one"), time=now)
        await house.publisher.publish_events(CONVERSATION_COMMANDS, [event])
    woken = (await house.wait_for_events(CONVERSATION_EVENTS, 4))[3].data
    assert isinstance(woken, ConversationWoken)
    assert (woken.generation, woken.late) == (2, False)
    assert conversations(house)[opened("one")]["state"].get("snooze") is None


async def test_two_members_share_the_work_and_the_merges(house: Deployment) -> None:
    """Two replicas take partitions from each other in the middle of threads that need merging."""
    await started(house)
    mails = [inbound(f"a{n}", minutes=0, sender=f"a{n}@example.test") for n in range(60)]
    late = [child(f"c{n}", f"b{n}", 1) for n in range(60)]
    await deliver(house, mails[:30] + late[:30])
    second = house.start("router")
    await deliver(house, mails[30:] + late[30:])
    parents = [child(f"b{n}", f"a{n}", 2).model_copy(update={"sender": mails[n].sender}) for n in range(60)]
    await deliver(house, parents[:30])
    await second.ready()
    await deliver(house, parents[30:])
    await settled(house)
    documents = conversations(house)
    facts = by_conversation(await house.events(CONVERSATION_EVENTS))
    received = Counter(f.message_id for log in facts.values() for f in log if isinstance(f, MessageReceived))
    assert set(received.values()) == {1}
    assert len(received) == 180
    home = {m: final(documents, key) for key, d in documents.items() for m in d["state"].get("messages", {})}
    assert len(set(home.values())) == 60
