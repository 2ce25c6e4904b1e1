"""Pending output of a fold as series: what follows from saved decisions and Kafka has not acknowledged yet.

It is what this process knows. What another left behind when it died is published when its records come again, and shows
as lag until then.
"""

from postroom_runtime.clock import monotonic
from postroom_runtime.metrics import FOLD_PENDING, FOLD_PENDING_SECONDS


class PendingOutput:
    """Counts the records of the batch in hand between their saving and their publication; repeats of it keep its age."""

    def __init__(self, service: str) -> None:
        self._count = FOLD_PENDING.labels(service)
        self._since: float | None = None
        self._count.set(0)
        FOLD_PENDING_SECONDS.labels(service).set_function(self.seconds)

    def seconds(self) -> float:
        """Return for how long the oldest has waited, 0 when none does; read at each scrape."""
        return 0.0 if self._since is None else monotonic() - self._since

    def saved(self, records: int) -> None:
        self._count.set(records)
        if records and self._since is None:
            self._since = monotonic()

    def published(self) -> None:
        self._count.set(0)
        self._since = None
