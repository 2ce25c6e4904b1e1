"""The consumer's decisions: facts in, deliveries out."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from postroom_contracts.events import attributes_of, body_of
from postroom_contracts.facts import MessageReceived
from postroom_runtime.clock import Clock
from postroom_runtime.configuration_feed import Configurations
from postroom_runtime.documents import Decision, Document
from postroom_runtime.fold import QuietDecider
from postroom_runtime.records import Incoming

from postroom_notifier.domain.conversation import Conversation
from postroom_notifier.domain.delivery import Delivery
from postroom_notifier.domain.follow import Surroundings, follow
from postroom_notifier.metrics import DELIVERIES, SKIPPED, TOO_OLD
from postroom_notifier.ports import DeliveryStore
from postroom_notifier.returning import Returns


def _named_ahead(document: Document[Conversation]) -> list[str]:
    """Return the deliveries that events name which waited for a missing one: they may be decided in this batch."""
    found = []
    for waiting in document.ahead:
        headers = attributes_of(dict(waiting.headers), waiting.body)
        if headers.get("ce_type") == MessageReceived.type_name().encode():
            body = json.loads(body_of(headers.get("content-type"), waiting.body or b"{}"))
            found.append(body.get("delivery_id"))
    return [delivery_id for delivery_id in found if delivery_id]


@dataclass(frozen=True)
class NotifierDecider(QuietDecider[Conversation, Surroundings]):
    """Decides who is told, and stores what is due **before** the conversation's state says that it was decided.

    A crash between the two repeats the decision on the same state and the same event: the deliveries have the same ids and
    stand already. A crash after the state was saved needs nothing: they were stored before. So the state holds no pending
    deliveries, and a repeated record costs nothing.
    """

    deliveries: DeliveryStore
    configurations: Configurations
    clock: Clock
    too_old: timedelta
    wake: Callable[[], None]
    """Tells the sender that there is something due."""
    returns: Returns
    report: Callable[[Delivery], None]
    """Reports a result soon; should that be lost, the sweep finds it."""

    async def prepare(self, batch: Sequence[Incoming], documents: Mapping[str, Document[Conversation]]) -> Surroundings:
        await self.returns.heard_from([i.event for i in batch if i.event is not None])
        named = [e.data.delivery_id for e in (i.event for i in batch) if e and isinstance(e.data, MessageReceived)]
        named += [delivery_id for document in documents.values() for delivery_id in _named_ahead(document)]
        return Surroundings(
            now=self.clock.now(),
            configuration_at=self.configurations.at,
            newest_version=self.configurations.latest_version,
            bounced=await self.deliveries.find(i for i in named if i),
            too_old=self.too_old,
        )

    def decide(
        self, state: Conversation | None, incoming: Incoming, context: Surroundings
    ) -> Decision[Conversation] | None:
        return Decision(follow(state, incoming.the_event, context))

    async def before_save(self, documents: Sequence[Document[Conversation]], context: Surroundings) -> None:
        states = [(d.id, d.state) for d in documents if d.state is not None]
        added = await self.deliveries.add([delivery for _, state in states for delivery in state.due])
        for delivery in added:
            _count(delivery)
        bounces = [delivery for _, state in states for delivery in state.due if delivery.kind == "bounce"]
        await self.returns.came_back(bounces, context.bounced)
        for conversation_id, state in states:
            if state.cancelled:
                await self._take_back(conversation_id, state.cancelled)
        if erased := [conversation_id for conversation_id, state in states if state.erased]:
            messages = [m for _, state in states for m in state.erased_messages]
            await self.deliveries.erase(erased, messages, self.clock.now())
        if any(not d.state.startswith("skipped") for d in added):
            self.wake()

    async def _take_back(self, conversation_id: str, message_ids: Sequence[str]) -> None:
        for delivery in await self.deliveries.cancel(conversation_id, message_ids, self.clock.now()):
            DELIVERIES.labels(delivery.kind, "cancelled").inc()
            self.report(delivery)


def _count(delivery: Delivery) -> None:
    """Count what ends before it begins."""
    if delivery.state == "skipped_too_old":
        TOO_OLD.labels(delivery.kind).inc()
        DELIVERIES.labels(delivery.kind, "skipped_too_old").inc()
    elif delivery.state == "skipped":
        SKIPPED.labels(delivery.kind, delivery.last_reason).inc()
        DELIVERIES.labels(delivery.kind, "skipped").inc()
