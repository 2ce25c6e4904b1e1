"""In-memory doubles of the desk's ports, and a desk built from them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import httpx
from fastapi import FastAPI
from postroom_contracts.configuration import ConfigurationApplied
from postroom_contracts.events import Data, Event, encode_body, encode_headers, new_event
from postroom_contracts.topics import Topic
from postroom_contracts.values import Status
from postroom_desk.answering.drafts import Drafts
from postroom_desk.answering.parts import Writing
from postroom_desk.answering.uploads import Upload, Uploads
from postroom_desk.api.build import build
from postroom_desk.bell.feed import BellFeed
from postroom_desk.bell.parts import Bell
from postroom_desk.bell.ringing import Ringer
from postroom_desk.bulk import BulkRecord
from postroom_desk.configuration_writer import ConfigurationWriter
from postroom_desk.domain.apply import apply
from postroom_desk.domain.draft import Draft
from postroom_desk.domain.due import due_order
from postroom_desk.domain.filters import SavedFilter
from postroom_desk.domain.folders import FacetRow, FolderTable, PersonRow
from postroom_desk.domain.logged import LoggedEvent, logged_event
from postroom_desk.domain.positions import LogPosition, Positions
from postroom_desk.domain.queries import ListQuery, sorted_by
from postroom_desk.domain.ringing import rings_of
from postroom_desk.domain.saved_replies import Saved
from postroom_desk.domain.view import ConversationView
from postroom_desk.erasures import Erasures
from postroom_desk.folder_feed import folder_feed
from postroom_desk.identity.build import identity_of
from postroom_desk.identity.hashing import Hasher
from postroom_desk.identity.letters import Never, NotNow, Sent
from postroom_desk.identity.login import Begun
from postroom_desk.identity.people import Person
from postroom_desk.identity.sessions import Where, csrf_token
from postroom_desk.identity.sign_on import Provider
from postroom_desk.inboxes import Inboxes
from postroom_desk.live import Broadcaster, Subscription
from postroom_desk.parts import Parts
from postroom_desk.ports import CountRow, Pictures, RequestRecord
from postroom_desk.presence import Presence
from postroom_desk.reading import Reader
from postroom_desk.searching import Searcher
from postroom_desk.settings import DeskSettings
from postroom_desk.submit import RequestDoor
from postroom_runtime.clock import ManualClock
from postroom_runtime.configuration_feed import Configurations
from postroom_runtime.content_store import InMemoryContentStore
from postroom_runtime.errors import InfrastructureError

from tests.component.desk.bell_double import InMemoryNotifications
from tests.component.desk.identity_doubles import QUICK, InMemoryStores
from tests.component.desk.picture_double import InMemoryPictureSenders
from tests.component.desk.search_double import InMemorySearch
from tests.integration.desk.office import company

NOW = datetime(2026, 3, 6, 15, 30, tzinfo=UTC)
TOKEN = "token-of-the-tests-0001"
HIDDEN = (Status.SPAM, Status.DELETED, Status.MERGED)


class InMemoryConversations:
    """Port ConversationReads."""

    def __init__(self) -> None:
        self.views: dict[str, ConversationView] = {}
        self.away = False
        self.configuration = company()

    def _due(self, view: ConversationView) -> ConversationView:
        return view.model_copy(update={"due_order": due_order(view, self.configuration)})

    async def get(self, ids: Iterable[str], readable: frozenset[str] | None) -> dict[str, ConversationView]:
        if self.away:
            raise InfrastructureError("read conversations")
        found = {i: self.views[i] for i in ids if i in self.views}
        return {i: v for i, v in found.items() if readable is None or v.inbox_id in readable}

    async def inboxes(self, ids: Iterable[str]) -> dict[str, str]:
        return {i: view.inbox_id for i, view in (await self.get(ids, None)).items()}

    async def find(self, query: ListQuery) -> list[tuple[str, ConversationView]]:
        def fits(view: ConversationView) -> bool:
            wanted = view.status in query.statuses if query.statuses else view.status not in HIDDEN
            return (
                wanted
                and view.inbox_id in query.readable
                and query.inbox_id in (None, view.inbox_id)
                and query.team_id in (None, view.team_id)
                and query.owner_id in (None, view.owner_id)
                and (query.tag is None or query.tag in view.tags)
                and (query.contact_id is None or query.contact_id in view.contact_ids)
                and not (query.unassigned and view.owner_id)
                and (query.mentioned is None or query.mentioned in [m.agent_id for m in view.mentions])
                and (query.watcher is None or query.watcher in view.watchers)
                and not (query.unattended and not view.turn_open)
                and query.archived in (None, view.archived)
            )

        found = sorted(
            ((i, self._due(v) if query.sort == "deadline" else v) for i, v in self.views.items() if fits(v)),
            key=lambda pair: (sorted_by(pair[1], query.sort), pair[0]),
            reverse=query.sort == "newest",
        )
        if query.cursor is not None:
            place = next((n for n, (i, _) in enumerate(found) if query.cursor and i == query.cursor.id), -1)
            found = found[place + 1 :]
        return found[: query.limit + 1]

    async def scheduled(self, readable: frozenset[str]) -> list[tuple[str, ConversationView]]:
        return [
            (i, v)
            for i, v in self.views.items()
            if v.inbox_id in readable and any(m.delivery == "scheduled" for m in v.messages)
        ]

    async def counts(self) -> list[CountRow]:
        return [
            CountRow(v.status, v.team_id, v.inbox_id, v.owner_id is not None, v.archived, 1, v.received, v.sent)
            for v in self.views.values()
        ]


class InMemoryMarks:
    """Ports Marks and FolderCounts over the double of the read model."""

    def __init__(self, conversations: InMemoryConversations, drafts: "InMemoryDrafts") -> None:
        self._conversations = conversations
        self._drafts = drafts
        self.marks: dict[str, dict[str, datetime]] = {}
        self.looked_at: dict[str, datetime] = {}

    async def read(self, conversation_id: str, agent_id: str, at: datetime) -> None:
        self.marks.setdefault(conversation_id, {})[agent_id] = at
        self.looked_at[conversation_id] = at

    async def unread(self, conversation_id: str, agent_id: str) -> None:
        self.marks.get(conversation_id, {}).pop(agent_id, None)

    async def read_at(self, ids: Iterable[str], agent_id: str) -> dict[str, datetime]:
        return {i: self.marks[i][agent_id] for i in ids if agent_id in self.marks.get(i, {})}

    async def table(self) -> FolderTable:
        rows, mentions, watched = [], [], []
        for i, v in self._conversations.views.items():
            unattended = v.turn_open and not (i in self.looked_at and self.looked_at[i] >= v.waiting_order)
            if v.status in (Status.OPEN, Status.WAITING, Status.SNOOZED, Status.SPAM):
                rows.append(FacetRow(v.status.value, v.facet, 1, int(unattended)))
            for mention in v.mentions:
                read = self.marks.get(i, {}).get(mention.agent_id)
                if v.status not in HIDDEN and (read is None or read < mention.at):
                    mentions.append(PersonRow(mention.agent_id, v.inbox_id, 1))
            if v.status == Status.OPEN:
                watched += [PersonRow(w, v.inbox_id, 1) for w in v.watchers]
        views = self._conversations.views
        begun = [
            PersonRow(a, views[d.conversation_id].inbox_id if d.conversation_id in views else d.written.inbox_id, 1)
            for d in self._drafts.drafts.values()
            for a in d.listed_for
        ]
        return FolderTable(rows, mentions, watched, begun)


class InMemoryBulks:
    """Port Bulks."""

    def __init__(self) -> None:
        self.records: dict[str, BulkRecord] = {}

    async def remember(self, record: BulkRecord) -> BulkRecord:
        return self.records.setdefault(record.id, record)

    async def get(self, bulk_id: str) -> BulkRecord | None:
        return self.records.get(bulk_id)


class InMemoryFilters:
    """Port Filters."""

    def __init__(self) -> None:
        self.saved: dict[str, SavedFilter] = {}

    async def of(self, agent_id: str, teams: Iterable[str]) -> list[SavedFilter]:
        shared = set(teams)
        found = [s for s in self.saved.values() if s.owner_id == agent_id or s.team_id in shared]
        return sorted(found, key=lambda s: (s.name, s.id))

    async def get(self, filter_id: str) -> SavedFilter | None:
        return self.saved.get(filter_id)

    async def put(self, saved: SavedFilter) -> None:
        self.saved[saved.id] = saved

    async def delete(self, filter_id: str) -> None:
        self.saved.pop(filter_id, None)


class InMemoryEventLog:
    """Port EventLog."""

    def __init__(self) -> None:
        self.events: list[LoggedEvent] = []
        self.reached = Positions()

    async def record(self, events: Sequence[LoggedEvent], reached: Iterable[LogPosition]) -> None:
        known = {e.position for e in self.events}
        self.events += [e for e in events if e.position not in known]
        for position in reached:
            self.reached.advance(position)

    async def progress(self) -> Positions:
        return self.reached.copy()

    async def of_conversation(self, conversation_id: str, after: LogPosition | None, limit: int) -> list[LoggedEvent]:
        start = after.offset if after else -1
        return [e for e in self.events if e.conversation_id == conversation_id and e.position.offset > start][:limit]

    async def newest_of(
        self, conversation_id: str, limit: int, since: datetime | None = None, until: datetime | None = None
    ) -> list[LoggedEvent]:
        found = [
            e
            for e in self.events
            if e.conversation_id == conversation_id
            and (since is None or e.timestamp_ms >= since.timestamp() * 1000)
            and (until is None or e.timestamp_ms < until.timestamp() * 1000)
        ]
        return found[-limit:]

    async def by_id(self, conversation_id: str, event_id: str) -> LoggedEvent | None:
        return next((e for e in self.events if e.id == event_id), None)

    async def caused_by(self, request_id: str, limit: int = 100) -> list[LoggedEvent]:
        return [e for e in self.events if e.causation_id == request_id][:limit]

    async def between(self, after: Positions, until: Positions, limit: int) -> list[LoggedEvent]:
        found = [e for e in self.events if until.includes(e.position) and not after.includes(e.position)]
        return sorted(found, key=lambda e: (e.position.partition, e.position.offset))[:limit]

    async def newest(self, limit: int) -> list[LoggedEvent]:
        return self.events[::-1][:limit]


class InMemoryRequests:
    """Port RequestStore."""

    def __init__(self) -> None:
        self.records: dict[str, RequestRecord] = {}

    async def remember(self, request: RequestRecord) -> RequestRecord | None:
        before = self.records.get(request.id)
        self.records.setdefault(request.id, request)
        return before

    async def get(self, request_id: str) -> RequestRecord | None:
        return self.records.get(request_id)


Router = Callable[[Event], Awaitable[None]]


class RecordingCommands:
    """Port Commands; `router` is called with each command, as if it were decided at once."""

    def __init__(self) -> None:
        self.published: list[Event] = []
        self.router: Router | None = None
        self.away = False

    async def publish(self, event: Event) -> None:
        if self.away:
            raise InfrastructureError("publish: Kafka does not answer")
        self.published.append(event)
        if self.router is not None:
            await self.router(event)


class InMemoryConfigurationStore:
    """Port ConfigurationStore. `overtaken` lets that many writers be first before ours."""

    def __init__(self, *versions: ConfigurationApplied) -> None:
        self.versions = list(versions)
        self.unmarked: list[ConfigurationApplied] = []
        self.overtaken = 0

    async def latest(self) -> ConfigurationApplied | None:
        return self.versions[-1] if self.versions else None

    async def at(self, version: int) -> ConfigurationApplied | None:
        return next((v for v in self.versions if v.configuration_version == version), None)

    async def history(self, before: int | None, limit: int) -> list[ConfigurationApplied]:
        found = [v for v in reversed(self.versions) if before is None or v.configuration_version < before]
        return found[:limit]

    async def add(self, applied: ConfigurationApplied) -> bool:
        if self.overtaken:
            self.overtaken -= 1
            other = self.versions[-1].model_copy(update={"configuration_version": len(self.versions) + 1})
            self.versions.append(other)
            return False
        self.versions.append(applied)
        self.unmarked.append(applied)
        return True

    async def unpublished(self) -> list[ConfigurationApplied]:
        return list(self.unmarked)

    async def mark_published(self, version: int) -> None:
        self.unmarked = [v for v in self.unmarked if v.configuration_version != version]


class LoopedPresence:
    """Port PresenceLog: what is published comes back at once, as by the tail."""

    def __init__(self) -> None:
        self.published: list[Event] = []
        self.taken: Callable[[Event], None] = lambda _: None

    async def publish(self, event: Event) -> None:
        self.published.append(event)
        self.taken(event)


class InMemoryUploads:
    """Port UploadStore."""

    def __init__(self) -> None:
        self.uploads: dict[str, Upload] = {}
        self.going: set[str] = set()

    async def add(self, upload: Upload) -> None:
        self.uploads[upload.id] = upload

    async def finish(self, upload: Upload) -> None:
        self.uploads[upload.id] = upload

    async def get(self, ids: Sequence[str]) -> dict[str, Upload]:
        return {i: self.uploads[i] for i in ids if i in self.uploads and i not in self.going}

    async def waiting(self, owner: str) -> tuple[int, int]:
        found = [u for u in self.uploads.values() if u.owner == owner and not u.used]
        return len(found), sum(u.body_bytes for u in found)

    async def use(self, ids: Sequence[str]) -> int:
        found = await self.get(ids)
        self.uploads |= {i: replace(u, used=True) for i, u in found.items()}
        return len(found)

    async def hold(self, draft_id: str, ids: Sequence[str]) -> None:
        for i, upload in self.uploads.items():
            held = draft_id if i in ids else None if upload.held_by == draft_id else upload.held_by
            self.uploads[i] = replace(upload, held_by=held)

    async def take_swept(self, before: datetime, limit: int) -> list[Upload]:
        old = [u for u in self.uploads.values() if u.at < before and not u.used and u.held_by is None][:limit]
        self.going |= {u.id for u in old}
        return old

    async def remove(self, ids: Sequence[str]) -> None:
        for i in self.going & set(ids):
            del self.uploads[i]


class InMemoryDrafts:
    """Port DraftStore."""

    def __init__(self) -> None:
        self.drafts: dict[str, Draft] = {}

    async def get(self, key: str) -> Draft | None:
        return self.drafts.get(key)

    async def put(self, key: str, draft: Draft, over: int) -> bool:
        there = self.drafts.get(key)
        if (there.revision if there else 0) != over:
            return False
        self.drafts[key] = Draft.model_validate(draft.model_dump())
        return True

    async def remove(self, key: str, draft_id: str) -> None:
        if key in self.drafts and self.drafts[key].id == draft_id:
            del self.drafts[key]

    async def of(self, agent_id: str, limit: int) -> list[Draft]:
        found = [d for d in self.drafts.values() if agent_id in d.listed_for]
        return sorted(found, key=lambda d: d.saved_at or NOW, reverse=True)[:limit]


class InMemorySavedReplies:
    """Port SavedReplyStore."""

    def __init__(self) -> None:
        self.saved: dict[str, Saved] = {}

    async def of(self, owner: str) -> list[Saved]:
        return [s for s in self.saved.values() if s.owner == owner]

    async def put(self, saved: Saved) -> None:
        self.saved[saved.id] = saved

    async def remove(self, owner: str, saved_id: str) -> bool:
        mine = saved_id in self.saved and self.saved[saved_id].owner == owner
        return mine and self.saved.pop(saved_id) is not None


class FixedPeer:
    """Ports Figures and Demo with one answer to everything."""

    def __init__(self, answer: tuple[int, Any] | None = None) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str, Any]] = []

    async def get(self, path: str, query: Mapping[str, str]) -> tuple[int, Any] | None:
        self.asked.append(("GET", path, dict(query)))
        return self.answer

    async def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, Any] | None:
        self.asked.append((method, path, body))
        return self.answer


class FixedGroups:
    """Every group is past everything, but for those of `behind`."""

    def __init__(self) -> None:
        self.behind: set[str] = set()

    def reached(self, group: str, topic: Topic, partition: int) -> int:
        return 0 if group in self.behind else 1_000_000


class FixedMark:
    """The index is at the end of the log, unless `place` says where."""

    def __init__(self, events: InMemoryEventLog) -> None:
        self._events = events
        self.place: Positions | None = None

    async def read(self) -> Positions | None:
        return self.place or self._events.reached.copy()


class FixedRouter:
    """The router's door: `said` is what it answers, by contact; `away`: nothing."""

    def __init__(self) -> None:
        self.said: dict[str, dict[str, Any]] = {}
        self.away = False

    async def ask(self, method: str, path: str) -> tuple[int, Any] | None:
        assert method == "GET"
        found = self.said.get(path.removeprefix("/api/v1/erasures/"))
        return None if self.away else (404, {"detail": "nobody asked"}) if found is None else (200, found)


