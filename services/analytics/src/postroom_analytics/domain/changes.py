"""From a state before a batch to the state after it: what is to be written, in one transaction."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from postroom_analytics.domain.model import ConversationMetrics, Row
from postroom_analytics.domain.rollup import GaugesMoved, Increments, Replaced, gauges_of, increments_of
from postroom_analytics.domain.rows import Configurations, recount, rows


@dataclass(frozen=True, slots=True)
class Changes:
    """What one conversation's batch changes. `state` is to be stored where the revision is one less (or absent, 1)."""

    state: ConversationMetrics
    upserts: list[Row]
    withdrawn: list[str]
    """Ids of rows that are no more."""
    replaced: list[Replaced]
    gauges: GaugesMoved


def needs_stored_rows(old: ConversationMetrics | None, new: ConversationMetrics) -> bool:
    """Return whether `changes` needs every stored row of the conversation: spam or a merge came or went."""
    return old is not None and (
        (old.spam_at is None) != (new.spam_at is None) or (old.merged_at is None) != (new.merged_at is None)
    )


def changes(
    old: ConversationMetrics | None,
    new: ConversationMetrics,
    configurations: Configurations,
    stored: Iterable[Row] = (),
) -> Changes:
    """Return the rows that lead from `old`, as it was loaded, to `new`.

    `stored`: all rows of the conversation in the store, given when `needs_stored_rows`; else empty.
    """
    before = {} if old is None else {row.id: row for row in rows(old, configurations)}
    after = {row.id: row for row in rows(new, configurations)}
    for row in stored:
        if row.id not in before:
            before[row.id] = row
            after.setdefault(row.id, recount(new, row))
    return Changes(
        state=replace(new, sealed=[], revision=(0 if old is None else old.revision) + 1),
        upserts=[row for row_id, row in after.items() if before.get(row_id) != row],
        withdrawn=[row_id for row_id in before if row_id not in after],
        replaced=[
            (before.get(row_id), after.get(row_id))
            for row_id in before.keys() | after.keys()
            if before.get(row_id) != after.get(row_id)
        ],
        gauges=(gauges_of(old), gauges_of(new)),
    )


def batch_increments(batch: Iterable[Changes]) -> Increments:
    """Return what a batch adds to the rollups, to be written in one transaction with its states and rows.

    Every increment belongs to a changed row or gauge, so the rollups are at all times exactly the sum of the rows.
    """
    all_changes = list(batch)
    return increments_of((pair for one in all_changes for pair in one.replaced), (one.gauges for one in all_changes))
