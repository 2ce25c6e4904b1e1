"""The delivery log of a conversation: it numbers the notifier's facts, and holds those not yet known to be published."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from postroom_contracts.events import Event, new_event
from postroom_contracts.facts import Fact
from postroom_contracts.registry import source_of
from postroom_runtime.kafka import Outgoing

from postroom_notifier.domain.delivery import Delivery

SOURCE = source_of("notifier")
MAX_COUNTED = 200
"""Ids kept to recognise a repeat; a delivery is marked reported within seconds, long before so many others follow."""


@dataclass(frozen=True, slots=True)
class LoggedFact:
    delivery_id: str
    record: Outgoing


@dataclass(slots=True)
class DeliveryLog:
    """One conversation's results: `sequence` is the last number given, `counted` the deliveries that have theirs."""

    conversation_id: str
    version: int = 0
    sequence: int = 0
    counted: list[str] = field(default_factory=list)
    out: list[LoggedFact] = field(default_factory=list)
    changed: bool = False

    def enter(self, delivery: Delivery, outgoing: Callable[[Event], Outgoing]) -> None:
        """Number the delivery's results. A delivery that was counted changes nothing."""
        if delivery.id in self.counted:
            return
        for result in delivery.results:
            self.sequence += 1
            self.out.append(LoggedFact(delivery.id, outgoing(self._event(delivery, result.fact))))
        self.counted = [*self.counted, delivery.id][-MAX_COUNTED:]
        self.changed = True

    def _event(self, delivery: Delivery, fact: Fact) -> Event:
        assert delivery.done_at is not None
        return new_event(
            fact,
            source=SOURCE,
            cause_id=delivery.cause_id,
            subject=self.conversation_id,
            time=delivery.done_at,
            sequence=self.sequence,
            correlation_id=delivery.correlation_id,
            traceparent=delivery.traceparent,
            discriminator=delivery.id,
        )

    def drop(self, reported: Collection[str]) -> None:
        """Forget pending output of deliveries that are marked reported: it was acknowledged before that mark."""
        self.out = [one for one in self.out if one.delivery_id not in reported]
