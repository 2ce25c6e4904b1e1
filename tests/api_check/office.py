"""The desk's application over real MongoDB, with an office's work in it; Kafka and the other services are played."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from fastapi import FastAPI
from postroom_contracts import commands as c
from postroom_contracts import facts as f
from postroom_contracts.configuration import Configuration, ConfigurationApplied
from postroom_contracts.events import Event
from postroom_contracts.ids import content_id
from postroom_contracts.values import Actor, Channel
from postroom_desk.adapters.bulks import MongoBulks
from postroom_desk.adapters.documents import ConversationDocuments
from postroom_desk.adapters.drafts import MongoDrafts
from postroom_desk.adapters.event_log import MongoEventLog
from postroom_desk.adapters.filters import MongoFilters
from postroom_desk.adapters.folder_rows import MongoFolderCounts, MongoMarks
from postroom_desk.adapters.identity_stores import identity_stores, prepare_identity
from postroom_desk.adapters.read_model import MongoConversations
from postroom_desk.adapters.requests import MongoRequests
from postroom_desk.adapters.saved_replies import MongoSavedReplies
from postroom_desk.adapters.search_index import MongoSearchIndex
from postroom_desk.adapters.search_reads import MongoSearchReads
from postroom_desk.adapters.uploads import MongoUploads
from postroom_desk.api import limits
from postroom_desk.api.build import build
from postroom_desk.audit.check_store import MongoAuditChecks
from postroom_desk.audit.checking import AuditChecks
from postroom_desk.audit.store import MongoAuditStore
from postroom_desk.audit.writer import QueuedAudit
from postroom_desk.domain.logged import LoggedEvent
from postroom_desk.domain.view import ConversationView
from postroom_desk.folder_feed import folder_feed
from postroom_desk.identity.build import identity_of
from postroom_desk.indexing import Indexer, IndexMark
from postroom_desk.searching import Searcher
from postroom_desk.settings import DeskSettings
from postroom_runtime import mongo
from postroom_runtime.clock import SystemClock
from postroom_runtime.content_store import MongoContentStore
from postroom_runtime.documents import Document
from postroom_runtime.leases import LeaseStore
from postroom_runtime.settings import RuntimeSettings

from tests.component.desk.doubles import NOW, DeskBench, FixedPeer
from tests.component.desk.facts import assigned, customer_content, queued, received, replied
from tests.integration.desk.office import company

TOKENS = {"admin": ("ada", "token-of-ada-the-admin-1"), "agent": ("ana", "token-of-ana-the-agent-1")}
CONVERSATIONS = [f"{n}d1f7c52-8a0b-5e44-9c1d-6f2a7b90e311" for n in range(4)]
MOST_MESSAGES = 12
"""Of one conversation; what is written then is answered by another fact, so that reading it costs the same to the end."""


class _Views(MongoConversations):
    """The read model; `views` holds the same, for the fold of the bench."""

    views: dict[str, ConversationView]


class _Log(MongoEventLog):
    events: list[LoggedEvent]

    async def record(self, events: Any, reached: Any) -> None:
        self.events += events
        await super().record(events, reached)


class _Notifier:
    """Port WebhookDoor: answers as the notifier does, which has one webhook."""

    async def ask(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> tuple[int, Any] | None:
        _, _, rest = path.removeprefix("/api/v1/webhooks").strip("/").partition("/")
        if path == "/api/v1/webhooks":
            return 200, [{"id": "warehouse", "state": "ok"}]
        if "/webhooks/warehouse" not in path:
            return 404, {"detail": "there is no such webhook"}
        if rest == "replay":
            known = str((body or {}).get("start")) in ("beginning", "end")
            return (202, {"deliveries": 2}) if known else (422, {"detail": "no place of the log"})
        return (200, {"items": [], "next_cursor": None}) if method == "GET" else (200, {"delivery_id": "d1"})


@dataclass
class Office:
    """What a check needs of it. `known` are places that exist, for requests that shall lead somewhere."""

    app: FastAPI
    desk: DeskBench
    documents: ConversationDocuments
    known: list[dict[str, Any]] = field(default_factory=list)
    _commands: int = 0
    _versions: dict[str, int] = field(default_factory=dict)

    async def happens(self, fact: Any, conversation: str, **more: Any) -> None:
        """Do what the fold does: into the read model, the log, the live streams."""
        before = self.desk.conversations.views.get(conversation)
        await self.desk.happens(fact, conversation, **more)
        view = self.desk.conversations.views.get(conversation)
        if view is None or view is before:
            return
        version = self._versions.get(conversation, 0)
        await self.documents.save([Document(conversation, version=version, state=view, applied={"s": 1})])
        self._versions[conversation] = version + 1

    async def decide(self, command: Event) -> None:
        """Play router and assigner: most commands lead to a fact, some are refused, some are not decided in time."""
        self._commands += 1
        if self._commands % 11 == 0:
            return
        actor = Actor(kind="agent", id=getattr(command.data, "actor").id)  # noqa: B009 - a command of ours has one
        fact = self._refusal(command, actor) if self._commands % 5 == 0 else self._fact(command, actor)
        if isinstance(command.data, c.StartConversation):
            begun = f.ConversationStarted(
                inbox_id=command.data.inbox_id, channel=Channel.EMAIL, actor=actor, contact_ids=["carla"],
                configuration_version=1,
            )  # fmt: skip
            await self.happens(begun, command.subject, cause=command.id)
        await self.happens(fact, command.subject, cause=command.id)

    def _refusal(self, command: Event, actor: Actor) -> Any:
        if isinstance(command.data, c.ClaimConversation):
            return f.ClaimRefused(request_id=command.id, actor=actor, agent_id=actor.id, reason="stale_epoch", epoch=1)
        reason = ("stale", "no_right", "not_found")[self._commands % 3]
        return f.RequestRefused(request_id=command.id, request_type=command.type, actor=actor, reason=reason)

    def _fact(self, command: Event, actor: Actor) -> Any:
        data = command.data
        view = self.desk.conversations.views.get(command.subject)
        room = view is None or len(view.messages) < MOST_MESSAGES
        match data:
            case c.AddNote() if room:
                return f.NoteAdded(message_id=data.message_id, actor=actor, content=data.content)
            case c.SendReply() | c.StartConversation() if room:
                return replied(data.message_id, content=data.content, actor=actor)
            case _:
                return f.ConversationTagged(actor=actor, tags=view.tags if view else [])


def staffed() -> Configuration:
    """The office's company with an admin, a webhook and a private inbox of somebody else."""
    plain = company().model_dump()
    plain["agents"] += [
        {"id": "ada", "first_name": "Ada", "email": "ada@velo.test", "role": "admin"},
        {"id": "rita", "first_name": "Rita", "email": "rita@velo.test"},
    ]
    own = {"id": "own", "name": "Own", "account": "mail", "address": "o@velo.test", "teams": [], "owner": "rita"}
    return Configuration.model_validate({**plain, "inboxes": [*plain["inboxes"], own]})


