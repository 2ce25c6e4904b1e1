"""Limits per account: how many connections at once, and rest for a server that does not answer."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from postroom_notifier.domain.outcomes import GAPS_SECONDS
from postroom_notifier.metrics import ACCOUNT_REFUSED, ACCOUNTS_WAITING

LONGEST_REST_SECONDS = 30.0
"""A server that is back is noticed within this time."""
REFUSED_REST_SECONDS = 300.0
"""A log-in that was refused is not tried more often: providers lock accounts. A new configuration ends the rest at once."""


@dataclass
class AccountGates:
    """Counts what each account has in flight, and closes those whose server is unreachable. Times are monotonic seconds.

    The limit leaves slots to others, so it counts once there are others.
    """

    limit: int
    monotonic: Callable[[], float]
    _in_flight: Counter[str] = field(default_factory=Counter)
    _failures: Counter[str] = field(default_factory=Counter)
    _open_at: dict[str, float] = field(default_factory=dict)

    def is_free(self, account_id: str) -> bool:
        return not self._is_full(account_id) and self.rest_seconds(account_id) <= 0

    def _is_full(self, account_id: str) -> bool:
        return len(self._in_flight) > 1 and self._in_flight[account_id] >= self.limit

    def rest_seconds(self, account_id: str) -> float:
        """Return for how long nothing should be tried, 0 when the account is open."""
        return max(0.0, self._open_at.get(account_id, 0.0) - self.monotonic())

    def out(self) -> list[str]:
        """Return the accounts that take nothing now."""
        return sorted(a for a in {*self._open_at, *self._in_flight} if not self.is_free(a))

    def begin(self, account_id: str) -> None:
        self._in_flight[account_id] += 1

    def reopen(self) -> None:
        """Forget all rests: what was wrong may have been mended."""
        self._failures.clear()
        self._open_at.clear()
        ACCOUNTS_WAITING.set(0)

    def end(self, account_id: str, *, reachable: bool, refused: bool = False) -> None:
        """Note the end of a send; each failure of those that began before a rest is over counts once.

        `refused`: its log-in was, so it rests longer.
        """
        self._in_flight[account_id] -= 1
        if reachable:
            self._failures.pop(account_id, None)
            self._open_at.pop(account_id, None)
        elif self.rest_seconds(account_id) <= 0:
            self._failures[account_id] += 1
            gap = GAPS_SECONDS[min(self._failures[account_id], len(GAPS_SECONDS)) - 1]
            longest = REFUSED_REST_SECONDS if refused else LONGEST_REST_SECONDS
            self._open_at[account_id] = self.monotonic() + min(float(gap), longest)
        if account_id and (refused or reachable):
            ACCOUNT_REFUSED.labels(account_id).set(1 if refused else 0)
        ACCOUNTS_WAITING.set(len(self._open_at))
