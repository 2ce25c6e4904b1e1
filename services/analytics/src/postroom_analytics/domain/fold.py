"""The fold of one conversation: each source's facts in their order, its clocks, and the rows of what is settled."""

from collections.abc import Iterable, Sequence

from postroom_contracts.business_time import to_epoch_ms
from postroom_contracts.events import Event
from postroom_contracts.response_times import fold as clocks
from postroom_contracts.response_times.view import Configurations, versions_of

from postroom_analytics.domain import order
from postroom_analytics.domain.model import ConversationMetrics
from postroom_analytics.domain.reading import ConversationAssigned
from postroom_analytics.domain.seal import seal


def versions_needed(state: ConversationMetrics | None, events: Iterable[Event]) -> set[int]:
    """Return the configuration versions that folding `events` will look up, for the caller to have them at hand."""
    needed = {getattr(event.data, "configuration_version", 0) for event in events}
    if state is not None:
        needed |= versions_of(state)
        if state.whole is not None:
            needed.add(state.whole.clock.version)
        needed.update(early.get("data", {}).get("configuration_version", 0) for early in state.early)
    needed.discard(0)
    return needed


def begin(state: ConversationMetrics | None, conversation_id: str) -> ConversationMetrics:
    """Return a state for `advance` to change: a new one, or a copy of the one given."""
    return ConversationMetrics(conversation_id=conversation_id) if state is None else state.clone()


def advance(state: ConversationMetrics, event: Event, configurations: Configurations, *, seeds: bool = False) -> None:
    """Fold one event into `state`, which is changed; when this raises, the state is to be thrown away.

    A repeat changes nothing; an event that came before one with a smaller sequence of its source waits in the state
    (`seeds`: see `order.in_order`). Rows that can no longer change are added to `sealed`, which the caller stores and
    empties. Raises view.UnknownConfigurationError, order.TooManyEarlyError.
    """
    for due in order.in_order(state, event, seeds=seeds):
        _apply_one(state, due, configurations)


def advance_skipped(state: ConversationMetrics, source: str, sequence: int, configurations: Configurations) -> None:
    """Count a record that was parked for good as seen, and fold what waited for it. Raises as `advance`."""
    for due in order.skip(state, source, sequence):
        _apply_one(state, due, configurations)


def advance_late(state: ConversationMetrics, event: Event, configurations: Configurations) -> None:
    """Fold a record that was parked for good and comes again, now that it can be read; the second time not."""
    if order.is_late(state, event):
        _apply_one(state, event, configurations)


def apply(state: ConversationMetrics | None, event: Event, configurations: Configurations) -> ConversationMetrics:
    """Return the state after `event`, which belongs to the state's conversation; the given state stays as it was."""
    return apply_all(state, [event], configurations)


def apply_all(
    state: ConversationMetrics | None, events: Sequence[Event], configurations: Configurations, *, seeds: bool = False
) -> ConversationMetrics:
    """Return the state after several events of one conversation, as `advance` one after another; at least one."""
    following = begin(state, events[0].subject)
    for event in events:
        advance(following, event, configurations, seeds=seeds)
    return following


def _apply_one(state: ConversationMetrics, event: Event, configurations: Configurations) -> None:
    if isinstance(event.data, ConversationAssigned):
        clocks.on_assigned(state, event.data)
    elif not clocks.apply(state, event.data, to_epoch_ms(event.time), configurations):
        return
    seal(state, configurations)
