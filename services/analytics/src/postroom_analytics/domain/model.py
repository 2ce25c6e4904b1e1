"""What the fold of one conversation remembers, and the rows that come out of it.

Instants and durations are whole milliseconds (instants since 1970-01-01T00:00Z). The state holds only what a later fact
can still change: an episode leaves it once it is resolved and every reply in it was sent or refused, a turn of an open
episode likewise. What left became rows.
"""

from dataclasses import dataclass, field, fields
from typing import Any, Literal

DEFINITION = "metrics/1"
"""Names the version of the definition in every row (`docs/metrics.md`)."""

ResponseKind = Literal["first_response", "next_response"]
TargetKind = Literal["first_response", "next_response", "resolution"]


@dataclass(frozen=True, slots=True)
class Credit:
    """To whom something counts: agent and team of that instant, and the tags it then had."""

    agent: str | None = None
    team: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Clock:
    """The calendar that counts business time: id and the configuration version that it was taken from."""

    calendar: str
    version: int

    @property
    def name(self) -> str:
        return f"{self.calendar}@{self.version}"


@dataclass(frozen=True, slots=True)
class Target:
    """One SLA target: business time allowed from the start of the turn or episode that holds it."""

    kind: TargetKind
    policy: str
    version: int
    duration_ms: int
    set_at: int
    cancelled_at: int | None = None
    noticed_at: int | None = None
    """The deadline that a `DeadlineBreached` in the log names: reached by then, it is breached while still open."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A qualifying reply that was accepted; neither sent nor failed: the provider has not said yet."""

    message_id: str
    credit: Credit
    sent_at: int | None = None
    failed: bool = False

    @property
    def pending(self) -> bool:
        return self.sent_at is None and not self.failed


@dataclass(slots=True)
class Run:
    """Customer messages with no accepted reply between them in the log, and the replies accepted behind them.

    Runs are what the log says; a turn is one run, or several where every reply between them was refused. `n` counts
    the conversation's runs from 1 and never changes, so it names the turn's rows.
    """

    n: int
    start: int
    clock: Clock
    opens_episode: bool = False
    handed_off_at: int | None = None
    targets: list[Target] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)

    def clone(self) -> "Run":
        targets, replies = list(self.targets), list(self.replies)
        return Run(self.n, self.start, self.clock, self.opens_episode, self.handed_off_at, targets, replies)


@dataclass(frozen=True, slots=True)
class Resolve:
    """A resolve, with the agent and team it counts to."""

    at: int
    credit: Credit


@dataclass(slots=True)
class Episode:
    """From the turn that opens it to the resolve."""

    n: int
    start: int
    """Of its first turn; final once that turn left the state."""
    clock: Clock
    gap_from: int | None = None
    """Since when the conversation was resolved when this episode opened."""
    runs: list[Run] = field(default_factory=list)
    quiet: list[tuple[int, int]] = field(default_factory=list)
    """Closed intervals of waiting and snooze; those of turns that left the state are taken out already."""
    targets: list[Target] = field(default_factory=list)
    resolved: Resolve | None = None

    def clone(self) -> "Episode":
        runs = [run.clone() for run in self.runs]
        targets = list(self.targets)
        return Episode(self.n, self.start, self.clock, self.gap_from, runs, list(self.quiet), targets, self.resolved)

    @property
    def pending(self) -> bool:
        """Whether a reply in it may still be sent or refused."""
        return any(reply.pending for run in self.runs for reply in run.replies)


@dataclass(frozen=True, slots=True)
class Pause:
    """The conversation is waiting (`until` None) or snoozed until an instant."""

    since: int
    until: int | None = None


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
class ConversationMetrics:
    """All that the fold needs of one conversation to go on. Stored as `documents.to_document` gives it."""

    conversation_id: str
    sequences: dict[str, int] = field(default_factory=dict)
    """Last sequence applied, per source."""
    early: list[dict[str, Any]] = field(default_factory=list)
    """Events that came before one with a smaller sequence of their source, in CloudEvents JSON form; of a parked one
    only `source` and `sequence`."""
    late: list[str] = field(default_factory=list)
    """Ids of records that were parked for good and came again."""
    opened_at: int | None = None
    inbox: str = ""
    channel: str = ""
    version: int = 0
    """Of the configuration that decided last."""
    status: str = "open"
    tags: tuple[str, ...] = ()
    team: str | None = None
    owner: str | None = None
    epoch: int = 0
    policy: str | None = None
    agent_started: bool = False
    answered: bool = False
    undelivered: bool = False
    spam_at: int | None = None
    merged_at: int | None = None
    pause: Pause | None = None
    run_count: int = 0
    episode_count: int = 0
    episodes: list[Episode] = field(default_factory=list)
    """At most one of them unresolved: the last."""
    loose_replies: list[str] = field(default_factory=list)
    """Message ids of qualifying replies that answer no turn; they still end `never_answered`."""
    whole: Whole | None = None
    gaps: list[tuple[int, int]] = field(default_factory=list)
    """Resolved times that an agent's reopening ended, until episode 1 has left the state."""
    last_resolve: Resolve | None = None
    resolve_before: Resolve | None = None
    """What `last_resolve` was before: a cancelled reply takes its resolve back."""
    resolved_since: int | None = None
    """Since when nothing was open; None: an episode is, or an agent reopened it."""
    revision: int = 0
    """Rises with each stored state: the filter of a conditional write."""
    sealed: list[Row] = field(default_factory=list)
    """Rows that left the state since it was loaded; never stored with it."""

    def clone(self) -> "ConversationMetrics":
        """Return a copy that can be changed without changing this one."""
        # Field by field: dataclasses.replace takes three times as long, on the path of every event.
        copy = object.__new__(ConversationMetrics)
        for name in _STATE_FIELDS:
            setattr(copy, name, getattr(self, name))
        copy.sequences = dict(self.sequences)
        copy.early = list(self.early)
        copy.late = list(self.late)
        copy.episodes = [episode.clone() for episode in self.episodes]
        copy.loose_replies = list(self.loose_replies)
        copy.gaps = list(self.gaps)
        copy.sealed = list(self.sealed)
        return copy

    @property
    def open_episode(self) -> Episode | None:
        return self.episodes[-1] if self.episodes and self.episodes[-1].resolved is None else None

    @property
    def credit(self) -> Credit:
        """Owner, team and tags of now."""
        return Credit(self.owner, self.team, self.tags)


_STATE_FIELDS = tuple(field.name for field in fields(ConversationMetrics))
