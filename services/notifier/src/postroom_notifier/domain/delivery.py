"""A delivery: one piece of due work, from the event that caused it to its reported result. Schedule, claim and outbox."""

from datetime import datetime
from typing import Any, Literal

from postroom_contracts.facts import Fact, MessageBounced, MessageCancelled, MessageFailed, MessageSent
from postroom_contracts.facts import NotificationFailed as NotificationFailedFact
from postroom_contracts.facts import NotificationSent as NotificationSentFact
from postroom_contracts.fields import UtcTime
from pydantic import BaseModel, ConfigDict, Field

CUSTOMER = "customer"
"""The receiver of a reply; every other receiver is an agent's id."""
DeliveryKind = Literal[
    "reply",
    "bounce",
    "assigned",
    "replied",
    "mentioned",
    "deadline_warned",
    "deadline_breached",
    "refused",
    "undelivered",
    "chat",
]
"""`reply` goes to the customer; `bounce` sends nothing, it only reports; `chat` goes to a chat tool (chat.py); the others are
notifications to agents."""
DeliveryState = Literal["due", "accepted", "failed", "reported_only", "skipped", "skipped_too_old", "cancelled"]

RESULT_TYPES: dict[str, type[Fact]] = {
    m.__name__: m
    for m in (
        MessageSent,
        MessageCancelled,
        MessageFailed,
        MessageBounced,
        NotificationSentFact,
        NotificationFailedFact,
    )
}


class Result(BaseModel):
    """One fact that follows from a delivery, kept with it until it stands in the delivery log."""

    model_config = ConfigDict(frozen=True)

    name: str
    data: dict[str, Any]

    @classmethod
    def of(cls, fact: Fact) -> "Result":
        return cls(name=type(fact).__name__, data=fact.model_dump(mode="json", exclude_none=True))

    @property
    def fact(self) -> Fact:
        return RESULT_TYPES[self.name].model_validate(self.data)


class RefusedAddress(BaseModel):
    """One recipient that a server refused for good, with the status code that it gave."""

    model_config = ConfigDict(frozen=True)

    address: str
    code: str | None = None


class Delivery(BaseModel):
    """One piece of due work. It names contents by id and holds no text; addresses only while some are still to be tried.

    Undone is what has `next_at`. Within one `order_key` the lowest (`due_at`, `number`) goes first.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    kind: DeliveryKind
    receiver: str
    conversation_id: str
    """The log in which the result is reported."""
    order_key: str
    number: int
    """Counts the deliveries of a conversation."""
    state: DeliveryState = "due"
    due_at: UtcTime
    next_at: UtcTime | None = None
    """When it is tried next; while it is leased, when the lease lapses; None when it is done."""
    lease: str | None = None
    attempts: int = 0
    cause_id: str
    cause_at: UtcTime
    correlation_id: str = ""
    traceparent: str = ""
    message_id: str | None = None
    inbox_id: str | None = None
    account_id: str | None = None
    team_id: str | None = None
    configuration_version: int
    router_sequence: int = 0
    """Highest sequence of the router that the receiver is shown."""
    contents: dict[str, str] = Field(default_factory=dict)
    """Content ids by role: `reply` and `answers`, or `customer`, `note`, `refused`, `colleague`, `undelivered`."""
    details: dict[str, Any] = Field(default_factory=dict)
    """What the wording needs: codes and ids, no personal data."""
    remaining: list[str] | None = None
    """Addresses that a server put off while it took the others; only these are tried again."""
    refused: list[RefusedAddress] | None = None
    """Of a reply: those refused for good while others are still tried. Of `undelivered`: whom it did not reach."""
    last_reason: str | None = None
    results: list[Result] = Field(default_factory=list)
    unreported_since: UtcTime | None = None
    done_at: UtcTime | None = None
    reported_at: UtcTime | None = None

    @property
    def is_reply(self) -> bool:
        return self.kind == "reply"

    @property
    def leaves_by_itself(self) -> bool:
        """Whether nobody pressed a button for it: notifications, and replies that a rule or timer made."""
        return not self.is_reply or bool(self.details.get("automatic"))


def sent(delivery: Delivery, now: datetime) -> Fact:
    """Return the fact that the server took it."""
    if delivery.is_reply:
        return MessageSent(
            message_id=delivery.message_id or "", delivery_id=delivery.id, sent_at=now, attempts=delivery.attempts
        )
    return NotificationSentFact.model_validate(_about(delivery) | {"sent_at": now})


def failed(delivery: Delivery, now: datetime, reason: str, status_code: str | None) -> Fact:
    """Return the fact that it will not be tried again. `reason` is a code, never what a server wrote."""
    if delivery.is_reply:
        return MessageFailed(
            message_id=delivery.message_id or "",
            delivery_id=delivery.id,
            failed_at=now,
            reason=reason,
            status_code=status_code,
            attempts=max(1, delivery.attempts),
        )
    return NotificationFailedFact.model_validate(_about(delivery) | {"failed_at": now, "reason": reason})


def cancelled(delivery: Delivery, now: datetime) -> dict[str, Any]:
    """Return what is written to a reply that was taken back before anybody had it in hand."""
    fact = MessageCancelled(message_id=delivery.message_id or "", delivery_id=delivery.id, cancelled_at=now)
    return {
        "state": "cancelled",
        "results": [Result.of(fact).model_dump()],
        "unreported_since": now,
        "done_at": now,
        "last_reason": "cancelled",
    }


def bounced(
    delivery: Delivery, now: datetime, *, permanent: bool, status_code: str | None, undeliverable: bool = False
) -> Fact:
    """Return the fact that it came back after it had been taken. `undeliverable`: the address is marked because of it."""
    if delivery.is_reply:
        return MessageBounced(
            message_id=delivery.message_id or "",
            delivery_id=delivery.id,
            bounced_at=now,
            permanent=permanent,
            status_code=status_code,
            undeliverable=undeliverable,
        )
    return NotificationFailedFact.model_validate(_about(delivery) | {"failed_at": now, "reason": "bounced"})


def _about(delivery: Delivery) -> dict[str, Any]:
    to_chat = delivery.kind == "chat"
    return ({"channel": "webhook"} if to_chat else {}) | {
        "notification": delivery.details["kind"] if to_chat else delivery.kind,
        "agent_id": delivery.details["agent"] if to_chat else delivery.receiver,
        "delivery_id": delivery.id,
        "cause_id": delivery.cause_id,
    }
