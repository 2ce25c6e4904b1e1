"""One batch carried out: each record decoded alone, handled with the others, and put aside if it cannot be."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from aiokafka import ConsumerRecord
from postroom_contracts.events import Data

from postroom_runtime.breaker import Breaker
from postroom_runtime.clock import monotonic
from postroom_runtime.documents import MAX_AHEAD
from postroom_runtime.errors import ConflictError, InfrastructureError, PermanentError, is_infrastructure
from postroom_runtime.fold import RecordFailedError
from postroom_runtime.metrics import RECORDS
from postroom_runtime.parking import Parking
from postroom_runtime.records import HOLD, MARKER, Incoming, Unreadable, header_map, is_replay, key_text, read
from postroom_runtime.steps import reach
from postroom_runtime.trail import trail

log = structlog.get_logger(__name__)

ATTEMPTS = 3
ATTEMPT_SECONDS = 5.0
CONFLICT_ATTEMPTS = 20


class BatchHandler(Protocol):
    """What a consumer runs. `models`: the types it decodes."""

    models: Mapping[str, type[Data]]

    async def handle(self, batch: Sequence[Incoming], committed: Mapping[str, int]) -> None:
        """Carry the batch out, so that it may be committed when this returns. Repeats must change nothing."""
        ...


class BreakerOpenError(Exception):
    """Too many records failed unexpectedly: nothing more is tried until the process starts again."""


@dataclass(slots=True)
class _Failed:
    """A record that failed for a reason of ours, and those of its key that came after it."""

    incoming: Incoming
    error: BaseException
    behind: list[Incoming] = field(default_factory=list)


class BatchWork:
    """Carries out batches of one consumer. `committed` maps streams to committed offsets; its owner keeps it."""

    def __init__(
        self,
        *,
        group: str,
        handler: BatchHandler,
        parking: Parking,
        breaker: Breaker,
        topic_ids: Mapping[str, str],
        committed: Mapping[str, int],
        ignored_types: frozenset[bytes],
    ) -> None:
        self._group = group
        self._handler = handler
        self._parking = parking
        self._breaker = breaker
        self._topic_ids = topic_ids
        self._committed = committed
        self._ignored = ignored_types
        self._outcomes: Counter[tuple[str, str]] = Counter()

    async def carry_out(self, records: Sequence[ConsumerRecord]) -> None:
        """Handle, park or skip each record; when it returns, all may be committed.

        Raises InfrastructureError, BreakerOpenError, or what nobody expected: then all of it has to come again.
        """
        self._outcomes.clear()
        run: list[Incoming] = []
        for record in records:
            if is_replay(record.topic) and MARKER in header_map(record):
                await self._flush(run)
                await self._on_marker(record)
                continue
            item = read(record, self._handler.models, self._topic_ids, self._ignored)
            if item is None:
                self._outcomes[record.topic, "ignored"] += 1
            elif isinstance(item, Incoming):
                run.append(item)
            elif self._parking.must_wait(item.incoming):  # it is found unreadable again when its turn comes
                run.append(item.incoming)
            else:
                await self._park_unreadable(item, run)
        await self._flush(run)
        for (topic, outcome), count in self._outcomes.items():
            RECORDS.labels(self._group, topic, outcome).inc(count)

    async def _park_unreadable(self, item: Unreadable, run: list[Incoming]) -> None:
        """Park it at once; its number, if it can be read, goes to the handler in its place among the others."""
        await self._parking.park(item.incoming, "permanent", item.reason)
        self._outcomes[item.incoming.record.topic, "parked"] += 1
        reach("batch.unreadable_parked")
        if item.incoming.key and item.incoming.skipped_source and item.incoming.skipped_sequence:
            run.append(item.incoming)

    async def _on_marker(self, record: ConsumerRecord) -> None:
        headers = header_map(record)
        count = (headers.get(MARKER) or b"0").decode("ascii", "replace")
        hold = (headers.get(HOLD) or b"").decode("utf-8", "replace")
        lifted = await self._parking.lift(key_text(record), hold, int(count) if count.isdigit() else 0)
        reach("batch.marker_handled")
        log.info("replay marker", group=self._group, lifted=lifted)

    async def _flush(self, run: list[Incoming]) -> None:
        """Handle what has been collected, records of held keys parked behind their hold."""
        waiting = [i for i in run if self._parking.must_wait(i)]
        live = [i for i in run if not self._parking.must_wait(i)] if waiting else list(run)
        run.clear()
        await self._park_behind(waiting)
        suspects: list[Incoming] = []
        while live:
            began_ns = time.time_ns()
            try:
                await self._handler.handle(live, self._committed)
            except RecordFailedError as failed:
                if is_infrastructure(failed.cause):
                    raise failed.cause from failed
                key = failed.incoming.key
                suspects += [i for i in live if i.key == key]
                live = [i for i in live if i.key != key]
            except Exception as error:
                if is_infrastructure(error):
                    raise
                if not isinstance(error, ConflictError):
                    log.exception("batch failed, trying its records singly", group=self._group)
                suspects, live = sorted([*suspects, *live], key=_in_order), []
            else:
                self._breaker.succeeded([i.key for i in live])
                self._count(live, "handled")
                if trail.on:
                    trail.handled(self._group, live, began_ns)
                break
        if suspects:
            await self._singly(suspects)

    def _count(self, records: Sequence[Incoming], outcome: str) -> None:
        self._outcomes.update((i.record.topic, outcome) for i in records)

    async def _park_behind(self, waiting: Sequence[Incoming]) -> None:
        if waiting:
            await self._parking.park_behind(waiting)
            self._count(waiting, "held")
            reach("batch.parked_behind")

    async def _singly(self, suspects: Sequence[Incoming]) -> None:
        """Try each record alone. Those that fail are put aside at the end, when it is clear that the breaker holds."""
        deadline = monotonic() + ATTEMPT_SECONDS
        failed: dict[str, _Failed] = {}
        for incoming in suspects:
            if incoming.key in failed and self._parking.stands_in_order(incoming):
                failed[incoming.key].behind.append(incoming)
                self._breaker.note(incoming.key, failed=True)  # it is as stuck as the one that it stands behind
                self._stop_if_open()
                continue
            error = await self._one(incoming, deadline)
            self._breaker.note(incoming.key, failed=error is not None)
            if error is not None:
                log.error("record failed", group=self._group, error=type(error).__name__, exc_info=error)
                if self._parking.stands_in_order(incoming):
                    failed[incoming.key] = _Failed(incoming, error)
                else:  # it stood behind nothing and nothing stands behind it: whoever replayed it may do so again
                    await self._parking.park(incoming, "permanent", _detail(error))
            self._stop_if_open()
        for failure in failed.values():
            await self._put_aside(failure)

    def _stop_if_open(self) -> None:
        if self._breaker.open:
            raise BreakerOpenError(f"{self._group}: more than half of the last records failed")

    async def _one(self, incoming: Incoming, deadline: float) -> BaseException | None:
        """Try one record: three attempts for what is unexpected, more for conflicts, none for what is permanent.

        Returns why it has to be put aside; None when it is done.
        """
        failures = conflicts = others = 0
        while True:
            began_ns = time.time_ns()
            culprit, error = await self._attempt(incoming)
            if error is None:
                self._count([incoming], "handled")
                if trail.on:
                    trail.handled(self._group, [incoming], began_ns)
                return None
            if isinstance(error, PermanentError):
                await self._park_for_good(culprit, error)
                others += 1
                if culprit is incoming:
                    return None
                if others > MAX_AHEAD:
                    return error
            elif isinstance(error, ConflictError):
                conflicts += 1
                if conflicts > CONFLICT_ATTEMPTS:
                    raise InfrastructureError("too many conflicts") from error
                await asyncio.sleep(random.uniform(0.001, 0.02))
            else:
                failures += 1
                if failures >= ATTEMPTS or monotonic() > deadline:
                    return error
                await asyncio.sleep(0.05 * 4 ** (failures - 1))

    async def _attempt(self, incoming: Incoming) -> tuple[Incoming, BaseException | None]:
        """Return what failed and how: the record itself, or one that had waited for it. Raises what is not its fault."""
        try:
            await self._handler.handle([incoming], self._committed)
        except RecordFailedError as failed:
            culprit, error = failed.incoming, failed.cause
        except Exception as raised:  # noqa: BLE001 - sorted by type by our caller
            culprit, error = incoming, raised
        else:
            return incoming, None
        if is_infrastructure(error):
            raise InfrastructureError(str(error)) from error
        return culprit, error

    async def _park_for_good(self, incoming: Incoming, error: BaseException) -> None:
        """Park a record that can never be handled, and let its number count as seen."""
        await self._parking.park(incoming, "permanent", str(error))
        self._count([incoming], "parked")
        reach("batch.permanent_parked")
        skipped = incoming.as_skipped()
        if skipped.skipped_source and skipped.skipped_sequence:
            await self._handler.handle([skipped], self._committed)

    async def _put_aside(self, failure: _Failed) -> None:
        """Park a record and put its key on hold: the hold first, so that none overtakes; then those that came after."""
        await self._parking.hold(failure.incoming)
        reach("batch.held")
        await self._parking.park(failure.incoming, "unexpected", _detail(failure.error))
        self._count([failure.incoming], "parked")
        reach("batch.parked")
        await self._park_behind(failure.behind)


def _detail(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:500]


def _in_order(incoming: Incoming) -> tuple[str, int, int]:
    return incoming.physical.topic_id, incoming.physical.partition, incoming.physical.offset
