# ruff: noqa: ARG002 - the hooks of a decider have a fixed form
"""Folds the facts of `conversation-events` into the read model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from postroom_runtime.documents import Decision, Document, Emit
from postroom_runtime.fold import QuietDecider
from postroom_runtime.records import Incoming, header_map

from postroom_desk.domain.apply import apply
from postroom_desk.domain.logged import LoggedEvent, logged_event
from postroom_desk.domain.positions import LogPosition
from postroom_desk.domain.states import state_of
from postroom_desk.domain.view import ConversationView
from postroom_desk.ports import EventLog

Batch = Sequence[Incoming]


@dataclass(frozen=True, slots=True)
class ReadModelDecider(QuietDecider[ConversationView, Batch]):
    """One document per conversation; the events themselves go to `log` once the documents are saved."""

    log: EventLog

    async def prepare(self, batch: Batch, documents: Mapping[str, Document[ConversationView]]) -> Batch:
        return batch

    def decide(
        self, state: ConversationView | None, incoming: Incoming, context: Batch
    ) -> Decision[ConversationView] | None:
        position = LogPosition(incoming.position.partition, incoming.position.offset)
        view = apply(state, incoming.the_event, position)
        return None if view is None else Decision(view)

    def conclude(self, document: Document[ConversationView]) -> Emit | None:
        """Tell subscribers of `conversation-states` what the conversation has come to."""
        if document.state is None or document.state == document.before:
            return None
        return Emit(state_of(document.state), discriminator=document.state.position)

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
