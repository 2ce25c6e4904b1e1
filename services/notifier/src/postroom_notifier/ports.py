"""What the notifier needs of the world."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Protocol

from postroom_contracts.configuration import ChatDestination, MailAccount

from postroom_notifier.delivery_log import DeliveryLog
from postroom_notifier.domain.delivery import Delivery
from postroom_notifier.domain.mime import OutgoingMail
from postroom_notifier.domain.outcomes import Mark, SendOutcome


class DeliveryStore(Protocol):
    """Keeps deliveries: schedule, claim and outbox in one."""

    async def add(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Store those that are not there yet and return them; one that is there stays as it is."""
        ...

    async def find(self, ids: Iterable[str]) -> dict[str, Delivery]: ...

    async def lease(
        self,
        limit: int,
        *,
        now: datetime,
        until: datetime,
        lease: str,
        accounts_out: Collection[str],
        in_hand: Collection[str],
    ) -> list[Delivery]:
        """Claim up to `limit` due deliveries until `until`: of each order key only the first undone, each for one caller.

        `accounts_out`: accounts that nothing is wanted of. `in_hand`: ids that the caller has already.
        """
        ...

    async def cancel(self, conversation_id: str, message_ids: Sequence[str], now: datetime) -> list[Delivery]:
        """Take back the replies of these messages that nobody has leased or tried yet; return them as they then stand.

        Against a lease at the same moment exactly one of the two wins. Again: changes nothing.
        """
        ...

    async def mark(self, marks: Sequence[Mark]) -> None:
        """Write what became of attempts. One that is done already stays as it is."""
        ...

    async def release_followers(self, order_keys: Collection[str]) -> int:
        """Let those that this process made wait behind these keys go on; return how many."""
        ...

    async def unreported(self, before: datetime, limit: int) -> list[Delivery]:
        """Return results that were not reported by `before`, oldest first."""
        ...

    async def reported(self, ids: Iterable[str]) -> set[str]:
        """Return which of `ids` are reported."""
        ...

    async def mark_reported(self, ids: Sequence[str], now: datetime) -> None: ...

    async def erase(self, conversation_ids: Sequence[str], message_ids: Sequence[str], now: datetime) -> None:
        """Remove addresses that deliveries of these conversations hold; what was put off for them alone fails.

        Replies of `message_ids` that nobody has tried yet are given up without a word: nothing that was counted changes.
        """
        ...


class DeliveryLogStore(Protocol):
    """Keeps the delivery log: one document per conversation, versioned."""

    async def load(self, conversation_ids: Iterable[str]) -> dict[str, DeliveryLog]: ...

    async def save(self, logs: Sequence[DeliveryLog]) -> None:
        """Store all, each only over the version that it was loaded with. Raises ConflictError."""
        ...


class AddressBook(Protocol):
    """Keeps which addresses cannot be reached. Addresses are compared in lower case."""

    async def mark(self, addresses: Sequence[str], code: str | None) -> None:
        """Note that mail to these came back for good just now."""
        ...

    async def clear(self, addresses: Sequence[str]) -> None:
        """Forget the marks of these: mail got through, or came from there."""
        ...

    async def any(self) -> bool:
        """Say whether any address is marked."""
        ...

    async def resting(self, addresses: Sequence[str]) -> bool:
        """Say whether nothing should leave by itself for one of these: it was marked within the last 24 hours."""
        ...


class ReceiverLimit(Protocol):
    """Caps what leaves by itself for one address within an hour."""

    async def allows(self, addresses: Sequence[str]) -> bool:
        """Say whether each of these may get one more."""
        ...

    def count(self, addresses: Sequence[str]) -> None:
        """Note that each of these got one."""
        ...


class MailSender(Protocol):
    """Hands mail to an account's server."""

    async def send(self, account: MailAccount, mail: OutgoingMail) -> SendOutcome:
        """Hand over one mail, within the whole send timeout. Never raises but CancelledError."""
        ...

    async def close(self) -> None: ...


class ChatClient(Protocol):
    """Sends one notification to a chat tool within its own time limit."""

    async def post(self, destination: ChatDestination, body: bytes) -> SendOutcome: ...

    async def close(self) -> None: ...
