"""What became of each mail, as any other system could find out: by following two topics on Kafka.

`Tracker` is the fold; `KafkaFollower` reads. Nothing here asks the services' databases.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from postroom_contracts import facts as f
from postroom_contracts.events import EnvelopeError, Event, decode
from postroom_contracts.inbound import InboundReceived
from postroom_contracts.registry import MODELS
from postroom_contracts.thread_keys import normalised_address
from postroom_contracts.topics import CONVERSATION_EVENTS, INBOUND_MESSAGES, Topic
from postroom_runtime.kafka import client_options
from postroom_runtime.settings import RuntimeSettings
from pydantic import ValidationError

MailKey = str
"""Names a mail as a stranger sees it: its Message-ID without angle brackets, else sender and subject."""


def mail_key(message_id: str | None, sender: str, subject: str) -> MailKey:
    """Return the key of a mail. Two mails without Message-ID, of one sender and subject, have the same."""
    return message_id or f"{normalised_address(sender)}|{' '.join(subject.split())}"


@dataclass(slots=True)
class Placed:
    """A mail in a conversation: the fact that says so."""

    conversation_id: str
    event_id: str
    kind: str
    at: datetime


@dataclass(slots=True)
class Ownership:
    """Who has a conversation now: an agent, or nobody and the team's queue."""

    agent_id: str | None
    queued: bool
    epoch: int
    event_ids: set[str] = field(default_factory=set)
    """All facts by which it was given to somebody."""


@dataclass(slots=True)
class Tracker:
    """A fold over `inbound-messages` and `conversation-events` since the start. Repeats change nothing."""

    messages: dict[MailKey, str] = field(default_factory=dict)
    placed: dict[str, Placed] = field(default_factory=dict)
    """Message id -> where it stands."""
    owners: dict[str, Ownership] = field(default_factory=dict)
    merged: dict[str, str] = field(default_factory=dict)
    notified: set[str] = field(default_factory=set)
    """Ids of the facts that somebody was told of."""
    answered_at: dict[str, datetime] = field(default_factory=dict)
    """Conversation -> when a reply of ours was last accepted by the mail server."""
    bounced: set[str] = field(default_factory=set)
    refusals: list[str] = field(default_factory=list)

    def apply(self, event: Event) -> None:  # noqa: C901 - one short case per fact
        match event.data:
            case InboundReceived() as inbound:
                key = mail_key(inbound.external_id, inbound.sender.address, inbound.subject)
                self.messages[key] = inbound.message_id
            case f.MessageReceived() as got:
                self.placed[got.message_id] = Placed(event.subject, event.id, got.message_kind, event.time)
            case f.ConversationAssigned() as given:
                self._own(event, given.epoch, given.agent_id, queued=False)
            case f.ConversationQueued() as queued:
                self._own(event, queued.epoch, None, queued=True)
            case f.ConversationUnassigned() as taken:
                self._own(event, taken.epoch, None, queued=False)
            case f.ConversationMerged() as merged:
                self.merged[event.subject] = merged.target_id
            case f.NotificationSent() as told:
                self.notified.add(told.cause_id)
            case f.MessageSent() as sent:
                self.answered_at[event.subject] = sent.sent_at
            case f.MessageBounced():
                self.bounced.add(event.subject)
            case f.RequestRefused() as refused:
                self.refusals.append(refused.reason)
            case _:
                pass

    def _own(self, event: Event, epoch: int, agent_id: str | None, *, queued: bool) -> None:
        known = self.owners.setdefault(event.subject, Ownership(None, queued=False, epoch=0))
        if epoch >= known.epoch:
            known.agent_id, known.queued, known.epoch = agent_id, queued, epoch
        if agent_id is not None:
            known.event_ids.add(event.id)

    def find(self, key: MailKey) -> Placed | None:
        """Return where a mail stands now, behind all merges; None while it is in no conversation."""
        placed = self.placed.get(self.messages.get(key, ""))
        if placed is None:
            return None
        return Placed(self.final(placed.conversation_id), placed.event_id, placed.kind, placed.at)

    def final(self, conversation_id: str) -> str:
        """Return the conversation that another went into, or itself."""
        seen = set()
        while conversation_id in self.merged and conversation_id not in seen:
            seen.add(conversation_id)
            conversation_id = self.merged[conversation_id]
        return conversation_id

    def was_notified(self, placed: Placed) -> bool:
        """Say whether anybody was told of this mail: of itself, or of the assignment of its conversation."""
        owner = self.owners.get(placed.conversation_id)
        causes = {placed.event_id} | (owner.event_ids if owner else set())
        return not causes.isdisjoint(self.notified)


class KafkaFollower:
    """Reads topics from their ends on, without a group. Records that are no events of ours are passed over."""

    def __init__(
        self, settings: RuntimeSettings, topics: tuple[Topic, ...] = (INBOUND_MESSAGES, CONVERSATION_EVENTS)
    ) -> None:
        self._settings = settings
        self._topics = [settings.topic(topic.name) for topic in topics]
        self._consumer: AIOKafkaConsumer | None = None

    async def start(self) -> None:
        """Take the present ends as the beginning. Raises LookupError when a topic does not exist, or KafkaError."""
        consumer = AIOKafkaConsumer(**client_options(self._settings), enable_auto_commit=False, fetch_max_wait_ms=200)
        await consumer.start()
        partitions = [await self._partitions(consumer, topic) for topic in self._topics]
        flat = [one for some in partitions for one in some]
        consumer.assign(flat)
        for partition, end in (await consumer.end_offsets(flat)).items():
            consumer.seek(partition, end)
        self._consumer = consumer

    @staticmethod
    async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
        async with asyncio.timeout(20):
            while not (found := consumer.partitions_for_topic(topic)):
                if topic not in await consumer.topics():
                    raise LookupError(f"topic {topic} does not exist")
                await consumer._client.force_metadata_update()  # noqa: SLF001 - no public way to ask anew
        return [TopicPartition(topic, number) for number in sorted(found)]

    async def events(self) -> AsyncIterator[tuple[Event, Any]]:
        """Yield each event with its record, for ever."""
        assert self._consumer is not None
        while True:
            batch = await self._consumer.getmany(timeout_ms=500, max_records=500)
            for records in batch.values():
                for record in records:
                    try:
                        yield decode(dict(record.headers), record.value, MODELS), record
                    except (EnvelopeError, ValidationError):
                        continue

    async def stop(self) -> None:
        if self._consumer is not None:
            await self._consumer.stop()
