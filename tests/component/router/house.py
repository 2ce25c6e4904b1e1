"""The whole router in memory: thread step and fold over doubles of MongoDB and Kafka, batch by batch as a test likes."""

import asyncio
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from aiokafka import ConsumerRecord
from postroom_contracts.configuration import ConfigurationApplied
from postroom_contracts.events import Data, Event, decode, encode_body, encode_headers, new_event
from postroom_contracts.inbound import InboundReceived
from postroom_contracts.registry import MODELS, commands_handled_by, models_of, source_of
from postroom_contracts.topics import CONVERSATION_COMMANDS, CONVERSATION_EVENTS, INBOUND_MESSAGES, Topic
from postroom_router.adapters.claims import InMemoryClaims
from postroom_router.adapters.contacts import InMemoryContacts
from postroom_router.adapters.erasures import InMemoryErasures
from postroom_router.adapters.merges import InMemoryMerges
from postroom_router.companies import Companies
from postroom_router.decider import Batch, ConversationDecider
from postroom_router.domain.conversation import Conversation
from postroom_router.domain.threading import Row
from postroom_router.thread import ThreadStep
from postroom_runtime.clock import ManualClock
from postroom_runtime.configuration_feed import Configurations
from postroom_runtime.content_store import InMemoryContentStore
from postroom_runtime.documents import InMemoryDocumentStore
from postroom_runtime.errors import ConflictError, InfrastructureError
from postroom_runtime.fold import Fold, RecordFailedError
from postroom_runtime.kafka import Outgoing, Publisher
from postroom_runtime.records import Incoming, read

from tests.unit.router.build import KEYS, at, configuration

NAMES = {t.name: t for t in (INBOUND_MESSAGES, CONVERSATION_COMMANDS, CONVERSATION_EVENTS)}