@asynccontextmanager
async def office(mongo_uri: str, database_prefix: str) -> AsyncIterator[Office]:
    """Give the application with its data; databases under `database_prefix` are left behind."""
    settings = RuntimeSettings(mongo_uri=mongo_uri, database_prefix=database_prefix)
    client = mongo.connect(settings)
    database, contents = (mongo.database(client, settings, name) for name in ("desk", "content"))
    desk_settings = DeskSettings(
        api_tokens=",".join(f"{agent}@{agent}={token}" for agent, token in TOKENS.values()),
        request_wait_seconds=0.01,
        read_wait_seconds=0.01,
    )
    views, log = _Views(database["conversations"]), _Log(database, "topic")
    views.views, log.events = {}, []
    desk = DeskBench(
        desk_settings,
        figures=FixedPeer((200, {"rows": [], "next": None})),
        conversations=views,  # type: ignore[arg-type]  # the bench's fields are named after its doubles
        events=log,  # type: ignore[arg-type]
        requests=MongoRequests(database),  # type: ignore[arg-type]
        content=MongoContentStore(contents),  # type: ignore[arg-type]
        drafts=MongoDrafts(database),  # type: ignore[arg-type]
        saved_replies=MongoSavedReplies(database),  # type: ignore[arg-type]
        uploads=MongoUploads(database),  # type: ignore[arg-type]
        clock=SystemClock(0),  # type: ignore[arg-type]
    )
    parts, clock = desk.app.state.parts, SystemClock(0)
    index, audit_log = MongoSearchIndex(database), MongoAuditStore(database)
    audit = QueuedAudit(audit_log, clock)
    counts = MongoFolderCounts(database["conversations"], clock, database["drafts"])
    filters, bulks = MongoFilters(database), MongoBulks(database)
    for store in (
        views,
        log,
        desk.requests,
        counts,
        filters,
        bulks,
        index,
        desk.uploads,
        audit_log,
        desk.saved_replies,
    ):
        await store.prepare()  # type: ignore[union-attr]
    await prepare_identity(database)
    app = build(
        replace(
            parts,
            audit=audit,
            audit_log=audit_log,
            audit_checks=AuditChecks(audit_log, MongoAuditChecks(database), clock),
            webhooks=_Notifier(),
            identity=identity_of(identity_stores(database), desk_settings, clock),
            folders=folder_feed(counts, parts.reader, desk.live),
            marks=MongoMarks(database["conversations"]),
            filters=filters,
            searcher=Searcher(MongoSearchReads(database), parts.reader, desk.content, clock),
            suggestions=index,
            bulks=bulks,
        )
    )
    made = Office(app, desk, ConversationDocuments(database["conversations"], ConversationView))
    desk.configurations.add(ConfigurationApplied(configuration_version=2, applied_at=NOW, configuration=staffed()))
    await _work(made)
    leases, mark = LeaseStore(database["leases"], clock, "check"), IndexMark(database["meta"], "topic")
    await Indexer(index, mark, log, views, desk.content, desk.configurations, leases).catch_up()
    desk.commands.router = made.decide
    writing = asyncio.create_task(audit.run())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "FAILURES", 1_000_000)  # each operation is asked without a token, too, from one address
        yield made
    writing.cancel()
    await audit.stop()
    await mongo.close(client)


