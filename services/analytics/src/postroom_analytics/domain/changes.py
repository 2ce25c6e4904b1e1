"""From a state before a batch to the state after it: what is to be written, in one transaction."""

from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter

from postroom_contracts.response_times.view import Configurations

from postroom_analytics.domain.cells import Increments
from postroom_analytics.domain.model import ConversationMetrics, Row
from postroom_analytics.domain.now import GaugesMoved, gauges_of
from postroom_analytics.domain.rollup import Replaced, increments_of
from postroom_analytics.domain.rows import recount, rows

_SEEN_BY_ROWS = attrgetter(
    "opened_at",
    "inbox",
    "channel",
    "tags",
    "team",
    "agent_started",
    "answered",
    "undelivered",
    "spam_at",
    "merged_at",
    "pause",
    "episode_count",
    "episodes",
    "whole",
    "last_resolve",
)
"""All of a state that `rows` looks at, but for `sealed`. Not among it: owner, status, sequences, what waits."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What one conversation's batch changes. `state` is to be stored where the revision is one less (or absent, 1)."""

    state: ConversationMetrics
    opens: bool
    """Nothing of this conversation is stored yet."""
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
    """Return what leads from `old`, as it was loaded, to `new`, which is taken over: it gets its revision here.

    `stored`: all rows of the conversation in the store, given when `needs_stored_rows`; else empty.
    """
    replaced = _replaced(old, new, configurations, stored)
    new.sealed = []
    new.revision = (0 if old is None else old.revision) + 1
    return Changes(
        state=new,
        opens=old is None,
        upserts=[after for _, after in replaced if after is not None],
        withdrawn=[before.id for before, after in replaced if before is not None and after is None],
        replaced=replaced,
        gauges=(gauges_of(old), gauges_of(new)),
    )


def _replaced(
    old: ConversationMetrics | None, new: ConversationMetrics, configurations: Configurations, stored: Iterable[Row]
) -> list[Replaced]:
    """Return the rows that are not as they were."""
    if old is None:
        return [(None, row) for row in {row.id: row for row in rows(new, configurations)}.values()]
    if not new.sealed and _SEEN_BY_ROWS(old) == _SEEN_BY_ROWS(new):
        return []
    before = {row.id: row for row in rows(old, configurations)}
    after = {row.id: row for row in rows(new, configurations)}
    for row in stored:
        if row.id not in before:
            before[row.id] = row
            after.setdefault(row.id, recount(new, row))
    return [
        (before.get(row_id), after.get(row_id))
        for row_id in dict.fromkeys([*before, *after])
        if before.get(row_id) != after.get(row_id)
    ]


def batch_increments(batch: Iterable[Changes]) -> Increments:
    """Return what a batch adds to the rollups, to be written in one transaction with its states and rows.

    Every increment belongs to a changed row or gauge, so the rollups are at all times exactly the sum of the rows.
    """
    all_changes = list(batch)
    return increments_of((pair for one in all_changes for pair in one.replaced), (one.gauges for one in all_changes))
