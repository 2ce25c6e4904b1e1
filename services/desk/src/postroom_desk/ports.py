"""What the desk needs of the world."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from postroom_contracts.configuration import ConfigurationApplied
from postroom_contracts.events import Event

from postroom_desk.domain.due import Reckoned
from postroom_desk.domain.filters import SavedFilter
from postroom_desk.domain.folders import FolderTable
from postroom_desk.domain.logged import LoggedEvent
from postroom_desk.domain.pictures import NoPicture, Picture
from postroom_desk.domain.positions import LogPosition, Positions
from postroom_desk.domain.queries import ListQuery
from postroom_desk.domain.search.entries import Entry, Person
from postroom_desk.domain.search.query import SearchQuery
from postroom_desk.domain.search.ranking import ConversationState, Hit
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

    async def scheduled(self, readable: frozenset[str]) -> list[tuple[str, ConversationView]]:
        """Return conversations of readable inboxes in which a reply waits for its time, with messages; at most 500."""
        ...


class DueDates(Protocol):
    """The deadlines by which lists are sorted."""

    async def stale(self, configuration_version: int, limit: int) -> list[tuple[str, int, ConversationView]]:
        """Return id, version and view (without messages) of conversations whose deadline has to be reckoned anew.

        Never reckoned, or with an older configuration, or from an older document.
        """
        ...

    async def put(self, reckoned: Sequence[tuple[str, int, Reckoned]]) -> None:
        """Write deadlines of documents that still are of these versions; others were reckoned meanwhile."""
        ...


class FolderCounts(Protocol):
    async def table(self) -> FolderTable:
        """Count all folders of the house as they stand."""
        ...


class Marks(Protocol):
    """Who has read what: the desk's own knowledge, no fact; reading never means that something was done."""

    async def read(self, conversation_id: str, agent_id: str, at: datetime) -> None:
        """Note that an agent has read all that there was at `at`; earlier than noted changes nothing."""
        ...

    async def unread(self, conversation_id: str, agent_id: str) -> None:
        """Forget that this agent has read it; that somebody looked at it stays."""
        ...

    async def read_at(self, ids: Iterable[str], agent_id: str) -> dict[str, datetime]:
        """Return when the agent last read each; one that they never read is absent."""
        ...


class Pictures(Protocol):
    """Pictures on strangers' servers."""

    any_port: bool

    async def fetch(self, addresses: Iterable[str]) -> dict[str, Picture | NoPicture]:
        """Return for each address what came of it; never raises, and ends in bounded time."""
        ...


class PictureSenders(Protocol):
    """From whom a person always wants pictures; addresses in lower case, at most 500."""

    async def of(self, agent_id: str) -> list[str]: ...

    async def add(self, agent_id: str, address: str) -> None: ...

    async def remove(self, agent_id: str, address: str) -> None: ...


class Filters(Protocol):
    """Saved filters, by id."""

    async def of(self, agent_id: str, teams: Iterable[str]) -> list[SavedFilter]:
        """Return those of this agent and those shared with `teams`, by name."""
        ...

    async def get(self, filter_id: str) -> SavedFilter | None: ...

    async def put(self, saved: SavedFilter) -> None: ...

    async def delete(self, filter_id: str) -> None: ...


class SearchReads(Protocol):
    """The search index, as it stands. Entries of an inbox that is not named do not exist."""

    async def few(self, query: SearchQuery, readable: frozenset[str], most: int) -> list[str] | None:
        """Return the conversations that are in the state which the query wants, if they are at most `most`."""
        ...

    async def hits(
        self, query: SearchQuery, inboxes: frozenset[str], only: Sequence[str] | None, until: datetime
    ) -> tuple[list[Hit], datetime | None]:
        """Return entries older than `until` that hold the query's words, newest first, and where to go on.

        `only`: entries of these conversations alone. None as second: there are no older ones. How much is read at once is
        bounded, so that the list may be empty and not the end.
        """
        ...

    async def newer(
        self, query: SearchQuery, inboxes: frozenset[str], conversations: Sequence[str], since: datetime
    ) -> set[str]:
        """Return those of `conversations` that have such an entry at `since` or later."""
        ...

    async def states(
        self, ids: Sequence[str], query: SearchQuery, readable: frozenset[str]
    ) -> dict[str, ConversationState]:
        """Return those of `ids` in `readable` inboxes that are in the state which the query wants, or were merged."""
        ...

    async def views(self, ids: Sequence[str]) -> dict[str, ConversationView]:
        """Return conversations to be shown, without their messages."""
        ...


class SearchWrites(Protocol):
    """The search index as its one writer sees it. Every call may be repeated."""

    async def put(self, entries: Sequence[Entry], people: Sequence[Person]) -> None: ...

    async def erase(self, message_ids: Iterable[str], contact_ids: Iterable[str]) -> None:
        """Forget messages, and what people of these contacts are called."""
        ...

    async def move(self, conversation_id: str, inbox_id: str) -> None:
        """Have a conversation's entries found in another inbox."""
        ...

    async def give(self, message_ids: Sequence[str], conversation_id: str) -> None:
        """Have these messages found as another conversation's, which was split off."""
        ...

    async def forget_all(self) -> None: ...


class Suggestions(Protocol):
    async def suggest(self, words: Sequence[str], inboxes: frozenset[str], limit: int) -> list[Person]:
        """Return people of `inboxes` who have all `words` (or their beginnings) in name or address, last seen first."""
        ...


class EventLog(Protocol):
    """The facts that the read model has taken in, as they stood on Kafka."""

    async def record(self, events: Sequence[LoggedEvent], reached: Iterable[LogPosition]) -> None:
        """Keep events (again: no change), then note up to where each partition is taken in."""
        ...

    async def progress(self) -> Positions:
        """Return up to where each partition is taken in: every event at or below is in the read model."""
        ...

    async def of_conversation(self, conversation_id: str, after: LogPosition | None, limit: int) -> list[LoggedEvent]:
        """Return facts of one conversation in their order, those on the present topic alone."""
        ...

    async def newest_of(
        self, conversation_id: str, limit: int, since: datetime | None = None, until: datetime | None = None
    ) -> list[LoggedEvent]:
        """Return the newest facts of one conversation that were recorded from `since` on and before `until`, in their order."""
        ...

    async def by_id(self, conversation_id: str, event_id: str) -> LoggedEvent | None: ...

    async def caused_by(self, request_id: str, limit: int = 100) -> list[LoggedEvent]: ...

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

    async def at(self, version: int) -> ConfigurationApplied | None: ...

    async def history(self, before: int | None, limit: int) -> list[ConfigurationApplied]:
        """Return versions below `before` (None: all), the newest first."""
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
