"""The search index without a database: every entry is looked at."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from postroom_desk.domain.search.entries import Entry, Person
from postroom_desk.domain.search.query import SearchQuery, Term
from postroom_desk.domain.search.ranking import ConversationState, Hit, fits
from postroom_desk.domain.search.snippets import matches
from postroom_desk.domain.view import ConversationView


class InMemorySearch:
    """Ports SearchReads, SearchWrites and Suggestions. `batch`: hits that are given at once."""

    def __init__(self, views: dict[str, ConversationView], batch: int = 300) -> None:
        self.views_known = views
        self.batch = batch
        self.entries: dict[str, Entry] = {}
        self.people: dict[tuple[str, str], Person] = {}

    async def put(self, entries: Sequence[Entry], people: Sequence[Person]) -> None:
        self.entries |= {e.message_id: e for e in entries}
        for person in people:
            known = self.people.get((person.inbox_id, person.address))
            if known is None or known.at <= person.at:
                self.people[person.inbox_id, person.address] = person

    async def erase(self, message_ids: Iterable[str], contact_ids: Iterable[str]) -> None:
        gone = set(contact_ids)
        for identifier in message_ids:
            self.entries.pop(identifier, None)
        self.people = {k: p for k, p in self.people.items() if p.contact_id not in gone}

    async def move(self, conversation_id: str, inbox_id: str) -> None:
        moved = [e for e in self.entries.values() if e.conversation_id == conversation_id]
        self.entries |= {e.message_id: replace(e, inbox_id=inbox_id) for e in moved}

    async def give(self, message_ids: Sequence[str], conversation_id: str) -> None:
        given = [self.entries[i] for i in message_ids if i in self.entries]
        self.entries |= {e.message_id: replace(e, conversation_id=conversation_id) for e in given}

    async def forget_all(self) -> None:
        self.entries, self.people = {}, {}

    async def few(self, query: SearchQuery, readable: frozenset[str], most: int) -> list[str] | None:
        wanted = replace(query, inboxes=query.inboxes or tuple(readable))
        found = [i for i, v in self.views_known.items() if v.inbox_id in readable and fits(v, wanted)]
        if len(found) > most:
            return None
        return [part for i in found for part in (i, *self.views_known[i].absorbed)]

    async def hits(
        self, query: SearchQuery, inboxes: frozenset[str], only: Sequence[str] | None, until: datetime
    ) -> tuple[list[Hit], datetime | None]:
        found = [
            e
            for e in self.entries.values()
            if e.at < until and (only is None or e.conversation_id in only) and _fits(e, query, inboxes)
            if query.after is None or e.at >= query.after
        ]
        found.sort(key=lambda e: e.at, reverse=True)
        hits = [_hit(e, query.terms) for e in found[: self.batch]]
        return hits, hits[-1].at if len(found) > self.batch else None

    async def newer(
        self, query: SearchQuery, inboxes: frozenset[str], conversations: Sequence[str], since: datetime
    ) -> set[str]:
        return {
            e.conversation_id
            for e in self.entries.values()
            if e.conversation_id in conversations and e.at >= since and _fits(e, query, inboxes)
        }

    async def states(
        self, ids: Sequence[str], query: SearchQuery, readable: frozenset[str]
    ) -> dict[str, ConversationState]:
        known = {i: self.views_known[i] for i in ids if i in self.views_known}
        readable_ones = {i: v for i, v in known.items() if v.inbox_id in readable}
        return {
            i: ConversationState(v.merged_into, tuple(v.absorbed))
            for i, v in readable_ones.items()
            if v.merged_into or fits(v, query)
        }

    async def views(self, ids: Sequence[str]) -> dict[str, ConversationView]:
        return {i: self.views_known[i] for i in ids if i in self.views_known}

    async def suggest(self, words: Sequence[str], inboxes: frozenset[str], limit: int) -> list[Person]:
        found = [
            p
            for p in self.people.values()
            if p.inbox_id in inboxes and all(any(w.startswith(x) for w in p.words) for x in words)
        ]
        return sorted(found, key=lambda p: p.at, reverse=True)[:limit]


def _holds(entry: Entry, term: Term) -> bool:
    place = {"": entry.everything, "subject": entry.subject, "from": entry.sender, "to": entry.receivers}[term.field]
    return any(matches(term, (word,)) for word in place)


def _fits(entry: Entry, query: SearchQuery, inboxes: frozenset[str]) -> bool:
    return (
        entry.inbox_id in inboxes
        and all(_holds(entry, t) for t in query.terms)
        and not any(_holds(entry, t) for t in query.excluded)
        and (entry.attachments > 0 or not query.has_attachment)
        and (entry.kind == "note" or not query.has_note)
    )


def _hit(entry: Entry, terms: Sequence[Term]) -> Hit:
    in_subject, in_sender = (
        any(matches(t, (word,)) for t in terms for word in place) for place in (entry.subject, entry.sender)
    )
    return Hit(
        entry.message_id,
        entry.conversation_id,
        entry.content_id,
        entry.at,
        in_subject,
        in_sender,
    )
