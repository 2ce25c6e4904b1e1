# ruff: noqa: ARG002 - the hooks of a decider have a fixed form
"""Folds the facts of `conversation-events` into the read model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from postroom_runtime.documents import Decision, Document, Emit
from postroom_runtime.fold import QuietDecider
from postroom_runtime.records import Incoming, header_map

from postroom_desk.bell.ringing import Ringer
from postroom_desk.domain.apply import apply
from postroom_desk.domain.logged import LoggedEvent, logged_event
from postroom_desk.domain.positions import LogPosition
from postroom_desk.domain.ringing import rings_of
from postroom_desk.domain.states import state_of
from postroom_desk.domain.view import ConversationView
from postroom_desk.ports import EventLog

Batch = Sequence[Incoming]


@dataclass(frozen=True, slots=True)
class ReadModelDecider(QuietDecider[ConversationView, Batch]):
    """One document per conversation; the events themselves go to `log` once the documents are saved.

    What rings is stored **before** the documents say that its facts were taken in: a crash between the two decides the same
    again, with the same ids. A repeated record, and a conversation that is folded anew, ring nothing.
    """

    log: EventLog
    ringer: Ringer | None = None
    """None: nothing rings, as where documents are made without a desk."""

    async def prepare(self, batch: Batch, documents: Mapping[str, Document[ConversationView]]) -> Batch:
        return batch

    def decide(
        self, state: ConversationView | None, incoming: Incoming, context: Batch
    ) -> Decision[ConversationView] | None:
        position = LogPosition(incoming.position.partition, incoming.position.offset)
        view = apply(state, incoming.the_event, position)
        if view is None:
            return None
        rings = rings_of(state, view, incoming.the_event)
        return Decision(view.model_copy(update={"rings": (*view.rings, *rings)}) if rings else view)

    def conclude(self, document: Document[ConversationView]) -> Emit | None:
        """Tell subscribers of `conversation-states` what the conversation has come to."""
        if document.state is None or document.state == document.before:
            return None
        return Emit(state_of(document.state), discriminator=document.state.position)

    async def before_save(self, documents: Sequence[Document[ConversationView]], context: Batch) -> None:
        if self.ringer is None:
            return
        for document in documents:
            before, state = document.before, document.state
            if before is not None and state is not None and before.inbox_id != state.inbox_id:
                await self.ringer.moved(document.id, state.inbox_id)
        await self.ringer.ring([ring for d in documents if d.state is not None for ring in d.state.rings])

    async def after_save(self, documents: Sequence[Document[ConversationView]], context: Batch) -> None:
        """Keep the batch's events. Afterwards every position that the log names is in the documents, too."""
        events = [event for event in map(as_logged, context) if event is not None]
        reached = [LogPosition(i.position.partition, i.position.offset) for i in context]
        await self.log.record(events, reached)


def as_logged(incoming: Incoming) -> LoggedEvent | None:
    """Return the record as it stood on Kafka; one that was parked before is none."""
    if incoming.event is None:
        return None
    position = LogPosition(incoming.position.partition, incoming.position.offset)
    return logged_event(position, header_map(incoming.record), incoming.record.value, incoming.record.timestamp)
