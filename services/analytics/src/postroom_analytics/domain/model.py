"""What the fold of one conversation remembers beside its clocks, and the rows that come out of it.

Instants and durations are whole milliseconds (instants since 1970-01-01T00:00Z). The state holds only what a later fact
can still change: an episode leaves it once it is resolved and every reply in it was sent or refused, a turn of an open
episode likewise. What left became rows.
"""

from dataclasses import dataclass, field
from typing import Any, Self

from postroom_contracts.response_times.model import Clock, ConversationClocks, Credit

DEFINITION = "metrics/1"
"""Names the version of the definition in every row (`docs/metrics.md`)."""


@dataclass(frozen=True, slots=True)
class Whole:
    """Episode 1 and what lies between its start and the latest resolve without counting net."""

    start: int
    clock: Clock
    excluded_ms: int = 0
    """Pauses and gaps between episodes, wall clock."""
    excluded_business_ms: int = 0
    """The same in business time, by the calendar of episode 1."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure, or one thing counted, of one conversation. `id` is derived, so a repeat or a rebuild finds it."""

    id: str
    conversation_id: str
    kind: str
    n: int
    outcome: str
    started_at: int
    closed_at: int
    """By which it is dated."""
    calendar: str
    configuration_version: int
    inbox: str
    channel: str
    credit: Credit
    wall_ms: int | None = None
    business_ms: int | None = None
    reopened: bool = False
    breached: bool | None = None
    """Whether the target on it was missed; None: there was none."""
    deadline_at: int | None = None
    breached_at: int | None = None
    policy: str | None = None
    marks: tuple[str, ...] = ()
    """Of the conversation's own row: `agent_started`, `never_answered`, `undelivered`."""
    counted: bool = True
    """False: it is in no average and no volume (spam, merged away)."""
    definition: str = DEFINITION


@dataclass(slots=True)
class ConversationMetrics(ConversationClocks):
    """All that the fold needs of one conversation to go on. Stored as `documents.to_document` gives it."""

    conversation_id: str = ""
    sequences: dict[str, int] = field(default_factory=dict)
    """Last sequence applied, per source."""
    early: list[dict[str, Any]] = field(default_factory=list)
    """Events that came before one with a smaller sequence of their source, in CloudEvents JSON form; of a parked one
    only `source` and `sequence`."""
    late: list[str] = field(default_factory=list)
    """Ids of records that were parked for good and came again."""
    whole: Whole | None = None
    revision: int = 0
    """Rises with each stored state: the filter of a conditional write."""
    sealed: list[Row] = field(default_factory=list)
    """Rows that left the state since it was loaded; never stored with it."""

    def clone(self) -> Self:
        """Return a copy that can be changed without changing this one."""
        copy = ConversationClocks.clone(self)  # `super()` knows no class that slots made anew
        copy.sequences = dict(self.sequences)
        copy.early = list(self.early)
        copy.late = list(self.late)
        copy.sealed = list(self.sealed)
        return copy
