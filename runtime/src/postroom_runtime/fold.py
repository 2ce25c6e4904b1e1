"""The handler of most consumers: fold a batch of records into documents, one per key, and publish what follows.

load (one query) -> prepare (one more, the service's own) -> decide (pure, per record) -> before_save -> save ->
publish. The consumer commits afterwards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Generic, Protocol, TypeVar

from postroom_contracts.events import Data, Event, new_event
from postroom_contracts.registry import source_of
from postroom_contracts.topics import CONVERSATION_COMMANDS, CONVERSATION_EVENTS, CONVERSATION_STATES, Topic
from pydantic import BaseModel

from postroom_runtime.clock import Clock
from postroom_runtime.documents import MAX_AHEAD, MAX_REQUESTS, Ahead, Decision, Document, DocumentStore, Emit, Pending
from postroom_runtime.errors import PermanentError
from postroom_runtime.kafka import MAX_RECORD_BYTES, Outgoing, Publisher
from postroom_runtime.metrics import SEQUENCE_AHEAD
from postroom_runtime.pending import PendingOutput
from postroom_runtime.records import Incoming, read
from postroom_runtime.steps import reach

S = TypeVar("S", bound=BaseModel)
C = TypeVar("C")


_TOPICS: Mapping[str, Topic] = {
    "fact": CONVERSATION_EVENTS,
    "command": CONVERSATION_COMMANDS,
    "state": CONVERSATION_STATES,
}


class RecordFailedError(Exception):
    """The decision on one record raised; `cause` is what it raised. Nothing of the batch was saved."""

    def __init__(self, incoming: Incoming, cause: BaseException) -> None:
        super().__init__(f"{incoming.record.topic}/{incoming.record.partition}@{incoming.record.offset}")
        self.incoming = incoming
        self.cause = cause


class UnfinishedError(Exception):
    """What follows from a saved decision can never be carried out; the key has to wait until this is mended."""


class Decider(Protocol[S, C]):
    """What a service puts into a fold. All but `decide` may do I/O; `decide` is pure."""

    async def prepare(self, batch: Sequence[Incoming], documents: Mapping[str, Document[S]]) -> C:
        """Load what the decisions need beside the documents: configuration, contacts, loads. In as few queries as can be."""
        ...

    def decide(self, state: S | None, incoming: Incoming, context: C) -> Decision[S] | None:
        """Return what becomes of the document; None when this record changes nothing in it.

        May raise PermanentError (the record is parked, its key goes on). Anything else that it raises is a bug: tried
        three times, parked, and its key goes on hold.
        """
        ...

    def conclude(self, document: Document[S]) -> Emit | None:
        """Return what follows from all that the batch made of this document, once, or None. Pure."""
        ...

    async def before_save(self, documents: Sequence[Document[S]], context: C) -> None:
        """Take what must be taken before the documents say so (slots). ConflictError decides the batch anew, singly."""
        ...

    async def after_save(self, documents: Sequence[Document[S]], context: C) -> None:
        """Write what follows from the saved state and may be repeated: a crash before this is made good by redelivery."""
        ...


class QuietDecider(Generic[S, C]):
    """Base with empty hooks."""

    def conclude(self, document: Document[S]) -> Emit | None:  # noqa: ARG002 - the hook's form
        return None

    async def before_save(self, documents: Sequence[Document[S]], context: C) -> None: ...

    async def after_save(self, documents: Sequence[Document[S]], context: C) -> None: ...


class Fold(Generic[S, C]):
    """A batch handler over documents. `service` names the source of what is published."""

    def __init__(
        self,
        *,
        service: str,
        decider: Decider[S, C],
        store: DocumentStore[S],
        publisher: Publisher,
        clock: Clock,
        models: Mapping[str, type[Data]],
        unnumbered: frozenset[str] = frozenset(),
    ) -> None:
        """`unnumbered`: sources of which only some facts are followed. These are taken as they come, each once by its
        place and id; what is decided of them must not depend on the order that they have among each other.
        """
        self.service = service
        self.models = models
        self._source = source_of(service)
        self._unnumbered = unnumbered
        self._decider = decider
        self._store = store
        self._publisher = publisher
        self._clock = clock
        self._pending = PendingOutput(service)

    async def handle(self, batch: Sequence[Incoming], committed: Mapping[str, int]) -> None:
        """Carry out the batch; when it returns, everything is saved and published.

        `committed` maps a stream to its committed offset. Raises RecordFailedError for one record's decision,
        ConflictError, InfrastructureError.
        """
        documents = await self._store.load([incoming.key for incoming in batch])
        reach("fold.loaded")
        context = await self._decider.prepare(batch, documents)
        for incoming in batch:
            self._take(documents[incoming.key], incoming, context)
        touched = list(documents.values())
        changed = [document for document in touched if document.changed]
        for document in changed:
            if document.decided is not None:
                self._conclude(document, document.decided)
            document.note_gap(self._clock.now())
            document.drop_committed(committed)
            document.out.extend(document.added)
        reach("fold.decided")
        await self._decider.before_save(changed, context)
        reach("fold.before_saved")
        await self._store.save(changed)
        following = [record for document in touched for record in document.to_publish()]
        self._pending.saved(len(following))
        reach("fold.saved")
        try:
            await self._decider.after_save(touched, context)
            reach("fold.after_saved")
            await self._publisher.publish(following)
            self._pending.published()
        except PermanentError as error:  # what is saved must go out: its cause may not be put aside for good
            raise UnfinishedError(str(error)) from error
        reach("fold.published")

    def _take(self, document: Document[S], incoming: Incoming, context: C) -> None:
        """Apply one record, and those that waited for it."""
        event = incoming.event
        if event is None:
            self._skip(document, incoming, context)
        elif event.sequence is not None and not incoming.late and event.source not in self._unnumbered:
            self._take_fact(document, incoming, event, event.sequence, context)
        elif document.is_applied(incoming.position) or event.id in document.requests:
            document.repeated = True
        else:
            self._decide(document, incoming, context)
            document.applied[incoming.position.stream] = incoming.position.offset
            document.requests = [*document.requests, event.id][-MAX_REQUESTS:]

    def _skip(self, document: Document[S], incoming: Incoming, context: C) -> None:
        """A parked or discarded record counts as seen, now or when its turn comes: what stands behind it can go on."""
        source, sequence = incoming.skipped_source, incoming.skipped_sequence
        expected = document.seen.get(source, 0) + 1
        if not source or source in self._unnumbered or sequence < expected:
            return
        if sequence > expected:
            document.ahead = [a for a in document.ahead if (a.source, a.sequence) != (source, sequence)]
            self._keep_ahead(document, incoming, source, sequence)
            return
        document.seen[source] = sequence
        document.changed = True
        self._take_waiting(document, source, incoming, context)

    def _take_fact(self, document: Document[S], incoming: Incoming, event: Event, sequence: int, context: C) -> None:
        expected = document.seen.get(event.source, 0) + 1
        if sequence < expected:
            document.repeated = True
        elif sequence > expected:
            self._keep_ahead(document, incoming, event.source, sequence)
        else:
            self._decide(document, incoming, context)
            document.seen[event.source] = sequence
            self._take_waiting(document, event.source, incoming, context)

    def _keep_ahead(self, document: Document[S], incoming: Incoming, source: str, sequence: int) -> None:
        """Keep an event until the missing ones before it come."""
        if any(a.source == source and a.sequence == sequence for a in document.ahead):
            return
        if len(document.ahead) >= MAX_AHEAD:
            raise RecordFailedError(incoming, OverflowError(f"{MAX_AHEAD} events wait for a missing one"))
        body = None if incoming.event is None else incoming.record.value
        headers = [] if body is None else [(name, value or b"") for name, value in incoming.record.headers]
        kept = Ahead(source, sequence, headers, body, incoming.position, incoming.origin_topic)
        document.ahead.append(kept)
        document.changed = True
        SEQUENCE_AHEAD.labels(self.service).inc()

    def _take_waiting(self, document: Document[S], source: str, cause: Incoming, context: C) -> None:
        """Decide what has become the next of `source`; each is pending until `cause`, which released it, is committed."""
        while document.ahead:
            following = document.seen[source] + 1
            found = next((a for a in document.ahead if a.source == source and a.sequence == following), None)
            if found is None:
                return
            document.ahead.remove(found)
            if found.body is not None:
                self._decide(document, self._as_incoming(found, cause), context)
            document.seen[source] = following

    def _as_incoming(self, found: Ahead, cause: Incoming) -> Incoming:
        """Return a kept event as if it came now, from where it first stood."""
        place = found.position
        record = replace(
            cause.record,
            topic=found.topic,
            partition=place.partition,
            offset=place.offset,
            headers=tuple(found.headers),
            value=found.body,
        )
        again = read(record, self.models, {found.topic: place.topic_id}, frozenset())
        if not isinstance(again, Incoming):
            raise RecordFailedError(cause, LookupError("an event that was kept cannot be read any more"))
        return replace(again, position=place, physical=cause.physical)

    def _decide(self, document: Document[S], incoming: Incoming, context: C) -> None:
        try:
            decision = self._decider.decide(document.state, incoming, context)
            document.changed = True
            document.decided = incoming
            if decision is None:
                return
            document.state = decision.state
            for emit in decision.emit:
                document.added.append(Pending(incoming.physical, self._record(document, incoming.the_event, emit)))
        except Exception as error:
            raise RecordFailedError(incoming, error) from error

    def _conclude(self, document: Document[S], last: Incoming) -> None:
        emit = self._decider.conclude(document)
        if emit is not None:
            document.added.append(Pending(last.physical, self._record(document, last.the_event, emit)))

    def _record(self, document: Document[S], cause: Event, emit: Emit) -> Outgoing:
        """Return the record to publish; facts get the document's next number."""
        fact = emit.data.kind == "fact"
        if fact:
            document.sequence += 1
        event = new_event(
            emit.data,
            source=self._source,
            cause_id=cause.id,
            subject=emit.key or document.id,
            time=self._clock.now(),
            sequence=document.sequence if fact else None,
            correlation_id=cause.correlation_id or cause.id,
            traceparent=cause.traceparent,
            discriminator=emit.discriminator,
        )
        if emit.id is not None:
            event = _with_id(event, emit.id)
        record = self._publisher.outgoing(_TOPICS[emit.data.kind], event)
        if record.exceeds(MAX_RECORD_BYTES):  # now, not when it is saved: its number would be given and never seen
            raise PermanentError(f"{event.type} would have {record.size} bytes; at most {MAX_RECORD_BYTES} fit")
        return record


def _with_id(event: Event, identifier: str) -> Event:
    return replace(event, id=identifier)
