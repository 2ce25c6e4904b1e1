"""The consumer: each fact becomes a delivery for each subscription that wants it. Repeats change nothing."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from postroom_contracts.events import Data, Event, as_dict
from postroom_contracts.registry import models_of
from postroom_contracts.topics import CONVERSATION_EVENTS
from postroom_runtime.clock import Clock
from postroom_runtime.configuration_feed import Configurations
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.records import Incoming
from postroom_runtime.steps import reach

from postroom_notifier.domain.webhooks import WebhookDelivery, body_of, delivery_of, inbox_named, wanted_by
from postroom_notifier.webhooks.port import WebhookStore

STORED_AT_ONCE = 1000


class InboxNotKnownYetError(InfrastructureError):
    """Where a conversation is, the notifier's own fold will say when it has read as far as we have."""


@dataclass
class TakeEvents:
    """Batch handler of group `webhooks`; `wake` tells the sender that something is due.

    Which inbox a conversation is in, its own facts said some time ago. While there are subscriptions we note it ourselves;
    from before that, the notifier's fold knows. `fold_lag` says for how long the oldest record that the fold has not
    taken has waited, 0 when there is none.
    """

    store: WebhookStore
    configurations: Configurations
    clock: Clock
    wake: Callable[[], None]
    fold_lag: Callable[[], float] = lambda: 0.0
    models: Mapping[str, type[Data]] = field(default_factory=lambda: models_of(CONVERSATION_EVENTS))
    _noting_since: tuple[int, int] = (0, 0)

    async def handle(self, batch: Sequence[Incoming], committed: Mapping[str, int]) -> None:  # noqa: ARG002
        """Store what is due, each once by its id; then the batch may be committed. Without subscriptions nothing is done."""
        if not self.configurations.latest.webhooks:
            return
        events = [(i.the_event, i.position.offset) for i in batch if i.event is not None]
        known, disabled = await self._places(events), await self.store.disabled()
        reach("webhooks.decided")
        stored = 0
        for deliveries in _chunks(self._due(events, known, disabled)):
            await self.store.add(deliveries, self.clock.now())
            stored += len(deliveries)
        reach("webhooks.stored")
        if stored:
            self.wake()

    async def due(self, events: Sequence[tuple[Event, int]]) -> list[WebhookDelivery]:
        """Return what is due for new events at their offsets. Raises InboxNotKnownYetError."""
        known = await self._places(events)
        return list(self._due(events, known, await self.store.disabled()))

    async def _places(self, events: Sequence[tuple[Event, int]]) -> dict[str, str]:
        """Return in which inbox their conversations were before them, and note where they put them."""
        named: dict[str, str] = {}
        unnamed = set()
        for event, _ in events:
            inbox_id = inbox_named(event)
            if inbox_id is not None:
                named[event.subject] = inbox_id
            elif event.subject not in named:
                unnamed.add(event.subject)
        known = await self._located(unnamed)
        await self.store.locate(named, self.configurations.latest_version)
        return known

    async def again(self, events: Sequence[tuple[Event, int]], only: str, replay: str) -> list[WebhookDelivery]:
        """Return what is due of events of the past to the subscription `only`, as of where their conversations are now."""
        known = await self._located({event.subject for event, _ in events})
        here = [(event, offset) for event, offset in events if event.subject in known]
        return list(self._due(here, known, await self.store.disabled(), only=only, replay=replay))

    def _due(
        self,
        events: Sequence[tuple[Event, int]],
        known: dict[str, str],
        disabled: Collection[str],
        only: str | None = None,
        replay: str = "",
    ) -> Iterator[WebhookDelivery]:
        now, configuration = self.clock.now(), self.configurations.latest
        for event, offset in events:
            inbox_id = None if only else inbox_named(event)
            if inbox_id is not None:
                known[event.subject] = inbox_id
            wanted = wanted_by(event, known.get(event.subject), configuration)
            ids = [s.id for s in wanted if only in (None, s.id) and s.id not in disabled]
            body = body_of(as_dict(event)) if ids else ""  # one text, however many get it
            for subscription_id in ids:
                yield delivery_of(event, subscription_id, offset, now, replay, body=body)

    async def _located(self, conversation_ids: Collection[str]) -> dict[str, str]:
        """Return where conversations are; those of which nobody knows are left out."""
        if not conversation_ids:
            return {}
        behind = self.fold_lag() > 0  # asked first: what the fold takes while we look is then there
        known = await self.store.located(conversation_ids, self._since())
        elder = set(conversation_ids) - known.keys()
        if not elder:
            return known
        folded = await self.store.folded(elder)
        if behind and elder - folded.keys():
            raise InboxNotKnownYetError(
                f"the notifier's fold has not taken {len(elder - folded.keys())} conversations yet"
            )
        return known | {conversation: inbox_id for conversation, inbox_id in folded.items() if inbox_id is not None}

    def _since(self) -> int:
        """Return the version of the configuration since which there are subscriptions: what was noted before may be old."""
        latest = self.configurations.latest_version
        if self._noting_since[0] != latest:
            self._noting_since = latest, self.configurations.filled_since("webhooks")
        return self._noting_since[1]


def _chunks(deliveries: Iterable[WebhookDelivery]) -> Iterator[list[WebhookDelivery]]:
    """Give a batch's deliveries in parts: 200 events to 1,000 subscriptions would fill the memory."""
    rest = iter(deliveries)
    while chunk := list(islice(rest, STORED_AT_ONCE)):
        yield chunk
