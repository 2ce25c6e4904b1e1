"""The desk as a service: connections to adapters, adapters to the API."""

import asyncio
import contextlib

from postroom_contracts.signed_ids import service_key
from postroom_contracts.topics import CONVERSATION_EVENTS, GROUPS
from postroom_runtime.clock import SystemClock
from postroom_runtime.dead_letter_watch import DeadLetterWatch
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.fold import Fold
from postroom_runtime.gaps import watch_gaps
from postroom_runtime.group_watch import GroupWatch
from postroom_runtime.kafka import client_options
from postroom_runtime.outbound import parse_networks
from postroom_runtime.service import Runtime
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.stores import Stores
from postroom_runtime.topic_ids import read_topic_ids

from postroom_desk.adapters.bulks import MongoBulks
from postroom_desk.adapters.commands import KafkaCommands
from postroom_desk.adapters.configuration_publisher import KafkaConfigurationPublisher
from postroom_desk.adapters.configuration_store import MongoConfigurationStore
from postroom_desk.adapters.copies import MongoCopies
from postroom_desk.adapters.documents import ConversationDocuments
from postroom_desk.adapters.drafts import MongoDrafts
from postroom_desk.adapters.due_dates import MongoDueDates
from postroom_desk.adapters.event_log import MongoEventLog
from postroom_desk.adapters.filters import MongoFilters
from postroom_desk.adapters.folder_rows import MongoFolderCounts, MongoMarks
from postroom_desk.adapters.http import HttpPeer, RememberedFigures
from postroom_desk.adapters.identity_stores import identity_stores, prepare_identity, provider_of
from postroom_desk.adapters.notifications import MongoNotifications
from postroom_desk.adapters.picture_senders import MongoPictureSenders
from postroom_desk.adapters.pictures import HttpPictures
from postroom_desk.adapters.postman import NotifierPostman
from postroom_desk.adapters.presence import KafkaPresence, PresenceTail
from postroom_desk.adapters.read_model import MongoConversations
from postroom_desk.adapters.requests import MongoRequests
from postroom_desk.adapters.saved_replies import MongoSavedReplies
from postroom_desk.adapters.search_index import MongoSearchIndex
from postroom_desk.adapters.search_reads import MongoSearchReads
from postroom_desk.adapters.tail import KafkaTail
from postroom_desk.adapters.uploads import MongoUploads
from postroom_desk.answering.drafts import Drafts
from postroom_desk.answering.parts import Writing
from postroom_desk.answering.uploads import SWEEP_SECONDS as UPLOAD_SWEEP_SECONDS
from postroom_desk.answering.uploads import Uploads
from postroom_desk.api.build import build
from postroom_desk.audit.check_store import MongoAuditChecks
from postroom_desk.audit.checking import AuditChecks
from postroom_desk.audit.store import MongoAuditStore
from postroom_desk.audit.writer import QueuedAudit
from postroom_desk.bell.feed import BellFeed
from postroom_desk.bell.parts import Bell
from postroom_desk.bell.ringing import Ringer
from postroom_desk.configuration_writer import ConfigurationWriter
from postroom_desk.domain.logged import MODELS
from postroom_desk.domain.view import ConversationView
from postroom_desk.due_keeping import DueKeeper
from postroom_desk.erasures import Erasures
from postroom_desk.folder_feed import folder_feed
from postroom_desk.forgetting import Forgetting
from postroom_desk.handlers import Batch, ReadModelDecider
from postroom_desk.identity.build import identity_of
from postroom_desk.inboxes import Inboxes
from postroom_desk.indexing import Indexer, IndexMark
from postroom_desk.live import Broadcaster
from postroom_desk.metrics import STREAMS
from postroom_desk.parts import Parts
from postroom_desk.presence import Presence
from postroom_desk.reading import Reader
from postroom_desk.rebuild import Refolding, keep_shape
from postroom_desk.searching import Searcher
from postroom_desk.settings import DeskSettings
from postroom_desk.submit import RequestDoor

SWEEP_SECONDS = 1.0


