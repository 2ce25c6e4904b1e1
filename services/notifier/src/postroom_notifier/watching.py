"""What a send may say no to because of its receiver, and what it teaches about addresses."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from postroom_runtime.clock import monotonic
from postroom_runtime.errors import is_infrastructure

from postroom_notifier.domain.outcomes import Accepted, Refusal, Rejected, SendOutcome
from postroom_notifier.domain.returned import address_is_bad
from postroom_notifier.ports import AddressBook, ReceiverLimit

ASK_SECONDS = 1.0
log = structlog.get_logger(__name__)


@dataclass
class AddressWatch:
    """Asks and teaches the address book and the limit per receiver.

    In good times no address is marked, so that this alone is asked, once a second, and a mail costs no round trip.
    """

    addresses: AddressBook
    limit: ReceiverLimit
    _some_marked: bool = False
    _ask_at: float = 0.0

    async def objection(self, recipients: Sequence[str]) -> str | None:
        """Return why nothing should leave by itself for these, None when it may. Raises InfrastructureError."""
        if not await self.limit.allows(recipients):
            return "receiver_limit"
        if await self._any_marked() and await self.addresses.resting(recipients):
            return "undeliverable"
        return None

    async def _any_marked(self) -> bool:
        if monotonic() >= self._ask_at:
            self._some_marked = await self.addresses.any()
            self._ask_at = monotonic() + ASK_SECONDS
        return self._some_marked

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
        if taken and await self._any_marked():
            await self.addresses.clear(taken)
        for refusal in bad:
            await self.addresses.mark([refusal.address], refusal.status)
            self._some_marked = True
