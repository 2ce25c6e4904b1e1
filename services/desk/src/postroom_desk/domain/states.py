"""What other systems are told of a conversation's present state: the public part of its view. Pure."""

from collections import defaultdict
from dataclasses import dataclass, field

from postroom_contracts.events import Event
from postroom_contracts.states import ConversationState

from postroom_desk.domain.apply import apply
from postroom_desk.domain.positions import LogPosition
from postroom_desk.domain.view import ConversationView

_SAME = frozenset(ConversationState.model_fields) - {"folded_to", "waiting_since"}


def state_of(view: ConversationView) -> ConversationState:
    """Return the state as it stands on `conversation-states`."""
    same = {name: getattr(view, name) for name in _SAME}
    return ConversationState(folded_to=view.offset, waiting_since=view.waiting_since, **same)


@dataclass(slots=True)
class LogFold:
    """Folds a whole log by itself, in memory: to compare with what was published."""

    _views: dict[str, ConversationView] = field(default_factory=dict)
    _seen: defaultdict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    _ahead: dict[tuple[str, str, int], tuple[Event, LogPosition]] = field(default_factory=dict)

    def add(self, event: Event, position: LogPosition) -> None:
        """Take the next record of the log in: repeats change nothing, what comes too early waits."""
        sequence = event.sequence or 0
        source = event.subject, event.source
        if sequence > self._seen[source] + 1:
            self._ahead.setdefault((*source, sequence), (event, position))
        elif sequence == self._seen[source] + 1:
            self._apply(event, position)
            self._seen[source] = sequence
            while waiting := self._ahead.pop((*source, self._seen[source] + 1), None):
                self._apply(*waiting)
                self._seen[source] += 1

    def _apply(self, event: Event, position: LogPosition) -> None:
        view = apply(self._views.get(event.subject), event, position)
        if view is not None:
            self._views[event.subject] = view

    def states(self) -> dict[str, ConversationState]:
        """Return the state of each conversation."""
        return {conversation_id: state_of(view) for conversation_id, view in self._views.items()}
