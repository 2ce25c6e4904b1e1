"""What turns, episodes and SLA targets of one conversation are made of, and all that its facts say about them.

Instants and durations are whole milliseconds (instants since 1970-01-01T00:00Z). The definition is `docs/metrics.md`.
"""

from dataclasses import dataclass, field, fields
from functools import cache
from typing import Literal, Self

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
    warned: bool = False
    """It was told that it will be missed soon."""
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


@dataclass(slots=True)
class ConversationClocks:
    """All of one conversation that its turns, episodes and targets follow from; `fold.apply` moves it on.

    It holds only what a later fact can still change: what is settled leaves it (`sealing.py`).
    """

    inbox: str = ""
    """As `marked_private` gives it."""
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
    gaps: list[tuple[int, int]] = field(default_factory=list)
    """Resolved times that an agent's reopening ended, until episode 1 has left the state."""
    last_resolve: Resolve | None = None
    resolve_before: Resolve | None = None
    """What `last_resolve` was before: a cancelled reply takes its resolve back."""
    resolved_since: int | None = None
    """Since when nothing was open; None: an episode is, or an agent reopened it."""
    opened_at: int | None = None
    channel: str = ""

    def clone(self) -> Self:
        """Return a copy that can be changed without changing this one."""
        # Field by field: dataclasses.replace takes three times as long, on the path of every event.
        copy = object.__new__(type(self))
        for name in _fields_of(type(self)):  # type: ignore[arg-type]  # mypy: classes are hashable
            setattr(copy, name, getattr(self, name))
        copy.episodes = [episode.clone() for episode in self.episodes]
        copy.loose_replies = list(self.loose_replies)
        copy.gaps = list(self.gaps)
        return copy

    @property
    def open_episode(self) -> Episode | None:
        return self.episodes[-1] if self.episodes and self.episodes[-1].resolved is None else None

    @property
    def credit(self) -> Credit:
        """Owner, team and tags of now."""
        return Credit(self.owner, self.team, self.tags)


@cache
def _fields_of(kind: type[ConversationClocks]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


_PRIVATE_MARK = "private:"


def marked_private(inbox: str) -> str:
    """Return the name under which figures know an inbox that was private when the conversation began.

    It is part of the name, and not a mark beside it, so that whatever counts in an inbox is taken out of the same one.
    """
    return f"{_PRIVATE_MARK}{inbox}"


def is_private(inbox: str) -> bool:
    return inbox.startswith(_PRIVATE_MARK)


def plain_inbox(inbox: str) -> str:
    """Return the inbox's id."""
    return inbox.removeprefix(_PRIVATE_MARK)
