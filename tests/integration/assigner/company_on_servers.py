"""The assigner's replicas on real Kafka and MongoDB, and what is read from the log alone to judge them."""

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from postroom_assigner.app import Assigner, AssignerSettings
from postroom_assigner.domain.choose import recompute
from postroom_contracts.configuration import KEY, Configuration, ConfigurationApplied
from postroom_contracts.events import Data, Event, decode, new_event
from postroom_contracts.facts import (
    ClaimRefused,
    ConversationAssigned,
    ConversationQueued,
    ConversationResolved,
    ConversationUnassigned,
    MessageReceived,
)
from postroom_contracts.registry import MODELS
from postroom_contracts.topics import CONFIGURATION, CONVERSATION_COMMANDS, CONVERSATION_EVENTS, all_topics
from postroom_runtime.clock import Clock, SystemClock
from postroom_runtime.kafka import Publisher, create_topics
from postroom_runtime.service import Runtime, connect

from tests.component.assigner.world import NOON, publisher_of
from tests.validation import validate_record


@dataclass
class Servers:
    """One test's topics and databases, a publisher, and the replicas that it started."""

    settings: AssignerSettings
    publisher: Publisher
    sequences: Counter[str] = field(default_factory=Counter)
    versions: int = 0
    made: int = 0

    async def apply(self, configuration: Configuration) -> None:
        """Publish the next version."""
        self.versions += 1
        data = ConfigurationApplied(configuration_version=self.versions, applied_at=NOON, configuration=configuration)
        event = new_event(
            data, source="/postroom/desk", cause_id=f"version-{self.versions}", subject=KEY, time=NOON, key=KEY
        )
        await self.publisher.publish_events(CONFIGURATION, [event])

    def event(self, conversation: str, data: Data) -> Event:
        self.made += 1
        sequence = None
        if data.kind == "fact":
            self.sequences[conversation] += 1
            sequence = self.sequences[conversation]
        return new_event(
            data,
            source=publisher_of(data),
            cause_id=f"cause-{self.made}",
            subject=conversation,
            time=SystemClock().now(),
            sequence=sequence,
        )

    async def tell(self, records: Iterable[tuple[str, Data]]) -> None:
        """Publish facts and requests, in order."""
        for topic, kind in ((CONVERSATION_EVENTS, "fact"), (CONVERSATION_COMMANDS, "command")):
            of_kind = [(key, data) for key, data in records if data.kind == kind]
            for at in range(0, len(of_kind), 2000):
                await self.publisher.publish_events(topic, [self.event(*r) for r in of_kind[at : at + 2000]])

    async def replica(self, clock: Clock | None = None) -> Runtime:
        runtime = await connect(Assigner(), self.settings, clock)
        await runtime.start()
        return runtime

    async def log(self) -> list[Event]:
        """Return conversation-events as they stand, each partition in order, records valid, repeats once.

        Checking thousands of records holds the loop for seconds: call it when the replicas have stopped.
        """
        async with self.follow(checked=True) as log:
            return list((await log.read()).values())

    @contextlib.asynccontextmanager
    async def follow(self, *, checked: bool = False) -> AsyncIterator["Log"]:
        """Give a reader of conversation-events from the beginning."""
        topic = self.settings.topic(CONVERSATION_EVENTS.name)
        consumer = AIOKafkaConsumer(bootstrap_servers=self.settings.kafka_bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        try:
            partitions = [TopicPartition(topic, n) for n in range(self.settings.partitions)]
            consumer.assign(partitions)
            yield Log(consumer, partitions, checked)
        finally:
            await consumer.stop()


@dataclass
class Log:
    """The log so far, by source and id."""

    consumer: Any
    partitions: list[TopicPartition]
    checked: bool
    events: dict[str, Event] = field(default_factory=dict)

    async def read(self) -> dict[str, Event]:
        """Read on to the present end."""
        ends = await self.consumer.end_offsets(self.partitions)
        while any([await self.consumer.position(tp) < end for tp, end in ends.items()]):
            for records in (await self.consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    event = decode(dict(record.headers), record.value, MODELS)
                    if self.checked and not (isinstance(event.data, ClaimRefused) and record.offset % 20):
                        validate_record(record)  # 2 ms each: of ten thousand refusals that are all alike, a share
                    self.events.setdefault(f"{event.source} {event.id}", event)
        return self.events

    async def count(self, *types: type[Data]) -> int:
        """Return how many events of these types there are by now."""
        return sum(isinstance(e.data, types) for e in (await self.read()).values())


@contextlib.asynccontextmanager
async def on_servers(
    kafka_bootstrap: str, mongo_uri: str, topic_prefix: str, database_prefix: str, **changes: Any
) -> AsyncIterator[Servers]:
    """Make topics and a publisher for one test."""
    settings = AssignerSettings(
        kafka_bootstrap=kafka_bootstrap,
        mongo_uri=mongo_uri,
        topic_prefix=topic_prefix,
        database_prefix=database_prefix,
        session_timeout_ms=6000,
        **changes,
    )
    await create_topics(settings, all_topics())
    publisher = Publisher(settings)
    await publisher.start()
    try:
        yield Servers(settings, publisher)
    finally:
        await publisher.stop()


async def until(is_true: Callable[[], Awaitable[bool]], what: str, deadline_seconds: float = 120.0) -> None:
    """Return when `is_true()` does; fail, naming `what`, after the deadline."""
    try:
        async with asyncio.timeout(deadline_seconds):
            while not await is_true():
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(f"{what}: not within {deadline_seconds:g} s") from None


def owners(events: Iterable[Event]) -> dict[str, str | None]:
    """Return conversation to owner: what the highest epoch says, whatever the order of the records."""
    best: dict[str, tuple[int, str | None]] = {}
    for event in events:
        data = event.data
        if isinstance(data, ConversationAssigned | ConversationQueued | ConversationUnassigned):
            owner = data.agent_id if isinstance(data, ConversationAssigned) else None
            assert best.get(event.key, (0, None))[0] != data.epoch, f"epoch {data.epoch} of {event.key} stands twice"
            best[event.key] = max(best.get(event.key, (0, None)), (data.epoch, owner), key=lambda pair: pair[0])
    return {key: owner for key, (_, owner) in best.items()}


def most_at_once(events: Sequence[Event]) -> dict[str, int]:
    """Return agent to the most open conversations that they ever owned at once, by the times of the facts.

    At the same millisecond what ends counts before what begins: a freed place may be given away at once.
    """
    changes: list[tuple[Any, int, str]] = []
    by_conversation: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_conversation[event.key].append(event)
    for facts in by_conversation.values():
        current: str | None = None
        is_open = True
        for event in sorted(facts, key=lambda e: (e.time, isinstance(e.data, ConversationAssigned))):
            before: str | None = current if is_open else None
            match event.data:
                case ConversationAssigned(agent_id=agent_id):
                    current = agent_id
                case ConversationUnassigned() | ConversationQueued():
                    current = None
                case ConversationResolved():
                    is_open = False
                case MessageReceived(reopened=True):
                    is_open = True
            after = current if is_open else None
            if before != after:
                changes += [(event.time, -1, before)] if before else []
                changes += [(event.time, 1, after)] if after else []
    held: Counter[str] = Counter()
    most: dict[str, int] = {}
    for _, change, agent_id in sorted(changes):
        held[agent_id] += change
        most[agent_id] = max(most.get(agent_id, 0), held[agent_id])
    return most


def check_records(events: Iterable[Event]) -> int:
    """Check that every assignment follows from its record alone; return how many there were."""
    count = 0
    for event in events:
        if isinstance(event.data, ConversationAssigned):
            assert recompute(event.data.record) == event.data.agent_id, event
            count += 1
    return count
