"""Reads of the search index: which index is walked, and how far at once."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from postroom_contracts.values import Status
from postroom_runtime.errors import translated
from postroom_runtime.mongo import Database

from postroom_desk.adapters.search_index import (
    CONVERSATION_INDEX,
    NEWEST_INDEX,
    WORDS_INDEX,
    by_word,
    condition,
    in_field,
)
from postroom_desk.domain.search.query import SearchQuery, Term
from postroom_desk.domain.search.ranking import ConversationState, Hit
from postroom_desk.domain.view import ConversationView

RARE = 2000
"""Entries of a word up to which all of them are read; 20 ms on two cores that the server shares."""
STRETCH = 4000
"""Entries of a frequent word that are read at once when others must stand beside it."""
BATCH = 120
"""Hits at once."""
Conditions = dict[str, Any]


class MongoSearchReads:
    """Port SearchReads."""

    def __init__(self, database: Database) -> None:
        self._entries = database["search"]
        self._conversations = database["conversations"]

    async def few(self, query: SearchQuery, readable: frozenset[str], most: int) -> list[str] | None:
        cursor = self._conversations.find(_state(query, readable), {"state.absorbed": 1}).limit(most + 1)
        async with translated("narrow search"):
            found = await cursor.to_list(length=most + 1)
        if len(found) > most:
            return None
        return [i for d in found for i in (d["_id"], *(d.get("state") or {}).get("absorbed", ()))]

    async def states(
        self, ids: Sequence[str], query: SearchQuery, readable: frozenset[str]
    ) -> dict[str, ConversationState]:
        merged = {"state.status": Status.MERGED.value, "state.inbox_id": {"$in": sorted(readable)}}
        wanted = {"_id": {"$in": list(ids)}, "$or": [_state(query, readable), merged]}
        fields = {"state.merged_into": 1, "state.absorbed": 1}
        async with translated("read conversations"):
            found = await self._conversations.find(wanted, fields, batch_size=len(ids) + 1).to_list(length=len(ids))
        states = {d["_id"]: d.get("state") or {} for d in found}
        return {i: ConversationState(s.get("merged_into"), tuple(s.get("absorbed", ()))) for i, s in states.items()}

    async def views(self, ids: Sequence[str]) -> dict[str, ConversationView]:
        cursor = self._conversations.find({"_id": {"$in": list(ids)}}, {"state.messages": 0, "seen": 0, "applied": 0})
        async with translated("read conversations"):
            found = await cursor.to_list(length=len(ids))
        return {d["_id"]: ConversationView.model_validate(d["state"]) for d in found if d["state"] is not None}

    async def newer(
        self, query: SearchQuery, inboxes: frozenset[str], conversations: Sequence[str], since: datetime
    ) -> set[str]:
        conditions: Conditions = {"c": {"$in": list(conversations)}, "i": {"$in": sorted(inboxes)}}
        conditions |= {"at": {"$gte": since}, **_words(query.terms, query)}
        async with translated("search"):
            found = await self._entries.find(conditions, {"c": 1}, hint=CONVERSATION_INDEX).to_list(length=None)
        return {d["c"] for d in found}

    async def hits(
        self, query: SearchQuery, inboxes: frozenset[str], only: Sequence[str] | None, until: datetime
    ) -> tuple[list[Hit], datetime | None]:
        async with translated("search"):
            walk = await self._walk(query, inboxes, only)
            return await self._along(walk, query, until)

    async def _walk(self, query: SearchQuery, inboxes: frozenset[str], only: Sequence[str] | None) -> "_Walk":
        """Choose the index: that of few conversations, of the rarest word, or of time alone."""
        places = {"i": {"$in": sorted(inboxes)}}
        if only is not None:
            return _Walk({"c": {"$in": list(only)}, **places}, query.terms, CONVERSATION_INDEX, rare=True)
        best: tuple[int, Term] | None = None
        for term in query.terms:
            most = min(RARE, best[0]) if best else RARE
            number = await self._number({**by_word(term), **places}, most, exact=not term.prefix)
            if best is None or number < best[0]:
                best = number, term
            if number == 0:  # nothing can be found; MongoDB refuses to count up to 0
                break
        if best is None or (best[0] >= RARE and (best[1].prefix or len(best[1].spellings) > 1)):
            return _Walk(places, query.terms, NEWEST_INDEX, rare=False)
        others = tuple(t for t in query.terms if t is not best[1] or t.field)
        return _Walk({**by_word(best[1]), **places}, others, WORDS_INDEX, rare=best[0] < RARE)

    async def _number(self, conditions: Conditions, most: int, *, exact: bool) -> int:
        """Count entries of a word from the index alone, up to `most`."""
        del exact
        return int(await self._entries.count_documents(conditions, limit=most, hint=WORDS_INDEX))

    async def _along(self, walk: "_Walk", query: SearchQuery, until: datetime) -> tuple[list[Hit], datetime | None]:
        at: dict[str, datetime] = {"$lt": until} | ({"$gte": query.after} if query.after else {})
        lower = None if walk.rare else await self._lower(walk, at, narrow=bool(walk.others) or _narrow(query))
        if lower is not None:
            at["$gte"] = lower
        conditions = {**walk.conditions, "at": at, **_words(walk.others, query)}
        cursor = self._entries.find(conditions, _shown(query.terms), hint=walk.index, batch_size=BATCH + 1)
        found = await cursor.sort([("at", -1)]).limit(BATCH).to_list(length=BATCH)
        hits = [_hit(d) for d in found]
        if len(found) < BATCH:
            return hits, lower
        last = found[-1]["at"]
        whole = [h for h in hits if h.at > last]  # what has the same time may go on behind the limit
        return (whole, last + timedelta(milliseconds=1)) if whole else (hits, last)

    async def _lower(self, walk: "_Walk", at: Mapping[str, datetime], *, narrow: bool) -> datetime | None:
        """Return how far back one stretch goes; None: to the end. Read from the index alone."""
        if not narrow:
            return None
        cursor = self._entries.find({**walk.conditions, "at": dict(at)}, {"_id": 0, "at": 1}, hint=walk.index)
        found = await cursor.sort([("at", -1)]).skip(STRETCH).limit(1).to_list(length=1)
        return found[0]["at"] if found else None


class _Walk:
    """An index with the conditions that it serves, and the words that are looked for besides."""

    __slots__ = ("conditions", "index", "others", "rare")

    def __init__(self, conditions: Conditions, others: Sequence[Term], index: str, *, rare: bool) -> None:
        self.conditions = conditions
        self.others = others
        self.index = index
        self.rare = rare


def _narrow(query: SearchQuery) -> bool:
    """Say whether an entry may be passed over for another reason than its words."""
    return bool(query.excluded) or query.has_attachment or query.has_note


def _words(terms: Sequence[Term], query: SearchQuery) -> Conditions:
    """Return the conditions on single entries that no index serves."""
    wanted = [condition(t) for t in terms]
    unwanted = [{"$not": [condition(t)]} for t in query.excluded]
    conditions: Conditions = {"$expr": {"$and": [*wanted, *unwanted]}} if wanted or unwanted else {}
    if query.has_attachment:
        conditions["n"] = {"$gt": 0}
    if query.has_note:
        conditions["k"] = "note"
    return conditions


def _shown(terms: Sequence[Term]) -> Conditions:
    """Return what is read of a hit: whether a word stands in subject or sender is found out by the server."""
    fields: Conditions = {"c": 1, "d": 1, "at": 1}
    for name, field in (("in_subject", "$s"), ("in_sender", "$f")):
        fields[name] = {"$or": [in_field(t, field) for t in terms]} if terms else {"$literal": False}
    return fields


def _hit(found: Mapping[str, Any]) -> Hit:
    return Hit(
        message_id=found["_id"],
        conversation_id=found["c"],
        content_id=found["d"],
        at=found["at"],
        in_subject=found["in_subject"],
        in_sender=found["in_sender"],
    )


def _state(query: SearchQuery, readable: frozenset[str]) -> Conditions:
    """Return the state that is wanted of conversations, as `ranking.fits` says it."""
    hidden = (Status.SPAM, Status.DELETED, Status.MERGED)
    statuses = query.statuses or [s for s in Status if s not in hidden]
    inboxes = readable & frozenset(query.inboxes) if query.inboxes else readable
    conditions: Conditions = {
        "state.status": {"$in": [s.value for s in statuses]},
        "state.inbox_id": {"$in": sorted(inboxes)},
    }
    tags = ({"$all": list(query.tags)} if query.tags else {}) | (
        {"$nin": list(query.excluded_tags)} if query.excluded_tags else {}
    )
    conditions |= {"state.tags": tags} if tags else {}
    conditions |= {"state.team_id": {"$in": list(query.teams)}} if query.teams else {}
    if query.unassigned or query.assignee is not None:
        conditions["state.owner_id"] = query.assignee
    if query.archived:
        conditions["state.archived"] = True
    return conditions
