"""Folds the facts of one conversation anew. Pure: the same facts and numbers give the same document."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from postroom_contracts.events import Event

from postroom_desk.domain.apply import apply
from postroom_desk.domain.logged import LoggedEvent
from postroom_desk.domain.positions import LogPosition
from postroom_desk.domain.view import ConversationView


@dataclass(slots=True)
class Refolded:
    """What the facts amount to. `seen`: the last number per source. `waiting`: facts before which one is missing."""

    view: ConversationView | None = None
    seen: dict[str, int] = field(default_factory=dict)
    waiting: list[tuple[Event, LogPosition]] = field(default_factory=list)


def refold(facts: Sequence[LoggedEvent], seen: Mapping[str, int]) -> Refolded:
    """Fold `facts`, given in the order of the log, as the consumer does: by their numbers, each once.

    `facts` must be complete up to what the stored document has taken in, which is `seen`: then a number up to there of
    which there is no fact was that of a record which nobody could read, and is passed over.
    """
    decoded = [(fact.event(), fact.position) for fact in facts]
    run = _Run(Refolded(), _unreadable(decoded, seen))
    for event, position in decoded:
        run.take(event, position)
    run.pass_over()
    return run.result


def _unreadable(decoded: Sequence[tuple[Event, LogPosition]], seen: Mapping[str, int]) -> dict[str, set[int]]:
    there: dict[str, set[int]] = {}
    for event, _ in decoded:
        there.setdefault(event.source, set()).add(event.sequence or 0)
    return {source: set(range(1, last + 1)) - there.get(source, set()) for source, last in seen.items()}


@dataclass(slots=True)
class _Run:
    result: Refolded
    missing: Mapping[str, set[int]]

    def take(self, event: Event, position: LogPosition) -> None:
        if event.sequence is None:
            self.result.view = apply(self.result.view, event, position)
        elif event.sequence > self._next(event.source):
            self.result.waiting.append((event, position))
        elif event.sequence == self._next(event.source):
            self._apply(event, position)
            self._take_waiting()

    def _next(self, source: str) -> int:
        expected = self.result.seen.get(source, 0) + 1
        while expected in self.missing.get(source, ()):
            expected += 1
        return expected

    def _apply(self, event: Event, position: LogPosition) -> None:
        self.result.view = apply(self.result.view, event, position)
        self.result.seen[event.source] = event.sequence or 0

    def _take_waiting(self) -> None:
        while found := next((w for w in self.result.waiting if w[0].sequence == self._next(w[0].source)), None):
            self.result.waiting = [w for w in self.result.waiting if w[0].id != found[0].id]
            self._apply(*found)

    def pass_over(self) -> None:
        """Count numbers of unreadable records at the end as seen."""
        for source in self.missing:
            last = self._next(source) - 1
            if last > self.result.seen.get(source, 0):
                self.result.seen[source] = last
