"""Each source counts its events of a conversation: repeats are dropped, what comes early waits for what is missing."""

from collections.abc import Iterator

from postroom_contracts.events import Event, as_dict

from postroom_analytics.domain.model import ConversationMetrics
from postroom_analytics.domain.structured import event_from_dict

MAX_EARLY = 200
"""Events that wait for a missing one, per conversation (as for every fold of the log)."""


class TooManyEarlyError(Exception):
    """More than MAX_EARLY events of one conversation wait for one that does not come."""


def in_order(state: ConversationMetrics, event: Event) -> Iterator[Event]:
    """Yield the events that can now be applied, oldest first, and count them; none for a repeat or an early one.

    A source that the state has not heard of begins with the first number that is seen. Raises TooManyEarlyError.
    """
    if event.sequence is None:
        yield event
        return
    last = state.sequences.get(event.source)
    if last is not None and event.sequence <= last:
        return
    if last is not None and event.sequence > last + 1:
        _keep(state, event)
        return
    state.sequences[event.source] = event.sequence
    yield event
    yield from _freed(state, event.source)


def skip(state: ConversationMetrics, source: str, sequence: int) -> list[Event]:
    """Count a record that was parked for good as seen; return the events that waited for it, oldest first."""
    last = state.sequences.get(source)
    if last is not None and sequence != last + 1:
        return []
    state.sequences[source] = sequence
    return list(_freed(state, source))


def _keep(state: ConversationMetrics, event: Event) -> None:
    if any(early["source"] == event.source and early["sequence"] == event.sequence for early in state.early):
        return
    if len(state.early) >= MAX_EARLY:
        raise TooManyEarlyError(f"conversation {event.subject}: {MAX_EARLY} events wait for an earlier one")
    state.early.append(as_dict(event))


def _freed(state: ConversationMetrics, source: str) -> Iterator[Event]:
    while state.early:
        due = state.sequences[source] + 1
        found = next((e for e in state.early if e["source"] == source and e["sequence"] == due), None)
        if found is None:
            return
        state.early.remove(found)
        state.sequences[source] = due
        yield event_from_dict(found)