def settings(**changes: Any) -> DeskSettings:
    defaults = {"api_tokens": f"tests={TOKEN}", "request_wait_seconds": 0.2, "read_wait_seconds": 0.2}
    return DeskSettings(**{**defaults, **changes})


@dataclass
class RecordingPostman:
    """Port Postman: keeps what it was given."""

    outcome: Sent | NotNow | Never = field(default_factory=Sent)
    mails: list[tuple[str, str, str]] = field(default_factory=list)

    async def send(self, agent_id: str, subject: str, text: str) -> Sent | NotNow | Never:
        self.mails.append((agent_id, subject, text))
        return self.outcome


@dataclass
class DeskBench:
    """A desk over doubles. `happens` puts a fact on the log, into the read model and into the live streams."""

    settings: DeskSettings = field(default_factory=settings)
    demo: FixedPeer | None = None
    figures: FixedPeer = field(default_factory=FixedPeer)
    conversations: InMemoryConversations = field(default_factory=InMemoryConversations)
    events: InMemoryEventLog = field(default_factory=InMemoryEventLog)
    requests: InMemoryRequests = field(default_factory=InMemoryRequests)
    commands: RecordingCommands = field(default_factory=RecordingCommands)
    content: InMemoryContentStore = field(default_factory=InMemoryContentStore)
    drafts: InMemoryDrafts = field(default_factory=InMemoryDrafts)
    saved_replies: InMemorySavedReplies = field(default_factory=InMemorySavedReplies)
    uploads: InMemoryUploads = field(default_factory=InMemoryUploads)
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    provider: Provider | None = None
    pictures: Pictures | None = None

    def __post_init__(self) -> None:
        inboxes = Inboxes(self.conversations)
        self.live = Broadcaster(self.settings.live_queue, inboxes.learn)
        self.presence_log = LoopedPresence()
        self.presence = Presence(self.presence_log, self.clock, inboxes.remembered)
        self.presence_log.taken = self.presence.take
        self.configurations = Configurations()
        first = ConfigurationApplied(configuration_version=1, applied_at=NOW, configuration=company())
        self.configurations.add(first)
        self.versions = InMemoryConfigurationStore(first)
        reader = Reader(
            self.conversations, self.events, self.content, self.configurations, self.settings.read_wait_seconds
        )
        self.picture_senders = InMemoryPictureSenders()
        self.marks, self.filters = InMemoryMarks(self.conversations, self.drafts), InMemoryFilters()
        self.bulks = InMemoryBulks()
        self.search = InMemorySearch(self.conversations.views)
        self.folders = folder_feed(self.marks, reader, self.live)
        self.notifications = InMemoryNotifications()
        ringer = Ringer(self.notifications, lambda: self.configurations.latest, self.clock)
        self.bell = Bell(self.notifications, ringer, BellFeed(self.notifications, reader, self.live))
        door = RequestDoor(
            self.requests,
            self.content,
            self.commands,
            self.events,
            self.live,
            self.clock,
            self.settings.request_wait_seconds,
        )
        self.groups, self.mark, self.router = FixedGroups(), FixedMark(self.events), FixedRouter()
        self.stores = InMemoryStores()
        self.postman = RecordingPostman()
        self.identity = identity_of(
            self.stores.all(), self.settings, self.clock, Hasher(QUICK), self.provider, self.postman
        )
        self.app: FastAPI = build(
            Parts(
                self.settings,
                self.clock,
                reader,
                door,
                self.requests,
                self.events,
                self.live,
                inboxes,
                self.content,
                self.configurations,
                self.figures,
                Writing(
                    Uploads(self.uploads, self.content, self.clock, 25_000_000),
                    Drafts(self.drafts, self.clock),
                    self.saved_replies,
                ),
                demo=self.demo,
                pictures=self.pictures,
                picture_senders=self.picture_senders,
                writer=ConfigurationWriter(self.versions, self._applied, self.clock),
                identity=self.identity,
                presence=self.presence,
                folders=self.folders,
                marks=self.marks,
                filters=self.filters,
                searcher=Searcher(self.search, reader, self.content, self.clock),
                suggestions=self.search,
                bulks=self.bulks,
                bell=self.bell,
                erasures=Erasures(self.router, self.events, self.groups, self.mark, self.content),
            )
        )
        self._sequences: dict[tuple[str, str], int] = {}

    async def _applied(self, applied: ConfigurationApplied) -> None:
        self.configurations.add(applied)

    def client(self, token: str | None = TOKEN, **options: Any) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers, **options)

    async def browser(self, agent_id: str = "ana", url: str = "http://127.0.0.1", **options: Any) -> httpx.AsyncClient:
        """Return a client that acts as a page of this agent's session."""
        self.stores.people.people.setdefault(agent_id, Person(agent_id))
        version = self.stores.people.people[agent_id].version
        begun = await self.identity.log_in.begin_at("full", agent_id, version, "password", Where("192.0.2.1", "Tests"))
        assert isinstance(begun, Begun)
        name = "__Host-postroom_session" if url.startswith("https:") else "postroom_session"
        headers = {"Origin": url, "X-CSRF-Token": csrf_token(begun.token)}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        cookies = {name: begun.token}
        return httpx.AsyncClient(transport=transport, base_url=url, headers=headers, cookies=cookies, **options)

    async def happens(
        self, fact: Data, conversation: str, cause: str = "cause", source: str = "/postroom/router", partition: int = 0
    ) -> LoggedEvent:
        number = self._sequences.get((conversation, source), 0) + 1
        self._sequences[conversation, source] = number
        event = new_event(
            fact, source=source, cause_id=cause, subject=conversation, time=self.clock.now(), sequence=number
        )
        position = LogPosition(partition, sum(e.position.partition == partition for e in self.events.events))
        headers: dict[str, bytes | None] = dict(encode_headers(event))
        logged = logged_event(position, headers, encode_body(fact), int(self.clock.now().timestamp() * 1000))
        assert logged is not None
        before = self.conversations.views.get(conversation)
        view = apply(before, event, position)
        if view is not None:
            if before is not None and before.inbox_id != view.inbox_id:
                await self.bell.ringer.moved(conversation, view.inbox_id)
            await self.bell.ringer.ring(rings_of(before, view, event))
            self.conversations.views[conversation] = view
        await self.events.record([logged], [position])
        self.live.publish(logged)
        return logged


def ended(live: Broadcaster) -> Subscription:
    """Have a stream end once it has given what was missed."""
    subscription = Subscription(asyncio.Queue(live.queue_size), live.reached.copy())
    subscription.end()
    return subscription
