"""What a send may say no to because of its receiver, and what it teaches about addresses."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from postroom_runtime.errors import is_infrastructure

from postroom_notifier.domain.outcomes import Accepted, Refusal, Rejected, SendOutcome
from postroom_notifier.domain.returned import address_is_bad
from postroom_notifier.ports import AddressBook, ReceiverLimit

log = structlog.get_logger(__name__)


@dataclass
class AddressWatch:
    """Asks and teaches the address book and the limit per receiver."""

    addresses: AddressBook
    limit: ReceiverLimit

    async def objection(self, recipients: Sequence[str]) -> str | None:
        """Return why nothing should leave by itself for these, None when it may. Raises InfrastructureError."""
        if not await self.limit.allows(recipients):
            return "receiver_limit"
        if await self.addresses.any() and await self.addresses.resting(recipients):
            return "undeliverable"
        return None

    async def learn(self, recipients: Sequence[str], outcome: SendOutcome, *, counts: bool) -> None:
        """Note what the server said of each recipient. What is lost of it is learnt again by the next mail."""
        refusals = outcome.refusals if isinstance(outcome, Accepted | Rejected) else ()
        bad = [r for r in refusals if r.permanent and address_is_bad(r.status)]
        taken = (
            [r for r in recipients if r not in {x.address for x in refusals}] if isinstance(outcome, Accepted) else []
        )
        if counts:
            self.limit.count(taken)
        try:
            await self._note(taken, bad)
        except Exception as error:
            if not is_infrastructure(error):
                raise
            log.warning("addresses are not marked", error=type(error).__name__)

    async def _note(self, taken: Sequence[str], bad: Sequence[Refusal]) -> None:
        if taken and await self.addresses.any():
            await self.addresses.clear(taken)
        for refusal in bad:
            await self.addresses.mark([refusal.address], refusal.status)
