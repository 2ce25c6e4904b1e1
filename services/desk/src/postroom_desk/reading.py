"""What the API and the page show: views joined with their texts, in few queries."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from postroom_contracts import facts as f
from postroom_contracts.configuration import Configuration
from postroom_contracts.values import AssignmentRecord
from postroom_runtime.clock import monotonic
from postroom_runtime.configuration_feed import Configurations
from postroom_runtime.content_store import ContentStore

from postroom_desk.domain.positions import Positions
from postroom_desk.domain.queries import Cursor, ListQuery, encode_cursor, sorted_by
from postroom_desk.domain.view import ConversationView, MessageView
from postroom_desk.domain.window import Cut, Window, cut
from postroom_desk.ports import ConversationReads, CountRow, EventLog

PREVIEW_CHARACTERS = 160
_POLL_SECONDS = 0.02
_COUNTS_SECONDS = 0.3
_COUNTS_SHARE = 10
"""Counting takes a tenth of one core of MongoDB at most: over very many conversations the counts are older instead."""
_MERGE_DEPTH = 10


class NotYetError(Exception):
    """The read model has not reached the position that was asked for."""


class UnknownConversationError(LookupError):
    """No conversation of this id."""


Content = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One conversation of a list. `contact` is who wrote it or to whom, from the content store."""

    id: str
    view: ConversationView
    subject: str
    contact: Mapping[str, str]
    preview: str


@dataclass(frozen=True, slots=True)
class Page:
    rows: list[Row]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class ThreadMessage:
    """A message with its content document; empty when it was erased. `source_id`: the conversation that it came in."""

    view: MessageView
    content: Content
    source_id: str
    went_to: str | None = None
    """The conversation that has it now, after a split."""


@dataclass(frozen=True, slots=True)
class Ownership:
    """The latest decision on the owner, with the record that it was made from."""

    outcome: str
    reason: str
    at: datetime
    actor: Mapping[str, str]
    team_id: str | None
    record: AssignmentRecord | None


@dataclass(frozen=True, slots=True)
class Thread:
    """One conversation with all that belongs to it; messages by time, those of absorbed ones included.

    `every` are all its messages, `messages` those of them that were asked for (`cut`), with their texts.
    """

    id: str
    view: ConversationView
    messages: list[ThreadMessage]
    ownership: Ownership | None
    subject: str
    contact: Mapping[str, str]
    every: list[MessageView]
    cut: Cut

    def message(self, message_id: str) -> ThreadMessage | None:
        return next((m for m in self.messages if m.view.message_id == message_id), None)


