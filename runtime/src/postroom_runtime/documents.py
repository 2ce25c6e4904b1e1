"""One document per key: state, mark and pending output in one upsert.

An atomic upsert holds what was decided, up to where the key's records are applied, and the events that follow and
are not known to be published. A repeated record decides nothing again: it publishes the pending output once more.
"""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from postroom_contracts.events import Data
from pydantic import BaseModel

from postroom_runtime.errors import ConflictError, translated
from postroom_runtime.kafka import Outgoing
from postroom_runtime.mongo import DUPLICATE_KEY, BulkWriteError, Collection, IndexModel, ReplaceOne
from postroom_runtime.mongo_steps import bulk_write, find_all
from postroom_runtime.records import Incoming, Position

S = TypeVar("S", bound=BaseModel)
MAX_REQUESTS = 50
MAX_AHEAD = 200
_GAP = {"ahead_since": {"$type": "date"}}


@dataclass(frozen=True, slots=True)
class Emit:
    """An event that follows from a decision.

    Facts (`Data.kind == "fact"`) are numbered and go to the document's own key; commands name the `key` (another
    conversation). `discriminator` tells several of one type from one cause apart. `id` fixes the id (a passed-on
    command keeps its own).
    """

    data: Data
    discriminator: str = ""
    key: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Decision(Generic[S]):
    """The new state and what follows from it."""

    state: S
    emit: Sequence[Emit] = ()


class Pending:
    """One record of `out`: kept until the record that caused it, at `physical`, is committed.

    One that was loaded stays as it is stored, and is read only if it must be published again, which is seldom.
    """

    __slots__ = ("_record", "_stored", "physical")

    def __init__(
        self, physical: Position, record: Outgoing | None = None, stored: Mapping[str, Any] | None = None
    ) -> None:
        self.physical = physical
        self._record = record
        self._stored = stored

    @classmethod
    def from_mongo(cls, stored: Mapping[str, Any]) -> "Pending":
        return cls(Position(*stored["p"]), stored=stored)

    @property
    def record(self) -> Outgoing:
        if self._record is None:
            assert self._stored is not None
            found = self._stored
            self._record = Outgoing(found["t"], found["k"], found["b"], list(found["h"].items()))
        return self._record

    def to_mongo(self) -> Mapping[str, Any]:
        """Return the stored form; headers of ours have each name once."""
        if self._stored is None:
            record = self.record
            place = self.physical
            self._stored = {
                "p": [place.topic_id, place.partition, place.offset],
                "t": record.topic,
                "k": record.key,
                "b": record.body,
                "h": dict(record.headers),
            }
        return self._stored

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pending) and (self.physical, self.record) == (other.physical, other.record)

    def __hash__(self) -> int:
        return hash(self.physical)

    def __repr__(self) -> str:
        return f"Pending({self.physical!r}, {self.record!r})"


@dataclass(frozen=True, slots=True)
class Ahead:
    """An event that came before its predecessor, kept as it came; `body` None for a number that is only to be skipped."""

    source: str
    sequence: int
    headers: list[tuple[str, bytes]]
    body: bytes | None
    position: Position
    topic: str
    """Where it first stood."""


@dataclass(slots=True)
class Document(Generic[S]):
    """What a service knows under one key. `state` is None until the first record is decided."""

    id: str
    state: S | None = None
    version: int = 0
    sequence: int = 0
    applied: dict[str, int] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    ahead: list[Ahead] = field(default_factory=list)
    ahead_since: datetime | None = None
    """Since when an event waits for a missing one, None while none does."""
    out: list[Pending] = field(default_factory=list)
    changed: bool = False
    repeated: bool = False
    added: list[Pending] = field(default_factory=list)
    decided: Incoming | None = None
    """The record that was decided last in this batch."""
    before: S | None = None
    """The state as it was loaded, for those who store differences."""

    def is_applied(self, position: Position) -> bool:
        return self.applied.get(position.stream, -1) >= position.offset

    def to_publish(self) -> list[Outgoing]:
        """Return what must go out now: everything pending if a record came again, else what this batch added."""
        return [pending.record for pending in (self.out if self.repeated else self.added)]

    def drop_committed(self, committed: Mapping[str, int]) -> None:
        """Forget pending output whose cause is committed: it was acknowledged before that commit."""
        self.out = [p for p in self.out if p.physical.offset >= committed.get(p.physical.stream, 0)]

    def note_gap(self, now: datetime) -> None:
        """Keep since when something is missing: from `now` on, or as it stands here, or nothing is missing any more."""
        self.ahead_since = (self.ahead_since or now) if self.ahead else None


