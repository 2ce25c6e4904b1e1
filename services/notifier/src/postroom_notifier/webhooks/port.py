"""What webhooks need of the world."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from postroom_contracts.configuration import WebhookSubscription

from postroom_notifier.domain.webhooks import Answer, Lease, Receiver, WebhookDelivery


class WebhookStore(Protocol):
    """Keeps deliveries, what is known of receivers, and which inbox each conversation is in."""

    async def locate(self, found: Mapping[str, str], version: int) -> None:
        """Note in which inbox conversations are, under this version of the configuration."""
        ...

    async def located(self, conversation_ids: Iterable[str], since: int) -> dict[str, str]:
        """Return conversation -> inbox as noted under version `since` or later."""
        ...

    async def folded(self, conversation_ids: Iterable[str]) -> dict[str, str | None]:
        """Return conversation -> inbox as the notifier's fold knows it; those that it has never met are left out."""
        ...

    async def add(self, deliveries: Sequence[WebhookDelivery], now: datetime) -> None:
        """Store those that are not there yet, then have their receivers looked at. Again: no change."""
        ...

    async def wake(self, subscription_ids: Collection[str], now: datetime) -> None: ...

    async def lease(
        self, limit: int, *, now: datetime, until: datetime, lease: str, in_hand: Collection[str]
    ) -> list[Receiver]:
        """Claim up to `limit` receivers with due work until `until`, each for one caller."""
        ...

    async def release(self, leases: Sequence[Lease], now: datetime) -> bool:
        """Give receivers back; return whether something is due to one of them already."""
        ...

    async def due(self, subscription_ids: Sequence[str], limit: int, now: datetime) -> dict[str, list[WebhookDelivery]]:
        """Return due deliveries by receiver, at most the first undone of each conversation.

        At most `limit` in all; a receiver that is not in the answer has to be asked for again, alone.
        """
        ...

    async def mark(self, deliveries: Sequence[WebhookDelivery], now: datetime) -> None: ...

    async def mark_receiver(self, receiver: Receiver) -> None: ...

    async def recovered(self, subscription_id: str, now: datetime) -> None: ...

    async def give_up(self, subscription_id: str, now: datetime) -> int: ...

    async def disabled(self) -> dict[str, Receiver]: ...

    async def receivers(self) -> dict[str, Receiver]: ...

    async def log(
        self, subscription_id: str, state: str | None, before: tuple[datetime, str] | None, limit: int
    ) -> list[WebhookDelivery]: ...

    async def again(self, delivery_id: str, subscription_id: str, now: datetime) -> bool: ...


class WebhookClient(Protocol):
    """Sends one request."""

    async def post(self, subscription: WebhookSubscription, delivery: WebhookDelivery) -> Answer:
        """Send within the time limit, signed with every secret of the subscription. Never raises but CancelledError."""
        ...

    async def close(self) -> None: ...
