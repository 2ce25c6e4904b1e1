"""What a server's answer means for a delivery: done, tried again, or failed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from postroom_notifier.domain.delivery import Delivery, Result, bounced, failed, sent

GAPS_SECONDS = (2, 10, 30, 120, 600, 3600, 10_800, 21_600)
"""Wait after the first, second ... attempt; the last one repeats. RFC 5321 section 4.5.4.1 asks for growing gaps and for
days of patience; the first are short because most failures are a restart or a greylisting of seconds."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One recipient that the server did not take. `code` is SMTP's, `enhanced` RFC 3463's if it was given."""

    address: str
    code: int
    enhanced: str | None = None

    @property
    def permanent(self) -> bool:
        return self.code >= 500  # noqa: PLR2004 - RFC 5321 section 4.2.1


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server took the mail for all recipients but `refusals`."""

    refusals: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Not now. `unreachable`: it is the server or the account, not this mail."""

    reason: str
    unreachable: bool = False
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """Never, says the server."""

    reason: str
    code: str | None = None


SendOutcome = Accepted | TryAgain | Rejected


@dataclass(frozen=True, slots=True)
class Mark:
    """What is written to a delivery: `fields` to set, None removes one."""

    delivery: Delivery
    fields: dict[str, Any]

    @property
    def done(self) -> bool:
        return self.fields.get("next_at", "") is None

    @property
    def after(self) -> Delivery:
        """Return the delivery as it stands after the write."""
        return Delivery.model_validate(self.delivery.model_dump() | self.fields)


def gap(attempts: int) -> timedelta:
    """Return the wait after attempt number `attempts` (1, 2, ...)."""
    return timedelta(seconds=GAPS_SECONDS[min(max(attempts, 1), len(GAPS_SECONDS)) - 1])


def conclude(delivery: Delivery, outcome: SendOutcome, now: datetime, give_up_after: timedelta) -> Mark:
    """Return what is written about this attempt."""
    match outcome:
        case Accepted(refusals):
            return _accepted(delivery, refusals, now)
        case Rejected(reason, code):
            return _failed(delivery, now, reason, code)
        case TryAgain(reason, unreachable, code):
            if now - delivery.due_at > give_up_after:
                return _failed(delivery, now, "gave_up", code)
            if unreachable:  # the account's own gaps count, for all its mail at once
                return put_back(delivery, now + gap(1), reason)
            return Mark(delivery, {"next_at": now + gap(delivery.attempts), "lease": None, "last_reason": reason})


def put_back(delivery: Delivery, next_at: datetime, reason: str = "put_back") -> Mark:
    """Return what is written when the mail itself was not tried: the attempt does not count."""
    attempts = max(0, delivery.attempts - 1)
    return Mark(delivery, {"next_at": next_at, "lease": None, "attempts": attempts, "last_reason": reason})


def _accepted(delivery: Delivery, refusals: tuple[Refusal, ...], now: datetime) -> Mark:
    put_off = [r.address for r in refusals if not r.permanent]
    if put_off:
        next_at = now + gap(delivery.attempts)
        return Mark(delivery, {"next_at": next_at, "lease": None, "remaining": put_off, "last_reason": "partly"})
    results = [Result.of(sent(delivery, now))]
    refused = next((r for r in refusals if r.permanent), None)
    if refused is not None:
        code = refused.enhanced or str(refused.code)
        results.append(Result.of(bounced(delivery, now, permanent=True, status_code=code)))
    return _done(delivery, now, "accepted", results)


def _failed(delivery: Delivery, now: datetime, reason: str, code: str | None) -> Mark:
    if delivery.remaining is not None:
        # Others have it: it was sent, and came back for those who were left.
        fact = bounced(delivery, now, permanent=True, status_code=code)
        return _done(delivery, now, "accepted", [Result.of(sent(delivery, now)), Result.of(fact)])
    return _done(delivery, now, "failed", [Result.of(failed(delivery, now, reason, code))])


def _done(delivery: Delivery, now: datetime, state: str, results: list[Result]) -> Mark:
    return Mark(
        delivery,
        {
            "state": state,
            "next_at": None,
            "lease": None,
            "remaining": None,
            "results": [r.model_dump() for r in results],
            "unreported_since": now,
            "done_at": now,
        },
    )
