"""After a loss, while no service runs: what MongoDB and Kafka know of each other is brought together again.

Facts that MongoDB holds and the log lacks are published; facts that the log holds and MongoDB lacks are taken over by the
service that made them. Each service gives its part by the entry point group `postroom.recovery`: a `ServiceRecovery`.
A second run finds nothing to do.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from postroom_contracts.events import Event, decode
from postroom_contracts.registry import models_of
from postroom_contracts.topics import CONVERSATION_EVENTS

from postroom_runtime import mongo
from postroom_runtime.clock import Clock
from postroom_runtime.kafka import Outgoing, Publisher
from postroom_runtime.mongo import Database, MongoClient
from postroom_runtime.records import header_map
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.tail import read_to_end

RECOVERY = "postroom.recovery"
MODELS = models_of(CONVERSATION_EVENTS)
Stream = tuple[str, str]
"""Conversation and source: what a number counts in."""


@dataclass(slots=True)
class Numbers:
    """The numbers of one stream that stand on the log: all up to `upto`, and single ones beyond a gap."""

    upto: int = 0
    beyond: set[int] = field(default_factory=set)

    def add(self, number: int) -> None:
        if number > self.upto:
            self.beyond.add(number)
            while self.upto + 1 in self.beyond:
                self.upto += 1
                self.beyond.discard(self.upto)

    def __contains__(self, number: int) -> bool:
        return number <= self.upto or number in self.beyond

    @property
    def last(self) -> int:
        return max(self.beyond, default=self.upto)

    def missing(self, last: int) -> list[int]:
        """Return the numbers up to `last` that are not there."""
        return [n for n in range(self.upto + 1, max(last, self.last) + 1) if n not in self.beyond]


@dataclass(slots=True)
class Log:
    """What stands on `conversation-events`: about 0.3 kB of memory for each stream, and the facts since the backup."""

    numbers: dict[Stream, Numbers] = field(default_factory=dict)
    recent: list[Event] = field(default_factory=list)
    """Facts at or after `since` by their own time, in the order of their partitions, each once."""

    def of(self, conversation_id: str, source: str) -> Numbers:
        return self.numbers.setdefault((conversation_id, source), Numbers())

    def note(self, event: Event) -> bool:
        """Take a fact in; return whether it is new."""
        numbers, number = self.of(event.subject, event.source), event.sequence or 0
        new = number not in numbers
        numbers.add(number)
        return new


@dataclass(slots=True)
class Recovery:
    """What a service's part is given. `since` is a moment before the older of the two backups."""

    settings: RuntimeSettings
    clock: Clock
    client: MongoClient
    publisher: Publisher
    since: datetime
    log: Log = field(default_factory=Log)
    ends: Mapping[str, int] = field(default_factory=dict)
    """Where each stream (Kafka's id of the topic, partition) ended before anything was published: what is said to stand
    there or behind it stood there before the topic was restored to an earlier moment, and does no more."""

    def database(self, name: str) -> Database:
        return mongo.database(self.client, self.settings, name)

    async def read_log(self) -> int:
        """Read the log from its first record; return how many facts stand there. What nobody can read is passed over."""
        self.log, count = Log(), 0
        async for record in read_to_end(self.settings, self.settings.topic(CONVERSATION_EVENTS.name)):
            event = fact_of(header_map(record), record.value)
            if event is None:
                continue
            count += 1
            if self.log.note(event) and event.time >= self.since:
                self.log.recent.append(event)
        return count

    async def publish_missing(self, facts: Iterable[Outgoing]) -> int:
        """Publish the facts of which the log lacks the number, in the given order; return how many."""
        wanted = []
        for record in facts:
            event = fact_of({name: value for name, value in record.headers}, record.body)  # noqa: C416 - the types differ
            if event is not None and self.log.note(event):
                wanted.append(record)
        await self.publisher.publish(wanted)
        return len(wanted)


def fact_of(headers: Mapping[str, bytes | None], body: bytes | None) -> Event | None:
    """Return the numbered fact of a record; None for whatever else it is."""
    try:
        event = decode(headers, body, MODELS)
    except ValueError:
        return None
    return event if event.sequence else None


Part = Callable[[Recovery], Awaitable[list[str]]]
"""Does something and returns lines that say what; none when there was nothing to do."""


async def nothing(recovery: Recovery) -> list[str]:  # noqa: ARG001 - the form of a part
    return []


async def no_folds(recovery: Recovery) -> dict[str, tuple[str, ...]]:  # noqa: ARG001 - likewise
    return {}


@dataclass(frozen=True, slots=True)
class ServiceRecovery:
    """One service's part. Carried out over all services: `to_log`, then `from_log`, then `afterwards`."""

    service: str
    rank: int = 1
    """Who holds more of the log comes first."""
    numbered: str | None = None
    """Collection whose documents give this service's facts their numbers (`sequence`)."""
    follows_commands: str | None = None
    """Collection of its fold whose documents note the positions of commands (`applied`)."""
    folds: Callable[[Recovery], Awaitable[Mapping[str, tuple[str, ...]]]] = no_folds
    """Returns group -> collections of its documents that note the last number of each source (`seen`)."""
    to_log: Part = nothing
    """Publishes facts that only this service holds."""
    from_log: Part = nothing
    """Takes over facts of its own that it does not know any more."""
    afterwards: Part = nothing
