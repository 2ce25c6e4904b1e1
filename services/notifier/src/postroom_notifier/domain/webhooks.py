"""Webhooks out: who gets which events, when an attempt is repeated, what becomes of a receiver that is away. Pure."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from postroom_contracts.configuration import Configuration, WebhookSubscription
from postroom_contracts.events import TYPE_PREFIX, Event, as_dict
from postroom_contracts.facts import ConversationRouted, ConversationStarted, MessageReceived
from postroom_contracts.fields import UtcTime
from postroom_contracts.ids import derived_id
from pydantic import BaseModel, ConfigDict, Field

GAPS_SECONDS = (5, 300, 1800, 7200, 18_000, 36_000, 36_000)
"""Wait after the first, second ... attempt: eight attempts in 27 hours and 35 minutes. Source: Standard Webhooks, "Retries"."""
ATTEMPTS = len(GAPS_SECONDS) + 1
ATTEMPTS_KEPT = 10
SLOW_MILLISECONDS = 1000
"""An answer that takes longer is slow: what then waits for its turn at this receiver waits because of the receiver."""
DISABLED_AFTER = timedelta(days=5)
"""A receiver that took nothing for so long gets nothing more, until somebody enables it."""
TEST_TYPE = f"{TYPE_PREFIX}webhook-test.v1"
State = Literal["due", "delivered", "dead"]
SubscriptionState = Literal["ok", "failing", "disabled", "off"]


class Attempt(BaseModel):
    """One try. `status` None: there was no answer; `error` then says why, by a code of ours."""

    model_config = ConfigDict(frozen=True)

    at: UtcTime
    status: int | None = None
    error: str | None = None
    milliseconds: int = 0


class WebhookDelivery(BaseModel):
    """One event for one subscription. `body` is sent as it stands here at every attempt."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    subscription_id: str
    webhook_id: str
    """The receiver's key for repeats: the same at every attempt and in every replay of the event."""
    conversation_id: str
    event_type: str
    order: int
    """Offset of the event: what stands earlier in a conversation, which is in one partition, goes first."""
    body: str
    state: State = "due"
    next_at: UtcTime | None
    """When it is tried next; None when it is done."""
    attempts: int = 0
    tried: list[Attempt] = Field(default_factory=list)
    created_at: UtcTime
    done_at: UtcTime | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What an attempt came to."""

    status: int | None
    error: str | None
    milliseconds: int

    @property
    def taken(self) -> bool:
        """Only 2xx means that the receiver has it; a redirect is a failure, because the signature names one receiver."""
        return self.status is not None and 200 <= self.status < 300  # noqa: PLR2004 - RFC 9110 section 15.3


def inbox_named(event: Event) -> str | None:
    """Return the inbox that an event puts its conversation into; None: it says nothing about that."""
    match event.data:
        case MessageReceived() | ConversationStarted():
            return event.data.inbox_id
        case ConversationRouted():
            return getattr(event.data, "inbox_id", None)
    return None


def wanted_by(event: Event, inbox_id: str | None, configuration: Configuration) -> list[WebhookSubscription]:
    """Return who gets an event of a conversation in `inbox_id`; None: nobody knows where it is, as if it were private."""
    inbox = configuration.inbox(inbox_id or "")
    private = inbox is None or inbox.owner is not None
    return [s for s in configuration.webhooks if _wants(s, event.type, inbox_id, private=private)]


def _wants(subscription: WebhookSubscription, event_type: str, inbox_id: str | None, *, private: bool) -> bool:
    if not subscription.enabled:
        return False
    if subscription.inboxes:
        if inbox_id not in subscription.inboxes:
            return False
    elif private:  # only who names a private inbox gets its events
        return False
    short = event_type.removeprefix(TYPE_PREFIX)
    return not subscription.events or short in subscription.events or short.rpartition(".v")[0] in subscription.events


def delivery_of(
    event: Event, subscription_id: str, offset: int, now: datetime, replay: str = "", *, body: str | None = None
) -> WebhookDelivery:
    """Return what is due for one subscription; the same event gives the same one, but for each `replay` another.

    `body` is `body_of` the event, where that is known already.
    """
    webhook_id = derived_id("webhook", event.source, event.id, subscription_id)
    return WebhookDelivery(
        id=derived_id(webhook_id, replay) if replay else webhook_id,
        subscription_id=subscription_id,
        webhook_id=webhook_id,
        conversation_id=event.subject,
        event_type=event.type,
        order=offset,
        body=body_of(as_dict(event)) if body is None else body,
        next_at=now,
        created_at=now,
    )


def test_delivery(subscription_id: str, identifier: str, now: datetime) -> WebhookDelivery:
    """Return an event that says nothing, for the button that tries a receiver."""
    event = {
        "specversion": "1.0",
        "id": identifier,
        "source": "/postroom/notifier",
        "type": TEST_TYPE,
        "time": now.isoformat(),
        "subject": subscription_id,
        "data": {"subscription_id": subscription_id},
    }
    return WebhookDelivery(
        id=identifier,
        subscription_id=subscription_id,
        webhook_id=identifier,
        conversation_id=f"test-{identifier}",
        event_type=TEST_TYPE,
        order=0,
        body=body_of(event),
        next_at=now,
        created_at=now,
    )


def body_of(event: dict[str, Any]) -> str:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"))


def after(delivery: WebhookDelivery, answer: Answer, now: datetime) -> WebhookDelivery:
    """Return the delivery after an attempt that began at `now`: delivered, to be tried again, or given up."""
    attempts = delivery.attempts + 1
    attempt = Attempt(at=now, status=answer.status, error=answer.error, milliseconds=answer.milliseconds)
    changes: dict[str, Any] = {"attempts": attempts, "tried": [*delivery.tried, attempt][-ATTEMPTS_KEPT:]}
    if answer.taken:
        changes |= {"state": "delivered", "next_at": None, "done_at": now}
    elif attempts >= ATTEMPTS:
        changes |= {"state": "dead", "next_at": None, "done_at": now}
    else:
        changes |= {"next_at": now + timedelta(seconds=GAPS_SECONDS[attempts - 1])}
    return delivery.model_copy(update=changes)


class Receiver(BaseModel):
    """What is known of the receiver of a subscription. `failing_since`: since when it took nothing, None while it does."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    subscription_id: str
    failing_since: UtcTime | None = None
    slow_since: UtcTime | None = None
    """Since when it takes what it gets, and takes its time."""
    last_success_at: UtcTime | None = None
    disabled_at: UtcTime | None = None
    told_at: UtcTime | None = None
    """When the admins were told that it was disabled."""

    def heard(self, answer: Answer, now: datetime) -> "Receiver":
        """Return what is known after an attempt; five days without one success disable it."""
        if answer.taken:
            slow = (self.slow_since or now) if answer.milliseconds > SLOW_MILLISECONDS else None
            return self.model_copy(update={"failing_since": None, "slow_since": slow, "last_success_at": now})
        since = self.failing_since or now
        disabled = self.disabled_at or (now if now - since >= DISABLED_AFTER else None)
        return self.model_copy(update={"failing_since": since, "disabled_at": disabled})

    @property
    def keeps_waiting(self) -> bool:
        """Whether what is due to it may be late because of itself."""
        return (self.failing_since or self.slow_since or self.disabled_at) is not None


@dataclass(frozen=True, slots=True)
class Lease:
    """A receiver that is ours until `until`; `name` tells this lease from another's."""

    subscription_id: str
    name: str
    until: datetime


def state_of(subscription: WebhookSubscription, receiver: Receiver | None) -> SubscriptionState:
    """Return how a subscription does; `off`: its owner switched it off in the configuration."""
    if not subscription.enabled:
        return "off"
    if receiver is not None and receiver.disabled_at:
        return "disabled"
    return "failing" if receiver is not None and receiver.failing_since else "ok"


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits at one moment. `undone` and `dead` are counted up to a bound.

    `oldest_at`: since when the oldest is due; `ours_at`: the same without those whose receivers keep us waiting.
    """

    undone: int = 0
    dead: int = 0
    oldest_at: datetime | None = None
    ours_at: datetime | None = None
