"""Fills the search index behind the read model: one replica at a time, from the facts that are kept, in their order.

The index is a fold as the read model is, with its own mark of how far it has come. Entries have the ids of their messages, so
that a repeat changes nothing; what was erased goes with the fact that says so.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from postroom_contracts import facts as f
from postroom_runtime.configuration_feed import Configurations
from postroom_runtime.content_store import ContentStore
from postroom_runtime.errors import translated
from postroom_runtime.leases import LeaseStore
from postroom_runtime.mongo import Collection

from postroom_desk.domain.logged import LoggedEvent
from postroom_desk.domain.positions import Positions
from postroom_desk.domain.search.entries import Content, Entry, Person, entry, people
from postroom_desk.domain.view import ConversationView, MessageView
from postroom_desk.forgetting import Forgetting
from postroom_desk.ports import ConversationReads, EventLog, SearchWrites

log = structlog.get_logger(__name__)
SHAPE = 1
"""Raised when words are taken from texts in another way: the index is then made anew."""
BATCH = 500
IDLE_SECONDS = 0.25
"""How long it waits when there is nothing to do: the index is that far behind the read model, and a batch."""
LEASE_SECONDS = 20.0
FIELDS = ("kind", "subject", "from", "to", "cc", "text", "reply_text", "attachments")
_WRITTEN = {m.type_name() for m in (f.MessageReceived, f.ReplyAccepted, f.NoteAdded)}
_MOVED = {f.ConversationRouted.type_name()}


@dataclass(slots=True)
class _Work:
    """What a batch of facts asks for."""

    written: dict[str, set[str]] = field(default_factory=dict)
    erased: dict[str, set[str]] = field(default_factory=dict)
    contacts: set[str] = field(default_factory=set)
    moved: set[str] = field(default_factory=set)
    split: list[f.ConversationSplit] = field(default_factory=list)

    def add(self, event: LoggedEvent) -> None:
        if event.type in _WRITTEN:
            message = event.cloud_event()["data"]["message_id"]
            self.written.setdefault(event.conversation_id, set()).add(message)
        elif erased := event.data(f.ContentErased):
            self.erased.setdefault(event.conversation_id, set()).update(erased.message_ids)
            self.contacts.add(erased.contact_id)
        elif split := event.data(f.ConversationSplit):
            self.split.append(split)
        elif event.type in _MOVED:
            self.moved.add(event.conversation_id)


class IndexMark:
    """How far the index has come, in `meta`: `{_id: "search", shape, o: {partition: offset}, topic}`."""

    def __init__(self, meta: Collection, topic_id: str) -> None:
        self._meta = meta
        self._topic_id = topic_id

    async def read(self) -> Positions | None:
        """Return up to where facts are indexed; None when the index is to be made anew."""
        async with translated("read search mark"):
            found: dict[str, Any] | None = await self._meta.find_one({"_id": "search"})
        if found is None or (found["shape"], found["topic"]) != (SHAPE, self._topic_id):
            return None
        return Positions({int(p): o for p, o in found["o"].items()})

    async def write(self, positions: Positions) -> None:
        offsets = {str(p): o for p, o in positions.offsets.items()}
        async with translated("write search mark"):
            await self._meta.update_one(
                {"_id": "search"}, {"$set": {"shape": SHAPE, "topic": self._topic_id, "o": offsets}}, upsert=True
            )

    async def forget(self) -> None:
        """Have the index made anew by whoever fills it."""
        async with translated("forget search mark"):
            await self._meta.delete_one({"_id": "search"})


@dataclass(frozen=True, slots=True)
class Indexer:
    """Takes in facts up to where the read model is."""

    index: SearchWrites
    mark: IndexMark
    events: EventLog
    conversations: ConversationReads
    content: ContentStore
    configurations: Configurations
    leases: LeaseStore
    forgetting: Forgetting | None = None
    """What else is forgotten of who was erased; None: nothing, where only the index is of interest."""

    async def follow(self) -> None:
        """Index what comes, while no other replica does, until cancelled."""
        while True:
            if await self.leases.acquire("search-index", LEASE_SECONDS) is None:
                await asyncio.sleep(LEASE_SECONDS / 4)
            elif not await self.step():
                await asyncio.sleep(IDLE_SECONDS)

    async def catch_up(self, progress: Callable[[int], None] = lambda _: None) -> int:
        """Index up to where the read model is now; returns how many facts were read."""
        count = 0
        while taken := await self.step():
            await self.leases.acquire("search-index", LEASE_SECONDS)
            count += taken
            progress(count)
        return count

    async def step(self) -> int:
        """Take in one batch; returns how many facts it had, 0 when there is nothing more to do."""
        place = await self.mark.read()
        if place is None:
            log.info("the search index is made anew", shape=SHAPE)
            await self.index.forget_all()
            place = Positions()
        until = await self.events.progress()
        batch = await self.events.between(place, until, BATCH)
        await self.take(batch)
        for event in batch:
            place.advance(event.position)
        await self.mark.write(place if len(batch) == BATCH else until)
        return len(batch)

    async def take(self, batch: Sequence[LoggedEvent]) -> None:
        work = _Work()
        for event in batch:
            work.add(event)
        views = await self.conversations.get({*work.written, *work.erased, *work.moved}, None)
        wanted = {i: _messages(v, work.written.get(i, set()), whole=i in work.erased) for i, v in views.items()}
        ids = {m.content_id for messages in wanted.values() for m in messages}
        ids |= {v.first_content_id for i, v in views.items() if wanted[i] and v.first_content_id}
        texts = await self.content.get(sorted(ids), FIELDS)
        for event in batch:
            if self.forgetting is not None and (erased := event.data(f.ContentErased)):
                await self.forgetting.forget(event, erased)
        if work.contacts:
            await self.index.erase({m for ids in work.erased.values() for m in ids}, work.contacts)
        entries, persons = self._made(views, wanted, texts)
        await self.index.put(entries, persons)
        for split in work.split:
            await self.index.give(split.message_ids, split.new_conversation_id)
        for identifier in work.moved & views.keys():
            await self.index.move(identifier, views[identifier].inbox_id)

    def _made(
        self,
        views: Mapping[str, ConversationView],
        wanted: Mapping[str, list[MessageView]],
        texts: Mapping[str, Content],
    ) -> tuple[list[Entry], list[Person]]:
        entries: list[Entry] = []
        persons: list[Person] = []
        nothing: Content = {}
        for identifier, view in views.items():
            first = texts.get(view.first_content_id, nothing)
            pairs = [(m, texts.get(m.content_id, nothing)) for m in wanted[identifier]]
            made = (entry(identifier, view, m, c, first, self._agent(m)) for m, c in pairs)
            entries += [e for e in made if e is not None]
            persons += people(view, [(m, c) for m, c in pairs if not m.erased])
        return entries, persons

    def _agent(self, message: MessageView) -> str:
        agent = self.configurations.latest.agent(message.actor.id) if message.actor.kind == "agent" else None
        return f"{agent.first_name} {agent.last_name} {agent.id}" if agent else ""


def _messages(view: ConversationView, ids: set[str], *, whole: bool) -> list[MessageView]:
    return [m for m in view.messages if whole or m.message_id in ids]