def to_mongo(document: Document[S], version: int) -> dict[str, Any]:
    """Return the stored form. State fields keep their Python types (times as dates)."""
    assert document.state is not None or document.ahead or document.applied or document.seen
    return {
        "_id": document.id,
        "version": version,
        "sequence": document.sequence,
        "applied": document.applied,
        "seen": document.seen,
        "requests": document.requests[-MAX_REQUESTS:],
        "ahead": [_ahead_to_mongo(a) for a in document.ahead],
        "ahead_since": document.ahead_since,
        "out": [p.to_mongo() for p in document.out],
        "state": None if document.state is None else document.state.model_dump(exclude_defaults=True),
    }


def _ahead_to_mongo(a: Ahead) -> dict[str, Any]:
    return {
        "s": a.source,
        "n": a.sequence,
        "h": [list(h) for h in a.headers],
        "b": a.body,
        "p": [a.position.topic_id, a.position.partition, a.position.offset],
        "t": a.topic,
    }


def _ahead_from_mongo(a: Mapping[str, Any]) -> Ahead:
    body = a["b"]
    headers = [(name, bytes(value)) for name, value in a["h"]]
    return Ahead(a["s"], a["n"], headers, None if body is None else bytes(body), Position(*a["p"]), a["t"])


def from_mongo(stored: Mapping[str, Any], model: type[S]) -> Document[S]:
    """Return the document as it was stored; it takes the parts of `stored` for its own."""
    state = None if stored["state"] is None else model.model_validate(stored["state"])
    return Document(
        id=stored["_id"],
        state=state,
        before=state,
        version=stored["version"],
        sequence=stored["sequence"],
        applied=stored["applied"],
        seen=stored["seen"],
        requests=stored["requests"],
        ahead=[_ahead_from_mongo(a) for a in stored["ahead"]],
        ahead_since=stored.get("ahead_since"),
        out=[Pending.from_mongo(p) for p in stored["out"]],
    )


class DocumentStore(Protocol[S]):
    """Loads and saves documents of one kind."""

    async def load(self, keys: Iterable[str]) -> dict[str, Document[S]]:
        """Return a document for each key, in one query; a new one (version 0) where none is stored."""
        ...

    async def save(self, documents: Sequence[Document[S]]) -> None:
        """Store all, in one round trip, each only if it is still of the version that it was loaded with.

        Raises ConflictError when one was not: then any part may have been stored, and all must be loaded again.
        """
        ...


class MongoDocumentStore(Generic[S]):
    """Documents in one MongoDB collection."""

    def __init__(self, collection: Collection, model: type[S]) -> None:
        self._collection = collection
        self._model = model

    async def prepare(self) -> None:
        """Make the index by which gaps are found; again: no change."""
        async with translated("index documents"):
            await self._collection.create_indexes([IndexModel([("ahead_since", 1)], partialFilterExpression=_GAP)])

    async def gap_since(self) -> datetime | None:
        """Return since when the oldest gap of any key stands; None when nothing is missing anywhere."""
        async with translated("look for gaps"):
            found = await self._collection.find_one(_GAP, {"ahead_since": 1}, sort=[("ahead_since", 1)])
        return found["ahead_since"] if found else None

    async def load(self, keys: Iterable[str]) -> dict[str, Document[S]]:
        wanted = list(dict.fromkeys(keys))
        async with translated("load documents"):
            stored = await find_all(self._collection, {"_id": {"$in": wanted}}, limit=len(wanted))
        found = {d["_id"]: from_mongo(d, self._model) for d in stored}
        return {key: found.get(key) or Document(key) for key in wanted}

    async def save(self, documents: Sequence[Document[S]]) -> None:
        if not documents:
            return
        async with translated("save documents"):
            try:
                await bulk_write(self._collection, [self.write(d) for d in documents])
            except BulkWriteError as error:
                codes = {e.get("code") for e in (error.details or {}).get("writeErrors", [])}
                if codes == {DUPLICATE_KEY}:
                    raise ConflictError("a document was changed by another writer") from error
                raise

    def write(self, document: Document[S]) -> ReplaceOne[dict[str, Any]]:
        """Return the conditional upsert: another version under this id makes it a duplicate key, which is our conflict."""
        return ReplaceOne(
            {"_id": document.id, "version": document.version}, to_mongo(document, document.version + 1), upsert=True
        )


class InMemoryDocumentStore(Generic[S]):
    """The double; it stores the same form, so that what MongoDB would lose is lost here too."""

    def __init__(self, model: type[S]) -> None:
        self._model = model
        self.stored: dict[str, dict[str, Any]] = {}

    async def load(self, keys: Iterable[str]) -> dict[str, Document[S]]:
        return {
            k: from_mongo(deepcopy(self.stored[k]), self._model) if k in self.stored else Document(k)
            for k in dict.fromkeys(keys)
        }

    async def save(self, documents: Sequence[Document[S]]) -> None:
        conflict = False
        for document in documents:
            there = self.stored.get(document.id)
            if (there["version"] if there else 0) != document.version:
                conflict = True
                continue
            self.stored[document.id] = deepcopy(to_mongo(document, document.version + 1))
        if conflict:
            raise ConflictError("a document was changed by another writer")
