"""The consumer: each fact becomes a delivery for each subscription that wants it. Repeats change nothing."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from postroom_contracts.events import Data, Event
from postroom_contracts.registry import models_of
from postroom_contracts.topics import CONVERSATION_EVENTS
from postroom_runtime.clock import Clock
from postroom_runtime.configuration_feed import Configurations
from postroom_runtime.records import Incoming
from postroom_runtime.steps import reach

from postroom_notifier.domain.webhooks import WebhookDelivery, delivery_of, inbox_named, wanted_by
from postroom_notifier.webhooks.port import WebhookStore


@dataclass
class TakeEvents:
    """Batch handler of group `webhooks`; `wake` tells the sender that something is due."""

    store: WebhookStore
    configurations: Configurations
    clock: Clock
    wake: Callable[[], None]
    models: Mapping[str, type[Data]] = field(default_factory=lambda: models_of(CONVERSATION_EVENTS))

    async def handle(self, batch: Sequence[Incoming], committed: Mapping[str, int]) -> None:  # noqa: ARG002
        """Store what is due, each once by its id; then the batch may be committed."""
        if not self.configurations.latest.webhooks:
            await self.store.locate(_named(i.event for i in batch))
            return
        incoming = [i for i in batch if i.event is not None]
        deliveries = await self.due([(i.the_event, i.position.offset) for i in incoming])
        reach("webhooks.decided")
        await self.store.add(deliveries, self.clock.now())
        reach("webhooks.stored")
        if deliveries:
            self.wake()

    async def due(
        self, events: Sequence[tuple[Event, int]], only: str | None = None, replay: str = ""
    ) -> list[WebhookDelivery]:
        """Return what is due for events at their offsets; for the subscription `only`, if one is named."""
        named = _named(event for event, _ in events)
        await self.store.locate(named)
        known = await self.store.located({e.subject for e, _ in events} - named.keys()) | named
        disabled = await self.store.disabled()
        now, configuration = self.clock.now(), self.configurations.latest
        return [
            delivery_of(event, subscription.id, offset, now, replay)
            for event, offset in events
            for subscription in wanted_by(event, known.get(event.subject), configuration)
            if only in (None, subscription.id) and subscription.id not in disabled
        ]


def _named(events: Iterable[Event | None]) -> dict[str, str]:
    """Return conversation -> inbox, as the events name it last."""
    found = {}
    for event in events:
        if event is not None and (inbox_id := inbox_named(event)) is not None:
            found[event.subject] = inbox_id
    return found