class Log:
    """Topics of one partition. `fail_in` counts down to a publication that is lost half way, as by a crash."""

    def __init__(self) -> None:
        self.topics: dict[str, list[ConsumerRecord]] = {name: [] for name in NAMES}
        self.fail_in = 0

    def topic(self, topic: Topic) -> str:
        return topic.name

    def outgoing(self, topic: Topic, event: Event) -> Outgoing:
        return Outgoing(topic.name, event.key.encode(), encode_body(event.data), encode_headers(event))

    async def publish(self, records: Iterable[Outgoing]) -> None:
        sent = list(records)
        self.fail_in -= 1
        if self.fail_in == 0:
            sent = sent[: len(sent) // 2]
        for record in sent:
            there = self.topics[record.topic]
            there.append(_record(record, len(there)))
        if self.fail_in == 0:
            raise InfrastructureError("planted")

    def events(self, topic: Topic) -> list[Event]:
        """Return the events, repeats dropped."""
        found: dict[tuple[str, str], Event] = {}
        for record in self.topics[topic.name]:
            event = decode(dict(record.headers), record.value, MODELS)
            found.setdefault((event.source, event.id), event)
        return list(found.values())


def _record(record: Outgoing, offset: int) -> ConsumerRecord:
    headers = tuple(record.headers)
    return ConsumerRecord(record.topic, 0, offset, 0, 0, record.key, record.body, None, 0, 0, headers)


class JitteryClaims(InMemoryClaims):
    """Lets other members run between any two steps, in an order that the seed decides."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance

    async def load(self, claims: Iterable[str]) -> dict[str, Row]:
        found = await super().load(list(claims))
        await self._others_run()
        return found

    async def insert(self, rows: Mapping[str, Row]) -> set[str]:
        lost: set[str] = set()
        for claim, row in rows.items():  # unordered: one by one, others in between
            lost |= await super().insert({claim: row})
            await self._others_run()
        return lost

    async def move(self, rows: Mapping[str, Row]) -> None:
        await self._others_run()
        await super().move(rows)

    async def _others_run(self) -> None:
        for _ in range(self._chance.randint(0, 4)):
            await asyncio.sleep(0)


class House:
    """`rules` of the company; `seed` decides how members interleave."""

    def __init__(self, rules: Sequence[dict[str, Any]] = (), seed: int = 0) -> None:
        self.log, self.clock = Log(), ManualClock(at(0))
        self.chance = random.Random(seed)
        self.configurations = Configurations()
        self.configure(1, rules)
        self.companies = Companies(self.configurations)
        self.claims = JitteryClaims(self.chance)
        self.contacts, self.merges, self.content = InMemoryContacts(), InMemoryMerges(), InMemoryContentStore()
        self.erasures = InMemoryErasures()
        self.store = InMemoryDocumentStore(Conversation)
        self.publisher = cast("Publisher", self.log)
        self.fold = self.new_fold()
        self.commands_done = 0

    def configure(self, version: int, rules: Sequence[dict[str, Any]] = ()) -> None:
        self.configurations.add(
            ConfigurationApplied(configuration_version=version, applied_at=at(0), configuration=configuration(rules))
        )

    def new_fold(self) -> Fold[Conversation, Batch]:
        decider = ConversationDecider(
            companies=self.companies,
            contacts=self.contacts,
            merges=self.merges,
            targets=self,
            content=self.content,
            claims=self.claims,
            clock=self.clock,
            keys=KEYS,
            erasures=self.erasures,
        )
        return Fold(
            service="router",
            decider=decider,
            store=self.store,
            publisher=self.publisher,
            clock=self.clock,
            models=commands_handled_by("router"),
        )

    async def existing(self, conversation_ids: Sequence[str]) -> frozenset[str]:
        there = self.store.stored
        return frozenset(i for i in conversation_ids if i in there and (there[i]["state"] or {}).get("inbox_id"))

    def thread(self) -> ThreadStep:
        return ThreadStep(
            claims=self.claims, publisher=self.publisher, clock=self.clock, company=self.companies.latest, keys=KEYS
        )

    def arrives(self, *mails: InboundReceived) -> list[Incoming]:
        """Put mails on `inbound-messages` and return them as a batch."""
        batch = []
        for mail in mails:
            event = new_event(
                mail, source=source_of("ingest"), cause_id=mail.ledger_id, subject=mail.inbox_id, time=at(0), key="k"
            )
            event = Event(**{**{f: getattr(event, f) for f in event.__slots__}, "id": mail.message_id})
            record = _record(self.log.outgoing(INBOUND_MESSAGES, event), len(self.log.topics[INBOUND_MESSAGES.name]))
            self.log.topics[INBOUND_MESSAGES.name].append(record)
            batch.append(_incoming(record, models_of(INBOUND_MESSAGES)))
        return batch

    async def threads(self, *mails: InboundReceived) -> None:
        await self.thread().handle(self.arrives(*mails), {})

    async def asks(self, command: Data, conversation_id: str, request: str) -> None:
        event = new_event(
            command, source=source_of("desk"), cause_id=request, subject=conversation_id, time=self.clock.now()
        )
        await self.log.publish([self.log.outgoing(CONVERSATION_COMMANDS, event)])

    async def decides(self) -> None:
        """Decide what stands on the commands' topic, and what comes of it, in batches of drawn sizes."""
        commands = self.log.topics[CONVERSATION_COMMANDS.name]
        while self.commands_done < len(commands):
            size = min(self.chance.randint(1, 20), len(commands) - self.commands_done)
            await self.decide_batch(self.commands_done, size)
            self.commands_done += size

    async def decide_batch(self, start: int, size: int) -> None:
        records = self.log.topics[CONVERSATION_COMMANDS.name][start : start + size]
        batch = [_incoming(record, self.fold.models) for record in records]
        try:
            await self.fold.handle(batch, {"commands-0": start})
        except (ConflictError, RecordFailedError):
            for incoming in batch:
                await self.fold.handle([incoming], {"commands-0": start})

    def state(self, conversation_id: str) -> Conversation:
        return Conversation.model_validate(self.store.stored[conversation_id]["state"])

    def final(self, conversation_id: str) -> str:
        """Return the conversation that this one was merged into in the end."""
        while (onward := self.state(conversation_id).merged_into) is not None:
            conversation_id = onward
        return conversation_id

    def facts(self) -> list[Event]:
        return self.log.events(CONVERSATION_EVENTS)


def _incoming(record: ConsumerRecord, models: Mapping[str, type[Data]]) -> Incoming:
    found = read(
        record, models, {INBOUND_MESSAGES.name: "inbound", CONVERSATION_COMMANDS.name: "commands"}, frozenset()
    )
    assert isinstance(found, Incoming), found
    return found