async def _work(office: Office) -> None:
    """Let customers write, in both inboxes and one that is private."""
    content = office.desk.content
    await content.put_blob("raw-1", b"From: carla@example.test\r\n\r\nThe brakes squeal.\r\n")
    await content.put_blob("file-1", b"%PDF-1.7")
    file = {"filename": "invoice.pdf", "content_type": "application/pdf", "body_bytes": 8, "sha256": "0" * 64}
    file["blob_id"] = "file-1"
    for n, conversation in enumerate(CONVERSATIONS):
        message, inbox = f"m{n}", ("support", "support", "sales", "own")[n]
        html = "<p>They <b>squeal</b>.</p>"
        await content.put([customer_content(message, html=html, inbox_id=inbox, attachments=[file], sha256="1" * 64)])
        await office.happens(received(message, opened=True, inbox_id=inbox, attachments=1), conversation, cause=f"r{n}")
        owner = assigned() if n == 0 else queued()
        await office.happens(owner, conversation, source="/postroom/assigner", cause=f"a{n}")
        office.known.append({"conversation": conversation, "message": message, "inbox": inbox})
    await content.put([customer_content("r0", kind="reply", inbox_id="support")])
    await office.happens(replied("r0"), CONVERSATIONS[0], cause="reply")
    assert content_id("m0") in await content.get([content_id("m0")])