class Desk:
    """ServiceDefinition of the desk."""

    name = "desk"
    needs_configuration = True

    def settings(self) -> RuntimeSettings:
        return DeskSettings()

    async def prepare(self, stores: Stores) -> None:
        database = stores.database
        await MongoEventLog(database, topic_id="").prepare()
        await MongoRequests(database).prepare()
        await MongoConversations(database["conversations"]).prepare()
        await ConversationDocuments(database["conversations"], ConversationView).prepare()
        await MongoFolderCounts(database["conversations"], SystemClock(0), database["drafts"]).prepare()
        await MongoFilters(database).prepare()
        await MongoBulks(database).prepare()
        await MongoNotifications(database).prepare()
        await MongoSearchIndex(database).prepare()
        await prepare_identity(database)
        await MongoUploads(database).prepare()
        await MongoDrafts(database).prepare()
        await MongoAuditStore(database).prepare()
        await MongoSavedReplies(database).prepare()

    async def build(self, runtime: Runtime) -> None:
        settings = runtime.settings
        assert isinstance(settings, DeskSettings)
        topic = settings.topic(CONVERSATION_EVENTS.name)
        topic_id = (await read_topic_ids(client_options(settings), [topic]))[topic]
        events = MongoEventLog(runtime.database, topic_id)
        requests = MongoRequests(runtime.database)
        conversations = MongoConversations(runtime.database["conversations"])
        inboxes = Inboxes(conversations)
        live = Broadcaster(settings.live_queue, inboxes.learn)
        STREAMS.set_function(lambda: live.streams)
        await self._follow(runtime, settings, live)
        notifications = MongoNotifications(runtime.database)
        begun_at = await notifications.begun_at(runtime.clock.now())
        ringer = Ringer(notifications, lambda: runtime.configurations.latest, runtime.clock, begun_at)
        runtime.background("notification lists", ringer.keep_short)
        await self._fold(runtime, events, ringer)
        groups = GroupWatch(settings, runtime.publisher, GROUPS, self.name)
        runtime.background("groups", groups.run)
        runtime.background("dead letters", DeadLetterWatch(settings, runtime.publisher, GROUPS).run)
        refolding = Refolding(runtime.database, events, topic)
        runtime.background("shape of the read model", lambda: keep_shape(refolding, runtime.leases))
        index = MongoSearchIndex(runtime.database)
        writer = self._configuration_writer(runtime, settings)
        reader = Reader(conversations, events, runtime.content, runtime.configurations, settings.read_wait_seconds)
        counts = MongoFolderCounts(runtime.database["conversations"], runtime.clock, runtime.database["drafts"])
        folders = folder_feed(counts, reader, live)
        runtime.background("folder counts", folders.follow)
        bell = Bell(notifications, ringer, BellFeed(notifications, reader, live))
        runtime.background("bell", bell.feed.counting.follow)
        mark = IndexMark(runtime.database["meta"], topic_id)
        forgetting = Forgetting(MongoCopies(runtime.database), runtime.content)
        indexer = Indexer(
            index, mark, events, conversations, runtime.content, runtime.configurations, runtime.leases, forgetting
        )
        runtime.background("search index", indexer.follow)
        audit_store = MongoAuditStore(runtime.database)
        await audit_store.prepare()
        audit = QueuedAudit(audit_store, runtime.clock)
        runtime.background("audit", audit.run)
        runtime.on_stop(audit.stop)
        audit_checks = AuditChecks(audit_store, MongoAuditChecks(runtime.database), runtime.clock)
        runtime.background("audit check", audit_checks.run)
        commands = KafkaCommands(runtime.publisher, settings.command_timeout_seconds)
        door = RequestDoor(
            requests, runtime.content, commands, events, live, runtime.clock, settings.request_wait_seconds
        )
        figures, demo, webhooks, pictures, router = _peers(settings)
        for close in (peer.close for peer in (figures, demo, webhooks, pictures, router) if peer is not None):
            runtime.on_stop(close)
        stores = identity_stores(runtime.database)
        postman = NotifierPostman(webhooks) if webhooks is not None else None
        identity = identity_of(
            stores, settings, runtime.clock, provider=provider_of(settings), postman=postman, audit=audit
        )
        runtime.background("letters", lambda: identity.letters.run(lambda: reader.configuration))
        runtime.background("forgotten passwords", lambda: identity.forgotten.run(lambda: reader.configuration))
        runtime.serve(
            build(
                Parts(
                    settings=settings,
                    clock=runtime.clock,
                    reader=reader,
                    door=door,
                    requests=requests,
                    events=events,
                    live=live,
                    inboxes=inboxes,
                    content=runtime.content,
                    configurations=runtime.configurations,
                    figures=RememberedFigures(figures),
                    writing=self._writing(runtime, settings),
                    audit=audit,
                    audit_log=audit_store,
                    audit_checks=audit_checks,
                    demo=demo,
                    pictures=pictures,
                    picture_senders=MongoPictureSenders(runtime.database) if pictures else None,
                    webhooks=webhooks,
                    writer=writer,
                    identity=identity,
                    presence=await self._presence(runtime, settings, inboxes),
                    folders=folders,
                    marks=MongoMarks(runtime.database["conversations"]),
                    filters=MongoFilters(runtime.database),
                    searcher=Searcher(MongoSearchReads(runtime.database), reader, runtime.content, runtime.clock),
                    suggestions=index,
                    bulks=MongoBulks(runtime.database),
                    bell=bell,
                    erasures=Erasures(router, events, groups, mark, runtime.content),
                )
            )
        )

    def _writing(self, runtime: Runtime, settings: DeskSettings) -> Writing:
        """Return what writing needs; in the background files that nobody used are swept."""
        store = MongoUploads(runtime.database)
        own = MongoSavedReplies(runtime.database)
        uploads = Uploads(store, runtime.content, runtime.clock, settings.upload_bytes)

        async def sweep() -> None:
            while True:
                with contextlib.suppress(InfrastructureError):
                    await uploads.sweep()
                await asyncio.sleep(UPLOAD_SWEEP_SECONDS)

        runtime.background("upload sweep", sweep)
        return Writing(uploads, Drafts(MongoDrafts(runtime.database), runtime.clock), own)

    async def _presence(self, runtime: Runtime, settings: DeskSettings, inboxes: Inboxes) -> Presence:
        presence = Presence(KafkaPresence(runtime.publisher), runtime.clock, inboxes.remembered)
        tail = PresenceTail(settings, presence.take)
        await tail.start()
        runtime.background("presence tail", tail.follow)
        runtime.background("presence", presence.follow)
        runtime.on_stop(tail.stop)
        return presence

    async def _follow(self, runtime: Runtime, settings: DeskSettings, live: Broadcaster) -> None:
        tail = KafkaTail(settings, live)
        await tail.start()
        runtime.background("tail", tail.follow)
        runtime.on_stop(tail.stop)

        async def end_streams() -> None:
            live.close()

        runtime.on_stop(end_streams)

    async def _fold(self, runtime: Runtime, events: MongoEventLog, ringer: Ringer) -> None:
        dues = DueKeeper(MongoDueDates(runtime.database["conversations"]), runtime.configurations)
        runtime.background("deadlines of lists", dues.follow)
        documents = ConversationDocuments(runtime.database["conversations"], ConversationView, dues.reckon)
        runtime.background("gaps", lambda: watch_gaps(self.name, documents, runtime.clock))
        fold: Fold[ConversationView, Batch] = Fold(
            service=self.name,
            decider=ReadModelDecider(events, ringer),
            store=documents,
            publisher=runtime.publisher,
            clock=runtime.clock,
            models=MODELS,
        )
        await runtime.consume("desk", fold)

    def _configuration_writer(self, runtime: Runtime, settings: DeskSettings) -> ConfigurationWriter:
        """Return the writer; in the background it publishes versions that somebody stored and did not live to publish."""
        writer = ConfigurationWriter(
            MongoConfigurationStore(runtime.database), KafkaConfigurationPublisher(settings), runtime.clock
        )

        async def sweep() -> None:
            while True:
                await writer.publish_pending()
                await asyncio.sleep(SWEEP_SECONDS)

        runtime.background("configuration sweep", sweep)
        return writer


def _peers(
    settings: DeskSettings,
) -> tuple[HttpPeer, HttpPeer | None, HttpPeer | None, HttpPictures | None, HttpPeer | None]:
    """Return whom the desk asks over HTTP: analytics, the demo, the notifier, servers of pictures, the router."""
    return (
        HttpPeer(settings.analytics_url, settings.peer_timeout_seconds),
        HttpPeer(settings.demo_url, settings.peer_timeout_seconds) if settings.demo_url else None,
        _door_of(settings, settings.notifier_url, settings.webhook_timeout_seconds),
        HttpPictures(parse_networks(settings.picture_networks)) if settings.remote_pictures else None,
        _door_of(settings, settings.router_url, settings.peer_timeout_seconds),
    )


def _door_of(settings: DeskSettings, url: str | None, timeout_seconds: float) -> HttpPeer | None:
    """Return how another service is asked: with a digest by which it knows a service of this deployment."""
    if url is None:
        return None
    return HttpPeer(url, timeout_seconds, {"x-postroom-key": service_key(settings.keys()[0])})
