"""The consumer: each fact becomes a delivery for each subscription that wants it. Repeats change nothing."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from postroom_contracts.events import Data, Event
from postroom_contracts.registry import models_of
from postroom_contracts.topics import CONVERSATION_EVENTS
from postroom_runtime.clock import Clock
from postroom_runtime.configuration_feed import Configurations
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.records import Incoming
from postroom_runtime.steps import reach

from postroom_notifier.domain.webhooks import WebhookDelivery, delivery_of, inbox_named, wanted_by
from postroom_notifier.webhooks.port import WebhookStore


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
        incoming = [i for i in batch if i.event is not None]
        deliveries = await self.due([(i.the_event, i.position.offset) for i in incoming])
        reach("webhooks.decided")
        await self.store.add(deliveries, self.clock.now())
        reach("webhooks.stored")
        if deliveries:
            self.wake()

    async def due(self, events: Sequence[tuple[Event, int]]) -> list[WebhookDelivery]:
        """Return what is due for new events at their offsets. Raises InboxNotKnownYetError."""
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
        return await self._due(events, known)

    async def again(self, events: Sequence[tuple[Event, int]], only: str, replay: str) -> list[WebhookDelivery]:
        """Return what is due of events of the past to the subscription `only`, as of where their conversations are now."""
        known = await self._located({event.subject for event, _ in events})
        here = [(event, offset) for event, offset in events if event.subject in known]
        return await self._due(here, known, only=only, replay=replay)

    async def _due(
        self, events: Sequence[tuple[Event, int]], known: dict[str, str], only: str | None = None, replay: str = ""
    ) -> list[WebhookDelivery]:
        disabled = await self.store.disabled()
        now, configuration = self.clock.now(), self.configurations.latest
        found = []
        for event, offset in events:
            inbox_id = None if only else inbox_named(event)
            if inbox_id is not None:
                known[event.subject] = inbox_id
            found += [
                delivery_of(event, subscription.id, offset, now, replay)
                for subscription in wanted_by(event, known.get(event.subject), configuration)
                if only in (None, subscription.id) and subscription.id not in disabled
            ]
        return found

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
            self._noting_since = latest, self.configurations.unbroken(lambda c: bool(c.webhooks))
        return self._noting_since[1]
