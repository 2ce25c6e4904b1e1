"""The read model anew: every conversation is folded again from its facts, one by one, while the desk goes on.

A conversation is exchanged in one guarded write, so nobody sees half of one, and what the consumer folds meanwhile wins: its
document has another version by then, and is folded again. A run that dies is begun anew; it changes nothing twice.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog
from postroom_contracts.topics import CONVERSATION_EVENTS
from postroom_runtime import mongo
from postroom_runtime.clock import SystemClock
from postroom_runtime.documents import Ahead, Document
from postroom_runtime.errors import ConflictError
from postroom_runtime.kafka import client_options
from postroom_runtime.leases import LeaseStore, own_name
from postroom_runtime.mongo import Database
from postroom_runtime.records import Position
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.tail import read_to_end
from postroom_runtime.topic_ids import read_topic_ids

from postroom_desk.adapters.documents import ConversationDocuments
from postroom_desk.adapters.event_log import MongoEventLog
from postroom_desk.domain.logged import LoggedEvent, logged_event
from postroom_desk.domain.positions import LogPosition, Positions
from postroom_desk.domain.refold import refold
from postroom_desk.domain.view import SHAPE, ConversationView

log = structlog.get_logger(__name__)
CHUNK = 100
READ_CHUNK = 500
TRIES = 20
_AGAIN_SECONDS = 0.25
LEASE_SECONDS = 30.0
Progress = Callable[[str, int], None]


class RebuildRunningError(Exception):
    """Another rebuild is under way."""


@dataclass(slots=True)
class Rebuilt:
    """What a run did; `failed` are conversations that could not be folded, left as they were."""

    facts: int = 0
    conversations: int = 0
    failed: list[str] = field(default_factory=list)


async def rebuild(settings: RuntimeSettings, progress: Progress = lambda _what, _n: None) -> Rebuilt:
    """Read `conversation-events` from offset 0, keep what is missing, then fold every conversation anew.

    Raises RebuildRunningError; KafkaError, InfrastructureError, LookupError when a server or the topic is away.
    """
    client = mongo.connect(settings)
    database = mongo.database(client, settings, "desk")
    topic = settings.topic(CONVERSATION_EVENTS.name)
    try:
        async with alone(LeaseStore(database["leases"], SystemClock(), own_name())):
            topic_id = (await read_topic_ids(client_options(settings), [topic]))[topic]
            events = MongoEventLog(database, topic_id)
            await events.prepare()
            facts = await keep_facts(settings, topic, events, progress)
            result = await Refolding(database, events, topic).run(progress)
            result.facts = facts
            return result
    finally:
        await mongo.close(client)


@asynccontextmanager
async def alone(leases: LeaseStore) -> AsyncIterator[None]:
    """Hold the lease of rebuilding, renewed until the end of the block. Raises RebuildRunningError."""
    lease = await leases.acquire("rebuild", LEASE_SECONDS)
    if lease is None:
        raise RebuildRunningError(f"another rebuild is under way; if it died, wait {LEASE_SECONDS:.0f} s")

    async def renew() -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            await leases.acquire("rebuild", LEASE_SECONDS)

    renewing = asyncio.create_task(renew(), name="rebuild lease")
    try:
        yield
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        await leases.release(lease)


async def keep_facts(
    settings: RuntimeSettings, topic: str, events: MongoEventLog, progress: Progress = lambda _what, _n: None
) -> int:
    """Keep every readable record of the topic; those that are there already stay as they are."""
    waiting: list[LoggedEvent] = []
    count = 0
    async for record in read_to_end(settings, topic):
        position = LogPosition(record.partition, record.offset)
        event = logged_event(position, dict(record.headers), record.value, record.timestamp)
        waiting += [event] if event is not None else []
        if len(waiting) >= READ_CHUNK:
            await events.record(waiting, [])
            count += len(waiting)
            waiting = []
            progress("facts read", count)
    await events.record(waiting, [])
    return count + len(waiting)


class Refolding:
    """Folds all conversations of one database anew. `stopped`: no desk runs, so that all facts that there are, are kept."""

    def __init__(self, database: Database, events: MongoEventLog, topic: str, *, stopped: bool = False) -> None:
        self._stopped = stopped
        self._meta = database["meta"]
        self._store = ConversationDocuments(database["conversations"], ConversationView)
        self._events = events
        self._topic = topic

    async def needed(self) -> bool:
        """Say whether the documents are of another shape than this release folds."""
        found = await self._meta.find_one({"_id": "read-model"})
        return found is None or found["shape"] != SHAPE

    async def run(self, progress: Progress = lambda _what, _n: None) -> Rebuilt:
        result = Rebuilt()
        ids = await self._events.conversations()
        for start in range(0, len(ids), CHUNK):
            chunk = ids[start : start + CHUNK]
            result.failed += await self._chunk(chunk)
            result.conversations += len(chunk)
            progress("conversations folded", result.conversations)
        await self._meta.update_one({"_id": "read-model"}, {"$set": {"shape": SHAPE}}, upsert=True)
        return result

    async def _chunk(self, ids: Sequence[str]) -> list[str]:
        """Fold these anew; return those that could not be, because facts which they have taken in do not come up."""
        left = list(ids)
        for _ in range(TRIES):
            left = await self._try(left)
            if not left:
                return []
            await asyncio.sleep(_AGAIN_SECONDS)
        log.error("conversations could not be folded anew", conversations=left)
        return left

    async def _try(self, ids: Sequence[str]) -> list[str]:
        # In this order: what is saved after a document was loaded gives it another version, and what a document has taken
        # in is kept as a fact before `progress` says so.
        documents = await self._store.load(ids)
        progress = await self._events.progress()
        facts = await self._events.of_conversations(ids)
        left = [i for i, document in documents.items() if not (self._stopped or _complete(document, progress))]
        ready = [d for i, d in documents.items() if i not in left]
        for document in ready:
            self._put(document, facts.get(document.id, ()))
        try:
            await self._store.save([d for d in ready if d.state is not None or d.ahead])
        except ConflictError:
            return list(ids)
        return left

    def _put(self, document: Document[ConversationView], facts: Sequence[LoggedEvent]) -> None:
        """Put what is folded from `facts` into the document; numbers that are only to be skipped stay."""
        found = refold(facts, document.seen)
        skipped = [a for a in document.ahead if a.body is None and a.sequence > found.seen.get(a.source, 0)]
        by_position = {f.position: f for f in facts}
        document.state = found.view
        if self._stopped:  # states with places on a topic that is gone, which a repeat would publish again
            document.out = []
        document.seen = {**document.seen, **found.seen}
        document.ahead = [*skipped, *(self._ahead(e.source, e.sequence or 0, by_position[p]) for e, p in found.waiting)]
        document.note_gap(min((event.time for event, _ in found.waiting), default=datetime.now(UTC)))

    def _ahead(self, source: str, sequence: int, fact: LoggedEvent) -> Ahead:
        place = Position(self._events.topic_id, fact.position.partition, fact.position.offset)
        headers = [(name, value.encode()) for name, value in fact.headers.items()]
        return Ahead(source, sequence, headers, fact.body, place, self._topic)


def _complete(document: Document[ConversationView], progress: Positions) -> bool:
    """Say whether all that the document has taken in is kept as facts."""
    state = document.state
    places = [LogPosition(a.position.partition, a.position.offset) for a in document.ahead]
    places += [LogPosition(state.partition, state.offset)] if state is not None else []
    return all(progress.includes(place) for place in places)


async def keep_shape(refolding: Refolding, leases: LeaseStore) -> None:
    """Fold everything anew, once, if an earlier release folded it; other replicas wait for the one that does."""
    while await refolding.needed():
        try:
            async with alone(leases):
                if await refolding.needed():
                    log.info("the read model is folded anew", shape=SHAPE)
                    done = await refolding.run()
                    log.info("the read model was folded anew", conversations=done.conversations)
        except RebuildRunningError:
            await asyncio.sleep(LEASE_SECONDS / 3)
