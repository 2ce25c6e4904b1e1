"""The search index in MongoDB: one entry per message, found by its words. Why so: docs/decisions/0007-search-index.md.

`search`: `{_id: message, c: conversation, d: content, i: inbox, at, k: kind, t: words of all fields, s, f, r: of subject, sender,
receivers, n: attachments}`. The index on (t, i, at) gives the entries of one word in one inbox, newest first, so that the
newest of a frequent word are found without reading the others. Entries never change but for an inbox that is moved.

`search_people`: `{_id: inbox + address, i, a: address, n: name, k: contact, at, t: words}`, for suggestions.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from postroom_runtime.errors import translated
from postroom_runtime.mongo import Collection, Database, IndexModel, ReplaceOne, UpdateOne

from postroom_desk.domain.search.entries import Entry, Person
from postroom_desk.domain.search.query import Term

_WORDS = [("t", 1), ("i", 1), ("at", -1)]
_NEWEST = [("i", 1), ("at", -1)]
_OF_CONVERSATION = [("c", 1), ("at", -1)]
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS = {"subject": "s", "from": "f", "to": "r"}


def _name(index: Sequence[tuple[str, int]]) -> str:
    return "_".join(f"{field}_{direction}" for field, direction in index)


class MongoSearchIndex:
    """Entries and people; written by the indexer alone."""

    def __init__(self, database: Database) -> None:
        self.entries: Collection = database["search"]
        self.people: Collection = database["search_people"]

    async def prepare(self) -> None:
        """Create the indexes; again: no change."""
        async with translated("index search"):
            await self.entries.create_indexes([IndexModel(i) for i in (_WORDS, _NEWEST, _OF_CONVERSATION)])
            await self.people.create_indexes([IndexModel([("t", 1), ("i", 1)]), IndexModel([("k", 1)])])

    async def put(self, entries: Sequence[Entry], people: Sequence[Person]) -> None:
        """Write entries and people; again: no change."""
        async with translated("write search entries"):
            if entries:
                await self.entries.bulk_write(
                    [ReplaceOne({"_id": e.message_id}, entry_to_mongo(e), upsert=True) for e in entries], ordered=False
                )
            if people:
                await self.people.bulk_write([_upsert(p) for p in people], ordered=False)

    async def erase(self, message_ids: Iterable[str], contact_ids: Iterable[str]) -> None:
        """Forget messages, and what people of these contacts are called."""
        async with translated("erase search entries"):
            await self.entries.delete_many({"_id": {"$in": list(message_ids)}})
            await self.people.delete_many({"k": {"$in": list(contact_ids)}})

    async def move(self, conversation_id: str, inbox_id: str) -> None:
        """Have a conversation's entries found in another inbox."""
        async with translated("move search entries"):
            await self.entries.update_many({"c": conversation_id, "i": {"$ne": inbox_id}}, {"$set": {"i": inbox_id}})

    async def give(self, message_ids: Sequence[str], conversation_id: str) -> None:
        """Have these messages found as another conversation's, which was split off."""
        async with translated("give search entries away"):
            await self.entries.update_many({"_id": {"$in": list(message_ids)}}, {"$set": {"c": conversation_id}})

    async def forget_all(self) -> None:
        async with translated("empty the search index"):
            await self.entries.delete_many({})
            await self.people.delete_many({})

    async def suggest(self, words: Sequence[str], inboxes: frozenset[str], limit: int) -> list[Person]:
        """Return people who have all `words` (or their beginnings) in name or address, the last seen first."""
        longest, *others = sorted(words, key=len, reverse=True)
        conditions: dict[str, Any] = {"t": _beginning(longest), "i": {"$in": sorted(inboxes)}}
        if others:
            conditions["$and"] = [{"t": _beginning(word)} for word in others]
        cursor = self.people.find(conditions).sort([("at", -1), ("_id", 1)]).limit(limit)
        async with translated("suggest people"):
            found = await cursor.to_list(length=limit)
        return [Person(d["i"], d["a"], d["n"], d["k"], d["at"]) for d in found]


def _beginning(word: str) -> dict[str, str]:
    return {"$regex": f"^{re.escape(word)}"}


def entry_to_mongo(entry: Entry) -> dict[str, Any]:
    return {
        "_id": entry.message_id,
        "c": entry.conversation_id,
        "d": entry.content_id,
        "i": entry.inbox_id,
        "at": entry.at,
        "k": entry.kind,
        "t": entry.everything,
        "s": entry.subject,
        "f": entry.sender,
        "r": entry.receivers,
        "n": entry.attachments,
    }


def _upsert(person: Person) -> UpdateOne:
    """Write a person if this is the newest that is known of them."""
    new = {"i": person.inbox_id, "a": person.address, "n": person.name, "k": person.contact_id, "at": person.at}
    new["t"] = person.words
    older = {"$lte": [{"$ifNull": ["$at", _NEVER]}, person.at]}
    fields = {name: {"$cond": [older, {"$literal": value}, f"${name}"]} for name, value in new.items()}
    return UpdateOne({"_id": f"{person.inbox_id} {person.address}"}, [{"$set": fields}], upsert=True)


def condition(term: Term) -> Any:
    """Return the condition on one entry that this word stands in it, in a form that no index serves.

    MongoDB would otherwise be free to walk the index of any of the words; which one is ours to choose.
    """
    if term.field:
        return in_field(term, f"${_FIELDS[term.field]}")
    return in_field(term, "$t")


def in_field(term: Term, field: str) -> Any:
    """Return the expression that says whether this word stands in an array of words."""
    if not term.prefix:
        found = [{"$in": [word, field]} for word in term.spellings]
        return found[0] if len(found) == 1 else {"$or": found}
    hits = [
        {"$anyElementTrue": [{"$map": {"input": field, "in": {"$eq": [{"$indexOfCP": ["$$this", word]}, 0]}}}]}
        for word in term.spellings
    ]
    return hits[0] if len(hits) == 1 else {"$or": hits}


def by_word(term: Term) -> dict[str, Any]:
    """Return the condition that walks the index of this word."""
    if term.prefix:
        beginnings = [{"t": _beginning(word)} for word in term.spellings]
        return beginnings[0] if len(beginnings) == 1 else {"$or": beginnings}
    return {"t": term.spellings[0] if len(term.spellings) == 1 else {"$in": list(term.spellings)}}


WORDS_INDEX, NEWEST_INDEX, CONVERSATION_INDEX = map(_name, (_WORDS, _NEWEST, _OF_CONVERSATION))
