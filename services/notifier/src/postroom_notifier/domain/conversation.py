"""What the notifier knows of a conversation: enough to say who is told, and nothing that the router did not say."""

from datetime import datetime
from typing import Any

from postroom_contracts.events import Event
from postroom_contracts.fields import UtcTime
from postroom_contracts.ids import delivery_id
from pydantic import BaseModel, ConfigDict, Field

from postroom_notifier.domain.delivery import CUSTOMER, Delivery, DeliveryKind


class Conversation(BaseModel):
    """The fold's state. `due` is what this batch found to do; it is never stored here (see NotifierDecider.before_save)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    inbox_id: str | None = None
    team_id: str | None = None
    owner_id: str | None = None
    epoch: int = 0
    watchers: tuple[str, ...] = ()
    customer_content_id: str | None = None
    """Of the customer's latest message."""
    customer_message_id: str | None = None
    reply_content_id: str | None = None
    """Of our latest public reply."""
    router_sequence: int = 0
    merged_into: str | None = None
    by_machine: bool = False
    """A machine opened it, and no person has written since."""
    urgent: bool = False
    """Its priority is urgent: no quiet hours hold mail back."""
    answers_machine: bool = False
    """A machine wrote the latest incoming message, or a list passed it on: nothing answers that by itself."""
    left_at: tuple[UtcTime, ...] = ()
    """When the last automatic mails were decided, oldest first (limits.py)."""
    given_back_at: tuple[UtcTime, ...] = ()
    """The same of those that give somebody their own text back: they are counted by themselves."""
    returned: tuple[str, ...] = ()
    """Replies that came back, as far as their authors were told of it."""
    deliveries: int = 0
    last_due_at: UtcTime | None = None
    due: tuple[Delivery, ...] = Field(default=(), exclude=True)
    cancelled: tuple[str, ...] = Field(default=(), exclude=True)
    """Replies (message ids) that this batch takes back."""
    erased: bool = Field(default=False, exclude=True)
    """This batch said that contents were erased."""
    erased_messages: tuple[str, ...] = Field(default=(), exclude=True)
    """Those whose contents it named."""

    def after(self, **changes: Any) -> "Conversation":
        return self.model_copy(update=changes)

    def with_due(self, event: Event, kind: DeliveryKind, receiver: str, **fields: Any) -> "Conversation":
        """Return the state with one more delivery; the same event gives the same id.

        `due_at` never goes back within a conversation (a scheduled one stands outside of that), so that what was decided
        first is sent first even where two hosts' clocks differ.
        """
        scheduled: datetime | None = fields.pop("due_at", None)
        at = max(event.time, self.last_due_at) if self.last_due_at else event.time
        due_at = max(at, scheduled) if scheduled else at
        delivery = Delivery(
            id=delivery_id(event.id, kind, receiver),
            kind=kind,
            receiver=receiver,
            conversation_id=event.subject,
            order_key=event.subject if receiver == CUSTOMER else f"{receiver}/{event.subject}",
            number=self.deliveries + 1,
            due_at=due_at,
            cause_id=event.id,
            cause_at=event.time,
            correlation_id=event.correlation_id,
            traceparent=event.traceparent,
            team_id=self.team_id,
            router_sequence=self.router_sequence,
            **({"inbox_id": self.inbox_id, "next_at": due_at} | fields),
        )
        return self.after(due=(*self.due, delivery), deliveries=self.deliveries + 1, last_due_at=at)