@dataclass(slots=True)
class Reader:
    """Reads for one process; `wait_seconds` bounds the wait for a position."""

    conversations: ConversationReads
    events: EventLog
    content: ContentStore
    configurations: Configurations
    wait_seconds: float
    _counts: list[CountRow] = field(default_factory=list)
    _counted_at: float = float("-inf")
    _count_took: float = 0.0
    _counting: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def configuration(self) -> Configuration:
        return self.configurations.latest

    async def wait_for(self, positions: Positions, at_most: float | None = None) -> None:
        """Return when the read model has taken all `positions` in. Raises NotYetError after `at_most` seconds."""
        if not positions.offsets:
            return
        give_up_at = monotonic() + (self.wait_seconds if at_most is None else at_most)
        while not (await self.events.progress()).includes_all(positions):
            if monotonic() > give_up_at:
                raise NotYetError
            await asyncio.sleep(_POLL_SECONDS)
        self._counted_at = float("-inf")

    async def page(self, query: ListQuery) -> Page:
        found = await self.conversations.find(query)
        shown = found[: query.limit]
        rows = await self.rows(dict(shown))
        if len(found) <= query.limit or not shown:
            return Page(rows, None)
        last_id, last = shown[-1]
        return Page(rows, encode_cursor(Cursor(query.sort, sorted_by(last, query.sort), last_id)))

    async def rows(self, views: Mapping[str, ConversationView]) -> list[Row]:
        """Return conversations with subject, customer and preview, fetched in one query, in the given order."""
        wanted = [i for v in views.values() for i in (v.first_content_id, v.last_content_id) if i]
        content = await self.content.get(wanted)
        return [_row(identifier, view, content) for identifier, view in views.items()]

    async def view(self, conversation_id: str, readable: frozenset[str]) -> ConversationView:
        """Raises UnknownConversationError, in the same time whether it is unknown or in an inbox that is not readable."""
        view = (await self.conversations.get([conversation_id], readable)).get(conversation_id)
        if view is None:
            raise UnknownConversationError(conversation_id)
        return view

    async def thread(self, conversation_id: str, readable: frozenset[str], window: Window | None = None) -> Thread:
        """Return a conversation with the texts of what `window` shows (None: of all messages), fetched in one query.

        Raises UnknownConversationError.
        """
        view = await self.view(conversation_id, readable)
        messages = [(m, conversation_id) for m in view.messages] + await self._absorbed(view.absorbed)
        messages += await self._brought_along(view)
        messages.sort(key=lambda pair: pair[0].at)
        ids = [m.message_id for m, _ in messages]
        shown = Cut(0, len(ids), len(ids)) if window is None else cut(ids, window)
        public = [m for m, _ in messages if m.kind != "note"]
        wanted = messages[shown.start : shown.end]
        content = await self.content.get([*(m.content_id for m in public[:1]), *(m.content_id for m, _ in wanted)])
        first = content.get(public[0].content_id, {}) if public else {}
        return Thread(
            id=conversation_id,
            view=view,
            messages=[
                ThreadMessage(m, content.get(m.content_id, {}), source, view.split_off.get(m.message_id))
                for m, source in wanted
            ],
            ownership=await self._ownership(conversation_id, view),
            subject=str(first.get("subject") or ""),
            contact=_contact(first, incoming=bool(public) and public[0].kind == "incoming"),
            every=[m for m, _ in messages],
            cut=shown,
        )

    async def _absorbed(self, sources: Sequence[str]) -> list[tuple[MessageView, str]]:
        found: list[tuple[MessageView, str]] = []
        waiting, known = list(sources), set[str]()
        for _ in range(_MERGE_DEPTH):
            waiting = [s for s in waiting if s not in known]
            if not waiting:
                break
            known.update(waiting)
            views = await self.conversations.get(waiting, None)  # who merged them let the target's readers see them
            found += [(m, source) for source, view in views.items() for m in view.messages]
            waiting = [s for view in views.values() for s in view.absorbed]
        return found

    async def _brought_along(self, view: ConversationView) -> list[tuple[MessageView, str]]:
        """Return the messages that a split brought in, from where they stand; with those they may be read here."""
        found: list[tuple[MessageView, str]] = []
        wanted, source = set(view.split_messages), view.split_from
        for _ in range(_MERGE_DEPTH):
            if source is None or not wanted:
                break
            there = (await self.conversations.get([source], None)).get(source)
            if there is None:
                break
            standing = [(m, source) for m in there.messages] + await self._absorbed(there.absorbed)
            mine = [(m, at) for m, at in standing if m.message_id in wanted]
            found += mine
            wanted -= {m.message_id for m, _ in mine}
            source = there.split_from
        return found

    async def _ownership(self, conversation_id: str, view: ConversationView) -> Ownership | None:
        if view.ownership is None:
            return None
        event = await self.events.by_id(conversation_id, view.ownership.event_id)
        fact = event.event().data if event else None
        actor: Mapping[str, str] = {}
        team_id, record = view.team_id, None
        match fact:
            case f.ConversationAssigned():
                actor, team_id, record = fact.actor.model_dump(), fact.team_id, fact.record
            case f.ConversationQueued():
                team_id, record = fact.team_id, fact.record
            case f.ConversationUnassigned():
                actor, team_id = fact.actor.model_dump(), fact.team_id
        return Ownership(view.ownership.outcome, view.ownership.reason, view.ownership.at, actor, team_id, record)

    async def counts(self, readable: frozenset[str], *, fresh: bool = False) -> list[CountRow]:
        """Return the counts of readable inboxes: one query for however many look.

        They are at most 0.3 s old, or ten times as old as counting takes (some 8 s over 200,000 conversations); `fresh`:
        counted after the call. Raises InfrastructureError.
        """
        asked_at = monotonic()
        async with self._counting:
            oldest = asked_at if fresh else monotonic() - max(_COUNTS_SECONDS, _COUNTS_SHARE * self._count_took)
            if self._counted_at < oldest:
                started = monotonic()
                self._counts = await self.conversations.counts()
                self._counted_at, self._count_took = started, monotonic() - started
            return [row for row in self._counts if row.inbox_id in readable]


def _row(identifier: str, view: ConversationView, content: Mapping[str, Content]) -> Row:
    first = content.get(view.first_content_id, {})
    last = content.get(view.last_content_id, {})
    started = first.get("kind") in ("start", "reply")
    return Row(
        identifier, view, str(first.get("subject") or ""), _contact(first, incoming=not started), preview_of(last)
    )


def _contact(content: Content, *, incoming: bool) -> Mapping[str, str]:
    """Return address and name of the customer: who wrote, or to whom we wrote first."""
    who = content.get("from") if incoming else next(iter(content.get("to") or []), None)
    who = who or {}
    return {"address": str(who.get("address") or ""), "name": str(who.get("name") or "")}


def preview_of(content: Content) -> str:
    """Return the beginning of the newly written text, in one line."""
    text = str(content.get("reply_text") or content.get("text") or "")[: PREVIEW_CHARACTERS * 4]
    line = " ".join(text.split())
    return line if len(line) <= PREVIEW_CHARACTERS else line[: PREVIEW_CHARACTERS - 1] + "…"


def summed(rows: Iterable[CountRow]) -> int:
    return sum(row.conversations for row in rows)
