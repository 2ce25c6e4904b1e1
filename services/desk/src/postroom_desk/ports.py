"""What the desk needs of the world."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from postroom_contracts.configuration import ConfigurationApplied
from postroom_contracts.events import Event

from postroom_desk.domain.logged import LoggedEvent
from postroom_desk.domain.positions import LogPosition, Positions
from postroom_desk.domain.queries import ListQuery
from postroom_desk.domain.view import ConversationView


@dataclass(frozen=True, slots=True)
class CountRow:
    """How many conversations share status, team, inbox, and whether somebody owns them."""

    status: str
    team_id: str | None
    inbox_id: str
    owned: bool
    archived: bool
    conversations: int
    received: int
    sent: int


class ConversationReads(Protocol):
    """The read model, as it stands. Every call ends in one query; InfrastructureError when MongoDB does not answer."""

    async def get(self, ids: Iterable[str], readable: frozenset[str] | None) -> dict[str, ConversationView]:
        """Return what is known of `ids`; an unknown id is absent, as is one of an inbox that is not `readable`.

        None: of whatever inbox, for what is shown only to those who may see it by another right.
        """
        ...

    async def inboxes(self, ids: Iterable[str]) -> dict[str, str]:
        """Return the inbox of each conversation; an unknown id is absent."""
        ...

    async def find(self, query: ListQuery) -> list[tuple[str, ConversationView]]:
        """Return at most `query.limit + 1` conversations in its order, without their messages."""
        ...

    async def counts(self) -> list[CountRow]: ...


class EventLog(Protocol):
    """The facts that the read model has taken in, as they stood on Kafka."""

    async def record(self, events: Sequence[LoggedEvent], reached: Iterable[LogPosition]) -> None:
        """Keep events (again: no change), then note up to where each partition is taken in."""
        ...

    async def progress(self) -> Positions:
        """Return up to where each partition is taken in: every event at or below is in the read model."""
        ...

    async def of_conversation(self, conversation_id: str, after: LogPosition | None, limit: int) -> list[LoggedEvent]:
        """Return facts of one conversation in their order."""
        ...

    async def by_id(self, conversation_id: str, event_id: str) -> LoggedEvent | None: ...

    async def caused_by(self, request_id: str) -> list[LoggedEvent]: ...

    async def between(self, after: Positions, until: Positions, limit: int) -> list[LoggedEvent]:
        """Return the events above `after` and at or below `until`, in order per partition."""
        ...

    async def newest(self, limit: int) -> list[LoggedEvent]: ...


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """A request that was taken: what it was, and a digest of all that was asked, to recognise its repeat.

    `by`: the key of the principal who asked.
    """

    id: str
    command: str
    conversation_id: str
    fingerprint: str
    at: datetime
    by: str = ""


class RequestStore(Protocol):
    async def remember(self, request: RequestRecord) -> RequestRecord | None:
        """Store it unless its id is there; return the one that was there before, or None."""
        ...

    async def get(self, request_id: str) -> RequestRecord | None: ...


class Commands(Protocol):
    """Publishes commands, keyed, with all acknowledgements. Raises InfrastructureError within its own deadline."""

    async def publish(self, event: Event) -> None: ...


class ConfigurationStore(Protocol):
    """Versions of the configuration; a version is written by exactly one writer."""

    async def latest(self) -> ConfigurationApplied | None: ...

    async def add(self, applied: ConfigurationApplied) -> bool:
        """Store as that version; False when the version is taken."""
        ...

    async def unpublished(self) -> list[ConfigurationApplied]:
        """Return what is not marked as published, oldest first."""
        ...

    async def mark_published(self, version: int) -> None: ...


class ConfigurationPublisher(Protocol):
    async def __call__(self, applied: ConfigurationApplied) -> None: ...


class Figures(Protocol):
    """Figures of analytics over its REST API."""

    async def get(self, path: str, query: Mapping[str, str]) -> tuple[int, Any] | None:
        """Return status and JSON; None when it is not configured or does not answer in time."""
        ...


class Demo(Protocol):
    """The demo's controls: sends a test mail, kills a service, says how far it is."""

    async def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, Any] | None: ...


class WebhookDoor(Protocol):
    """The notifier's REST API of webhooks."""

    async def ask(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> tuple[int, Any] | None:
        """Return status and JSON; None when it does not answer in time."""
        ...
