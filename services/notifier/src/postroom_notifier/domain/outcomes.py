"""What a server's answer means for a delivery: done, tried again, or failed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from postroom_contracts.ids import digest

from postroom_notifier.domain.delivery import Delivery, RefusedAddress, Result, bounced, failed, sent
from postroom_notifier.domain.returned import address_is_bad, with_refused

GAPS_SECONDS = (2, 10, 30, 120, 600, 3600, 10_800, 21_600, 43_200, 86_400)
"""Wait after the first, second ... attempt; the last one repeats. RFC 5321 section 4.5.4.1 asks for growing gaps and for
days of patience; the first are short because most failures are a restart or a greylisting of seconds."""
JITTER = 0.2
"""By how much of itself a gap may be longer: what failed together is not tried again together."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One recipient that the server did not take. `code` is SMTP's, `enhanced` RFC 3463's if it was given."""

    address: str
    code: int
    enhanced: str | None = None

    @property
    def permanent(self) -> bool:
        return self.code >= 500  # noqa: PLR2004 - RFC 5321 section 4.2.1

    @property
    def status(self) -> str:
        return self.enhanced or str(self.code)


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
    """Never, says the server. `refusals`: the recipients, when it said so of each of them."""

    reason: str
    code: str | None = None
    refusals: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class Skipped:
    """It shall not leave: a limit, or an address that is known to be bad."""

    reason: str


SendOutcome = Accepted | TryAgain | Rejected | Skipped


@dataclass(frozen=True, slots=True)
class Mark:
    """What is written to a delivery: `fields` to set, None removes one. `then` is stored before, if it is not there yet."""

    delivery: Delivery
    fields: dict[str, Any]
    then: Delivery | None = None

    @property
    def done(self) -> bool:
        return self.fields.get("next_at", "") is None

    @property
    def after(self) -> Delivery:
        """Return the delivery as it stands after the write."""
        return Delivery.model_validate(self.delivery.model_dump() | self.fields)


def gap(attempts: int, delivery_id: str) -> timedelta:
    """Return the wait after attempt number `attempts` (1, 2, ...), up to a fifth longer: how much, the id decides."""
    seconds = GAPS_SECONDS[min(max(attempts, 1), len(GAPS_SECONDS)) - 1]
    share = int(digest("jitter", delivery_id, str(attempts))[:8], 16) / 0xFFFF_FFFF
    return timedelta(seconds=seconds * (1 + JITTER * share))


def conclude(delivery: Delivery, outcome: SendOutcome, now: datetime, give_up_after: timedelta) -> Mark:
    """Return what is written about this attempt."""
    match outcome:
        case Accepted(refusals):
            return _accepted(delivery, refusals, now)
        case Skipped(reason):
            result = Result.of(failed(delivery, now, reason, None))
            return _done(delivery, now, "skipped", [result], last_reason=reason)
        case Rejected(reason, code, refusals):
            return _failed(delivery, now, reason, code, refusals)
        case TryAgain(reason, unreachable, code):
            if now - delivery.due_at > give_up_after:
                return _failed(delivery, now, "gave_up", code)
            if unreachable:  # the account's own gaps count, for all its mail at once
                return put_back(delivery, now + gap(1, delivery.id), reason)
            next_at = now + gap(delivery.attempts, delivery.id)
            return Mark(delivery, {"next_at": next_at, "lease": None, "last_reason": reason})


def put_back(delivery: Delivery, next_at: datetime, reason: str = "put_back") -> Mark:
    """Return what is written when the mail itself was not tried: the attempt does not count."""
    attempts = max(0, delivery.attempts - 1)
    return Mark(delivery, {"next_at": next_at, "lease": None, "attempts": attempts, "last_reason": reason})


def _accepted(delivery: Delivery, refusals: tuple[Refusal, ...], now: datetime) -> Mark:
    """Who was put off is tried again alone; who was refused for good is kept until then, and reported once."""
    known = delivery.refused if delivery.is_reply else None  # a notification says there whom another mail did not reach
    refused = with_refused(known, _for_good(refusals))
    put_off = [r.address for r in refusals if not r.permanent]
    if put_off:
        fields: dict[str, Any] = {"remaining": put_off, "lease": None, "last_reason": "partly"}
        if refused:
            fields["refused"] = [r.model_dump() for r in refused]
        return Mark(delivery, fields | {"next_at": now + gap(delivery.attempts, delivery.id)})
    return _done(delivery, now, "accepted", [Result.of(sent(delivery, now)), *_came_back(delivery, refused, now)])


def _for_good(refusals: tuple[Refusal, ...]) -> list[RefusedAddress]:
    return [RefusedAddress(address=r.address, code=r.status) for r in refusals if r.permanent]


def _came_back(delivery: Delivery, refused: list[RefusedAddress] | None, now: datetime) -> list[Result]:
    if not refused:
        return []
    code = refused[0].code
    return [Result.of(bounced(delivery, now, permanent=True, status_code=code, undeliverable=address_is_bad(code)))]


def _failed(
    delivery: Delivery, now: datetime, reason: str, code: str | None, refusals: tuple[Refusal, ...] = ()
) -> Mark:
    if delivery.remaining is not None:
        # Others have it: it was sent, and came back for those who were left.
        left = _for_good(refusals) or [RefusedAddress(address=a, code=code) for a in delivery.remaining]
        refused = with_refused(delivery.refused, left)
        back = _came_back(delivery, refused, now) or [
            Result.of(bounced(delivery, now, permanent=True, status_code=code))
        ]
        return _done(delivery, now, "accepted", [Result.of(sent(delivery, now)), *back])
    return _done(delivery, now, "failed", [Result.of(failed(delivery, now, reason, code))], last_reason=reason)


def _done(delivery: Delivery, now: datetime, state: str, results: list[Result], **more: Any) -> Mark:
    return Mark(
        delivery,
        {
            "state": state,
            "next_at": None,
            "lease": None,
            "remaining": None,
            "refused": None,
            "results": [r.model_dump() for r in results],
            "unreported_since": now,
            "done_at": now,
        }
        | more,
    )


def failure_of(delivery: Delivery, outcome: SendOutcome, mark: Mark) -> tuple[Delivery, str, str | None] | None:
    """Return what a reply's author has to be told once `mark` ends it: the delivery with everybody it did not reach,
    the reason and the code; None when it got through to all, or is not ended.
    """
    if not (mark.done and delivery.is_reply):
        return None
    more: list[RefusedAddress] = []
    match outcome:
        case Accepted(refusals):
            more, reason, code = _for_good(refusals), "refused", None
        case Rejected(reason, code, refusals):
            more = _for_good(refusals)
        case TryAgain(_, _, code):
            reason = "gave_up"
        case _:
            return None
    if delivery.remaining and not more and not isinstance(outcome, Accepted):
        more = [RefusedAddress(address=a, code=code) for a in delivery.remaining]
    refused = with_refused(delivery.refused, more)
    if isinstance(outcome, Accepted) and not refused:
        return None
    return delivery.model_copy(update={"refused": refused}), reason, code or (refused[0].code if refused else None)
