"""A small company, its facts and requests, and the assigner's fold on doubles: what the tests of the assigner share."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiokafka import ConsumerRecord
from postroom_assigner.adapters.memory import InMemoryAgentLoads
from postroom_assigner.app import UNNUMBERED, followed
from postroom_assigner.domain.assignment import Assignment
from postroom_assigner.handlers import Assignments, Versions
from postroom_contracts.configuration import Configuration
from postroom_contracts.events import Data, Event, decode, encode_body, encode_headers, new_event
from postroom_contracts.facts import Fact, MessageReceived
from postroom_contracts.registry import BY_TYPE, MODELS, source_of
from postroom_contracts.topics import CONVERSATION_COMMANDS, CONVERSATION_EVENTS
from postroom_contracts.values import Actor, Channel, ContentReference, Priority, Status
from postroom_runtime.clock import ManualClock
from postroom_runtime.configuration_feed import Configurations
from postroom_runtime.documents import InMemoryDocumentStore
from postroom_runtime.errors import ConflictError
from postroom_runtime.fold import Fold, RecordFailedError
from postroom_runtime.kafka import Outgoing
from postroom_runtime.records import Incoming, read

from tests.validation import validate_record

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
"""A Wednesday."""
ALWAYS = {day: ["00:00-24:00"] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
TOPIC_IDS = {"t-conversation-events": "events", "t-conversation-commands": "commands"}


def company(
    agents: Iterable[dict[str, Any]] | int = 3,
    *,
    assignment: str = "least_loaded",
    teams: Sequence[dict[str, Any]] | None = None,
    hours: dict[str, list[str]] | None = None,
    capacity: int | None = None,
) -> Configuration:
    """Return a company of one team, `front`, with agents a0, a1, ...; open at all hours unless `hours` says otherwise."""
    people = [{"id": f"a{n}", "capacity": capacity} for n in range(agents)] if isinstance(agents, int) else list(agents)
    people = [{"first_name": p["id"], "email": f"{p['id']}@company.test"} | p for p in people]
    front = {"id": "front", "name": "Front", "members": [p["id"] for p in people], "assignment": assignment}
    return Configuration.model_validate(
        {
            "company": {"name": "Company", "default_calendar": "hours"},
            "calendars": [{"id": "hours", "time_zone": "UTC", "hours": ALWAYS if hours is None else hours}],
            "inboxes": [
                {
                    "id": "support",
                    "name": "S",
                    "account": "m",
                    "address": "s@company.test",
                    "teams": ["front", *(t["id"] for t in teams or () if t["id"] != "front")],
                }
            ],
            "teams": list(teams) if teams is not None else [front],
            "agents": people,
        }
    )


def received(n: int = 1, **changes: Any) -> MessageReceived:
    """Return the fact of a message that opened its conversation."""
    values: dict[str, Any] = {
        "message_id": f"m{n}",
        "ledger_id": f"l{n}",
        "account_id": "m",
        "inbox_id": "support",
        "channel": Channel.EMAIL,
        "message_kind": "message",
        "contact_id": "c1",
        "content": ContentReference(content_id="t1", sha256="0"),
        "body_bytes": 2000,
        "received_at": NOON,
        "ingested_at": NOON,
        "opened": True,
        "status": Status.OPEN,
        "team_id": "front",
        "priority": Priority.NORMAL,
        "configuration_version": 1,
    }
    return MessageReceived(**(values | changes))


def agent(agent_id: str) -> Actor:
    return Actor(kind="agent", id=agent_id)


def publisher_of(data: Data) -> str:
    return source_of(BY_TYPE[data.type_name()].producers[0])


@dataclass(slots=True)
class RecordingPublisher:
    """Keeps what is published, once per id as a reader would, and checks it against the schemas."""

    events: list[Event] = field(default_factory=list)
    _ids: set[str] = field(default_factory=set)

    def outgoing(self, topic: Any, event: Event) -> Outgoing:
        return Outgoing(f"t-{topic.name}", event.key.encode(), encode_body(event.data), encode_headers(event))

    async def publish(self, records: Iterable[Outgoing]) -> None:
        for record in records:
            event = decode(dict(record.headers), record.body, MODELS)
            if event.id not in self._ids:
                validate_record(record_of(event, 0))
                self._ids.add(event.id)
                self.events.append(event)

    async def publish_events(self, topic: Any, events: Iterable[Event]) -> None:
        await self.publish(self.outgoing(topic, event) for event in events)

    def facts(self, conversation: str | None = None) -> list[Fact]:
        found = [e.data for e in self.events if conversation in (None, e.key)]
        return [data for data in found if isinstance(data, Fact)]


def record_of(event: Event, offset: int) -> ConsumerRecord[bytes, bytes]:
    topic = CONVERSATION_EVENTS if event.data.kind == "fact" else CONVERSATION_COMMANDS
    body = encode_body(event.data)
    headers = tuple(encode_headers(event))
    return ConsumerRecord(
        f"t-{topic.name}", 0, offset, 0, 0, event.key.encode(), body, None, len(event.key), len(body), headers
    )


def config_of(*versions: Configuration) -> Configurations:
    """Return these as versions 1, 2, ..."""
    found = Configurations()
    for configuration in versions:
        add_version(found, configuration)
    return found


def add_version(configurations: Configurations, configuration: Configuration) -> None:
    from postroom_contracts.configuration import ConfigurationApplied

    configurations.add(
        ConfigurationApplied(
            configuration_version=configurations.latest_version + 1, applied_at=NOON, configuration=configuration
        )
    )


class World:
    """The fold on doubles. `tell` puts facts and requests in one batch, each new record behind those before."""

    def __init__(self, configuration: Configuration, **doubles: Any) -> None:
        self.clock = doubles.get("clock") or ManualClock(NOON)
        self.configurations = config_of(configuration)
        self.versions = Versions(self.configurations.at, lambda: self.configurations.latest_version)
        self.loads: Any = doubles.get("loads") or InMemoryAgentLoads()
        self.store: Any = doubles.get("store") or InMemoryDocumentStore(Assignment)
        self.publisher = RecordingPublisher()
        self.freed = 0
        self.sequences: dict[str, int] = {}
        self.offsets = {"fact": 0, "command": 0}
        self.decider = Assignments(loads=self.loads, versions=self.versions, clock=self.clock, on_free=self._on_free)
        self.fold: Fold[Assignment, Any] = Fold(
            service="assigner",
            decider=self.decider,
            store=self.store,
            publisher=self.publisher,  # type: ignore[arg-type]  # the double has what a fold uses
            clock=self.clock,
            models=followed(),
            unnumbered=UNNUMBERED,
        )

    def _on_free(self) -> None:
        self.freed += 1

    def incoming(self, conversation: str, data: Data, cause: str = "") -> Incoming:
        """Return the next record of `conversation`."""
        sequence = None
        if data.kind == "fact":
            sequence = self.sequences[conversation] = self.sequences.get(conversation, 0) + 1
        offset = self.offsets[data.kind] = self.offsets[data.kind] + 1
        event = new_event(
            data,
            source=publisher_of(data),
            cause_id=cause or f"cause-{data.kind}-{offset}",
            subject=conversation,
            time=self.clock.now(),
            sequence=sequence,
        )
        found = read(record_of(event, offset), followed(), TOPIC_IDS, frozenset())
        assert isinstance(found, Incoming), found
        return found

    async def tell(self, *records: tuple[str, Data]) -> list[Incoming]:
        """Handle these as one batch, as the consumer does: singly after a conflict. Returns the batch."""
        batch = [self.incoming(conversation, data) for conversation, data in records]
        await self.handle(batch)
        return batch

    async def handle(self, batch: Sequence[Incoming]) -> None:
        try:
            await self.fold.handle(batch, {})
        except (ConflictError, RecordFailedError) as error:
            if isinstance(error, RecordFailedError) and not isinstance(error.cause, ConflictError):
                raise
            for incoming in batch:
                await self.fold.handle([incoming], {})

    def state(self, conversation: str) -> Assignment:
        stored = self.store.stored[conversation]["state"]
        return Assignment.model_validate(stored)
