"""Carries out a search: finds entries by the rarest word, newest first, and keeps what holds of their conversations.

Hits are read in blocks, the newest first, and put in order within a block; pages are cut from it. How much one request
reads is bounded by numbers, not by time, so that the next page reads the same block again. When the bound is met first, the
page is short or empty, and its cursor goes on from there.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from postroom_runtime.clock import Clock
from postroom_runtime.content_store import ContentStore

from postroom_desk.domain.search.cursor import SearchCursor
from postroom_desk.domain.search.entries import text_of
from postroom_desk.domain.search.query import SearchQuery, Term
from postroom_desk.domain.search.ranking import Candidate, ConversationState, Hit, in_order
from postroom_desk.domain.search.snippets import Piece, phrase_finder, snippet
from postroom_desk.ports import SearchReads
from postroom_desk.reading import Reader, Row

BLOCK = 60
"""Conversations of a block, from which on no further hits are read for it."""
PAGE = 50
FEW = 500
"""When that few conversations are as the query wants them, only their entries are looked at."""
BATCHES = 5
"""Times that one request goes on reading for a block which is not full."""
MERGE_DEPTH = 5
AHEAD = timedelta(hours=1)
"""What clocks of other hosts may be ahead of ours: what was written just now is found."""


@dataclass(frozen=True, slots=True)
class Found:
    """One conversation of the answer: its row, and its newest hit."""

    row: Row
    message_id: str
    at: datetime
    hits: int
    pieces: list[Piece]


@dataclass(frozen=True, slots=True)
class SearchPage:
    rows: list[Found]
    next_cursor: SearchCursor | None


@dataclass(frozen=True, slots=True)
class Searcher:
    """Searches for one process. InfrastructureError when MongoDB does not answer."""

    index: SearchReads
    reader: Reader
    content: ContentStore
    clock: Clock

    async def search(
        self, query: SearchQuery, readable: frozenset[str], cursor: SearchCursor | None = None, limit: int = PAGE
    ) -> SearchPage:
        """Return conversations in `readable` that the query fits."""
        inboxes = readable & frozenset(query.inboxes) if query.inboxes else readable
        if query.empty or not inboxes:
            return SearchPage([], None)
        place = cursor or SearchCursor(until=query.before or self.clock.now() + AHEAD)
        block = _Block(self, query, inboxes, readable)
        until = await block.read(place.until)
        if cursor is not None:
            await block.leave_out_newer(cursor.until)
        ranked = in_order(block.found.values(), self.clock.now())
        shown = ranked[place.skip : place.skip + limit]
        following = SearchCursor(until) if until is not None else None
        if len(ranked) > place.skip + limit:
            following = SearchCursor(place.until, place.skip + limit)
        return SearchPage(await self._rows(shown, query.terms), following)

    async def texts(self, hits: Sequence[Hit]) -> dict[str, tuple[str, str]]:
        """Return content id to (subject, text); empty ones for what was erased."""
        found = await self.content.get((h.content_id for h in hits), ("subject", "text", "reply_text"))
        empty: Mapping[str, str] = {}
        documents = {h.content_id: found.get(h.content_id, empty) for h in hits}
        return {i: (str(d.get("subject") or ""), text_of(d)) for i, d in documents.items()}

    async def _rows(self, shown: Sequence[Candidate], terms: Sequence[Term]) -> list[Found]:
        views = await self.index.views([c.conversation_id for c in shown])
        rows = {r.id: r for r in await self.reader.rows(views)}
        texts = await self.texts([c.newest for c in shown])
        return [
            Found(
                row=rows[c.conversation_id],
                message_id=c.newest.message_id,
                at=c.newest.at,
                hits=c.hits,
                pieces=snippet(texts[c.newest.content_id][1], terms),
            )
            for c in shown
            if c.conversation_id in rows
        ]


class _Block:
    """Hits of one block by conversation."""

    def __init__(
        self, searcher: Searcher, query: SearchQuery, inboxes: frozenset[str], readable: frozenset[str]
    ) -> None:
        self._s = searcher
        self._query = query
        self._inboxes = inboxes
        self._readable = readable
        self._states: dict[str, ConversationState] = {}
        self._looked_at: set[str] = set()
        self.found: dict[str, Candidate] = {}

    async def read(self, until: datetime) -> datetime | None:
        """Read hits below `until`; returns where the next block begins, None when there are no more."""
        only = await self._s.index.few(self._query, self._readable, FEW) if self._query.about_state else None
        place: datetime | None = until
        for _ in range(BATCHES):
            if place is None or len(self.found) >= BLOCK:
                break
            hits, place = await self._s.index.hits(self._query, self._inboxes, only, place)
            await self._take(hits)
        return place

    async def _take(self, hits: Sequence[Hit]) -> None:
        await self._load(h.conversation_id for h in hits)
        kept = [h for h in hits if self._head(h.conversation_id) is not None]
        if self._query.phrases or self._query.excluded_phrases:
            kept = await self._with_phrases(kept)
        for hit in kept:
            head = self._head(hit.conversation_id)
            assert head is not None
            self.found.setdefault(head, Candidate(head, hit)).add(hit)

    async def _load(self, ids: Iterable[str]) -> None:
        """Load conversations, and those that they were merged into."""
        wanted = {i for i in ids if i not in self._looked_at}
        for _ in range(MERGE_DEPTH):
            if not wanted:
                return
            self._looked_at |= wanted
            found = await self._s.index.states(sorted(wanted), self._query, self._readable)
            self._states |= found
            wanted = {s.merged_into for s in found.values() if s.merged_into} - self._looked_at

    def _head(self, identifier: str) -> str | None:
        """Return the conversation in which it goes on; None when that cannot be read."""
        for _ in range(MERGE_DEPTH):
            state = self._states.get(identifier)
            if state is None or state.merged_into is None:
                return None if state is None else identifier
            identifier = state.merged_into
        return None

    async def _with_phrases(self, hits: Sequence[Hit]) -> list[Hit]:
        texts = await self._s.texts(hits)
        wanted = [phrase_finder(p) for p in self._query.phrases]
        unwanted = [phrase_finder(p) for p in self._query.excluded_phrases]
        return [
            hit
            for hit in hits
            if all(any(map(holds, texts[hit.content_id])) for holds in wanted)
            and not any(any(map(holds, texts[hit.content_id])) for holds in unwanted)
        ]

    async def leave_out_newer(self, since: datetime) -> None:
        """Leave out what stood in an earlier block already, because a newer message of it was hit."""
        parts = {part: head for head in self.found for part in (head, *self._states[head].absorbed)}
        newer = await self._s.index.newer(self._query, self._inboxes, sorted(parts), since)
        for identifier in newer:
            self.found.pop(parts[identifier], None)
