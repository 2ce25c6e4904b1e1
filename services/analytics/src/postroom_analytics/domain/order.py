"""Each source counts its events of a conversation: repeats are dropped, what comes early waits for what is missing."""

from collections.abc import Iterator

from postroom_contracts.events import Event, as_dict

from postroom_analytics.domain.model import ConversationMetrics
from postroom_analytics.domain.structured import event_from_dict

MAX_EARLY = 200
"""Events that wait for a missing one, per conversation (as for every fold of the log)."""
MAX_LATE = 50
"""Ids of records that came after their turn, kept per conversation; the oldest are forgotten first."""


class TooManyEarlyError(Exception):
    """More than MAX_EARLY events of one conversation wait for one that does not come."""


def in_order(state: ConversationMetrics, event: Event, *, seeds: bool = False) -> Iterator[Event]:
    """Yield the events that can now be applied, oldest first, and count them; none for a repeat or an early one.

    A source begins with 1: whoever reads the log from its start may see 2 first, when 1 had to be sent again. With
    `seeds` the log may begin anywhere, and the first number that is seen of a source is its start.
    Raises TooManyEarlyError.
    """
    if event.sequence is None:
        yield event
        return
    last = state.sequences.get(event.source, event.sequence - 1 if seeds else 0)
    if event.sequence <= last:
        return
    if event.sequence > last + 1:
        _keep(state, event.source, event.sequence, as_dict(event))
        return
    state.sequences[event.source] = event.sequence
    yield event
    yield from _freed(state, event.source)


def skip(state: ConversationMetrics, source: str, sequence: int) -> Iterator[Event]:
    """Count a record that was parked for good as seen, now or when its turn comes; yield what waited for it.

    Raises TooManyEarlyError.
    """
    last = state.sequences.get(source, 0)
    if sequence <= last:
        return
    if sequence > last + 1:
        state.early = [e for e in state.early if (e["source"], e["sequence"]) != (source, sequence)]
        _keep(state, source, sequence, {"source": source, "sequence": sequence})
        return
    state.sequences[source] = sequence
    yield from _freed(state, source)


def is_late(state: ConversationMetrics, event: Event) -> bool:
    """Say whether a record whose number already counts as seen is new, and remember it."""
    if event.id in state.late:
        return False
    state.late = [*state.late, event.id][-MAX_LATE:]
    return True


def _keep(state: ConversationMetrics, source: str, sequence: int, kept: dict[str, object]) -> None:
    if any(early["source"] == source and early["sequence"] == sequence for early in state.early):
        return
    if len(state.early) >= MAX_EARLY:
        raise TooManyEarlyError(f"conversation {state.conversation_id}: {MAX_EARLY} events wait for an earlier one")
    state.early.append(kept)


def _freed(state: ConversationMetrics, source: str) -> Iterator[Event]:
    while state.early:
        due = state.sequences[source] + 1
        found = next((e for e in state.early if e["source"] == source and e["sequence"] == due), None)
        if found is None:
            return
        state.early.remove(found)
        state.sequences[source] = due
        if "type" in found:  # else it was parked: only its number counts
            yield event_from_dict(found)
