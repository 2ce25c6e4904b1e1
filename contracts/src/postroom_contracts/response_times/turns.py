"""Turns of one episode, read off its runs and what became of the replies behind them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from postroom_contracts.response_times.intervals import FOREVER, Interval
from postroom_contracts.response_times.model import Clock, Credit, Episode, Reply, Target

Outcome = Literal["open", "answered", "closed_unanswered", "moved"]


@dataclass(slots=True)
class Turn:
    """A maximal run of customer messages with no qualifying reply.

    `closed_at` is None while it is open; `pending` says that a reply to it was accepted of which the provider has not
    said what became of it: the turn is open, but no resolve or merge closes it.
    """

    n: int
    start: int
    clock: Clock
    opens_episode: bool
    targets: list[Target]
    handed_off_at: int | None = None
    outcome: Outcome = "open"
    closed_at: int | None = None
    credit: Credit | None = None
    pending: bool = False
    position: int = 0
    """Index of its last run in the episode."""

    @property
    def interval(self) -> Interval:
        return (self.start, FOREVER if self.closed_at is None else self.closed_at)

    def answer(self, reply: Reply) -> None:
        """Close it by `reply` if that was sent, the earliest of several, or note that it may be."""
        if reply.pending:
            self.pending = True
        elif reply.sent_at is not None:
            # The clocks of two providers can differ by a little; what took less than nothing took nothing.
            sent_at = max(reply.sent_at, self.start)
            if self.closed_at is None or sent_at < self.closed_at:
                self.outcome, self.closed_at, self.credit = "answered", sent_at, reply.credit

    def close(self, outcome: Outcome, at: int, credit: Credit) -> None:
        """Close it without an answer, if it is open and no reply to it is under way."""
        if self.closed_at is None and not self.pending:
            self.outcome, self.closed_at, self.credit = outcome, max(at, self.start), credit


def turns_of(episode: Episode) -> list[Turn]:
    """Return the turns of the runs that are still in the state, oldest first.

    A reply that was refused parts nothing: the runs on both sides of it are one turn with the smaller start. A reply
    answers every run that stands before its acceptance in the log and none behind it; of several, the one that was
    sent first counts. Those that are left when the episode is resolved close unanswered.
    """
    turns: list[Turn] = []
    parted = True
    for position, run in enumerate(episode.runs):
        if parted:
            turns.append(Turn(run.n, run.start, run.clock, run.opens_episode, run.targets, run.handed_off_at))
            parted = False
        turn = turns[-1]
        turn.start = min(turn.start, run.start)
        turn.position = position
        turn.handed_off_at = turn.handed_off_at if turn.handed_off_at is not None else run.handed_off_at
        for reply in run.replies:
            parted = parted or not reply.failed
            for earlier in turns:
                earlier.answer(reply)
    if episode.resolved is not None:
        close_all(turns, "closed_unanswered", episode.resolved.at, episode.resolved.credit)
    return turns


def close_all(turns: Iterable[Turn], outcome: Outcome, at: int, credit: Credit) -> None:
    """Close those that are open and await no answer; nobody is credited with a response that was not written."""
    for turn in turns:
        turn.close(outcome, at, Credit(None, credit.team, credit.tags))
