"""A log folded in memory, in batches, as the service does it with its database: for recorded logs and for tests."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from postroom_contracts.configuration import Configuration, ConfigurationApplied
from postroom_contracts.events import Event

from postroom_analytics.domain.cells import Cell
from postroom_analytics.domain.changes import Changes, batch_increments, changes, needs_stored_rows
from postroom_analytics.domain.documents import from_document, row_document, row_from_document, to_document
from postroom_analytics.domain.fold import apply_all
from postroom_analytics.domain.model import ConversationMetrics, Row
from postroom_analytics.domain.now import now_of
from postroom_analytics.domain.rollup import add_to


@dataclass(slots=True)
class FoldedLog:
    """Stored states, rows and rollups, as documents, and the configurations by version.

    A recorded log may begin anywhere: the first number that stands there of a source is its start.
    """

    configurations: dict[int, Configuration] = field(default_factory=dict)
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    rows: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    """By conversation and row id."""
    rollups: dict[Cell, dict[str, Any]] = field(default_factory=dict)

    def fold(self, records: Iterable[ConfigurationApplied | Event], batch: int = 200) -> None:
        """Fold a log, `batch` events at a time; what was folded before goes on where it stood."""
        waiting: list[Event] = []
        for record in records:
            if isinstance(record, ConfigurationApplied):
                self.configurations[record.configuration_version] = record.configuration
                continue
            waiting.append(record)
            if len(waiting) >= batch:
                self._fold_batch(waiting)
                waiting = []
        self._fold_batch(waiting)

    def _fold_batch(self, events: Sequence[Event]) -> None:
        by_conversation: dict[str, list[Event]] = {}
        for event in events:
            by_conversation.setdefault(event.subject, []).append(event)
        batch = []
        for conversation_id, own in by_conversation.items():
            old = self.state(conversation_id)
            new = apply_all(old, own, self.configurations, seeds=True)
            stored = self.rows_of(conversation_id) if needs_stored_rows(old, new) else []
            batch.append(changes(old, new, self.configurations, stored))
        for changed in batch:
            self._save(changed)
        for cell, increments in batch_increments(batch).items():
            add_to(self.rollups.setdefault(cell, {}), increments)

    def _save(self, changed: Changes) -> None:
        conversation_id = changed.state.conversation_id
        self.states[conversation_id] = to_document(changed.state)
        kept = self.rows.setdefault(conversation_id, {})
        for row_id in changed.withdrawn:
            kept.pop(row_id, None)
        kept.update({row.id: row_document(row) for row in changed.upserts})

    def state(self, conversation_id: str) -> ConversationMetrics | None:
        document = self.states.get(conversation_id)
        return None if document is None else from_document(document)

    def rows_of(self, conversation_id: str) -> list[Row]:
        """Return all rows of a conversation, oldest first."""
        found = [row_from_document(document) for document in self.rows.get(conversation_id, {}).values()]
        return sorted(found, key=lambda row: (row.closed_at, row.n, row.kind, row.id))

    def now(self, cut: str = "all", value: str = "") -> dict[str, int]:
        """Return how many conversations are open, unassigned, unattended in the cut."""
        return now_of(self.rollups, cut, value)
