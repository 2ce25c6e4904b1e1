"""The batch consumer: FastStream delivers raw batches, this decides what is committed.

The rules (docs/architecture/runtime.md): nothing escapes the handler shell; a batch that ends in an error seeks back to
its first undone offset before the shell returns; commits name offsets and only of partitions that are ours.
"""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from postroom_contracts.events import Data

from postroom_runtime.clock import Clock, monotonic
from postroom_runtime.errors import ConflictError, InfrastructureError, PermanentError, is_infrastructure
from postroom_runtime.fold import RecordFailedError
from postroom_runtime.metrics import (
    BATCH_RECORDS,
    BATCH_SECONDS,
    LAG,
    LAG_SECONDS,
    RECORDS,
    RETRIES,
    STOPPED,
    WAITING,
)
from postroom_runtime.parking import Parking
from postroom_runtime.records import MARKER, Incoming, Position, Unreadable, header_map, key_text, read
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.steps import reach

log = structlog.get_logger(__name__)

ATTEMPTS = 3
ATTEMPT_SECONDS = 5.0
CONFLICT_ATTEMPTS = 20
BREAKER_WINDOW = 50
BREAKER_KEYS = 10


class BatchHandler(Protocol):
    """What a consumer runs. `models`: the types it decodes."""

    models: Mapping[str, type[Data]]

    async def handle(self, batch: Sequence[Incoming], committed: Mapping[str, int]) -> None:
        """Carry the batch out, so that it may be committed when this returns. Repeats must change nothing."""
        ...


class Probe(Protocol):
    async def __call__(self) -> None:
        """Return when everything that the handler needs answers; raise InfrastructureError otherwise."""
        ...


class ConsumerHandle(Protocol):
    """The part of aiokafka's consumer that is used; a fake stands in for it in tests."""

    def assignment(self) -> set[TopicPartition]: ...
    def seek(self, partition: TopicPartition, offset: int) -> None: ...
    def pause(self, *partitions: TopicPartition) -> None: ...
    def resume(self, *partitions: TopicPartition) -> None: ...
    def highwater(self, partition: TopicPartition) -> int | None: ...
    async def commit(self, offsets: dict[TopicPartition, int]) -> None: ...
    async def committed(self, partition: TopicPartition) -> int | None: ...


@dataclass(slots=True)
class Breaker:
    """Opens when more than half of the last 50 records, over at least 10 keys, failed unexpectedly."""

    window: deque[tuple[str, bool]] = field(default_factory=lambda: deque(maxlen=BREAKER_WINDOW))

    def note(self, key: str, failed: bool) -> None:
        self.window.append((key, failed))

    def succeeded(self, keys: Sequence[str]) -> None:
        for key in keys[-BREAKER_WINDOW:]:
            self.window.append((key, False))

    @property
    def open(self) -> bool:
        failed = [key for key, bad in self.window if bad]
        return len(failed) * 2 > BREAKER_WINDOW and len(set(failed)) >= BREAKER_KEYS


class BatchConsumer:
    """Runs one handler over one group's batches. Bound to its FastStream subscriber by `service.py`."""

    def __init__(
        self,
        *,
        group: str,
        handler: BatchHandler,
        parking: Parking,
        probe: Probe,
        settings: RuntimeSettings,
        clock: Clock,
        topic_ids: Mapping[str, str],
        ignored_types: frozenset[bytes] = frozenset(),
    ) -> None:
        self.group = group
        self.joined = asyncio.Event()
        self.breaker = Breaker()
        self.last_batch_at = monotonic()
        self._handler = handler
        self._parking = parking
        self._probe = probe
        self._settings = settings
        self._clock = clock
        self._topic_ids = topic_ids
        self._ignored = ignored_types
        self._consumer: ConsumerHandle | None = None
        self._revoking = False
        self._stopping = False
        self._work: asyncio.Task[None] | None = None
        self._recovery: asyncio.Task[None] | None = None
        self._failures = 0
        self._committed: dict[str, int] = {}
        self._oldest: dict[TopicPartition, float] = {}

    # --- what others ask ----------------------------------------------------------------------------------------

    @property
    def healthy(self) -> bool:
        """Joined once and not stopped by the breaker."""
        return self.joined.is_set() and not self.breaker.open

    @property
    def waiting(self) -> bool:
        return self._recovery is not None and not self._recovery.done()

    def lag_seconds(self) -> float:
        """Return the age of the oldest record that was fetched and not committed, or that waits unfetched; 0 when none."""
        return max(self._lags().values(), default=0.0)

    def _lags(self) -> dict[TopicPartition, float]:
        now = self._clock.now().timestamp()
        return {tp: max(0.0, now - at) for tp, at in self._oldest.items()}

    def bind(self, consumer: ConsumerHandle) -> None:
        self._consumer = consumer

    @property
    def _handle(self) -> ConsumerHandle:
        assert self._consumer is not None
        return self._consumer

    async def stop(self) -> None:
        """End the recovery, if one runs; a batch in flight is waited for by FastStream's graceful timeout."""
        self._stopping = True
        if self._recovery is not None:
            self._recovery.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._recovery

    # --- rebalance ----------------------------------------------------------------------------------------------

    async def on_partitions_revoked(self, _revoked: Sequence[TopicPartition]) -> None:
        """Wait for the batch in flight, at most until 2 s before the group would go on without us, else cancel it."""
        self._revoking = True
        work = self._work
        if work is not None and not work.done():
            _, pending = await asyncio.wait({work}, timeout=self._settings.rebalance_timeout_ms / 1000 - 2)
            if pending:
                work.cancel()
                await asyncio.wait({work}, timeout=1)
        self._oldest.clear()

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Read holds and committed offsets of what is ours now, then let batches in."""
        try:
            await self._parking.load()
            for tp in assigned:
                offset = await asyncio.wait_for(self._handle.committed(tp), self._settings.commit_timeout_seconds)
                self._committed[f"{self._topic_ids[tp.topic]}-{tp.partition}"] = offset or 0
        except Exception as error:  # noqa: BLE001 - aiokafka swallows what a listener raises; recovery reads them again
            log.warning("assignment incomplete", group=self.group, error=type(error).__name__)
            self._begin_recovery()
        if self.waiting or self.breaker.open:
            self._handle.pause(*assigned)  # a rebalance forgets pauses
        self._revoking = False
        self.joined.set()

    # --- batches ------------------------------------------------------------------------------------------------

    async def __call__(self, records: Sequence[ConsumerRecord]) -> None:
        """Handle one batch. Never raises but CancelledError of our own caller at shutdown."""
        if self._revoking or self._stopping or self.breaker.open or self.waiting:
            self._seek_back(records)
            return
        self._work = asyncio.create_task(self._run(records), name=f"batch {self.group}")
        try:
            await asyncio.wait({self._work})
        except asyncio.CancelledError:
            self._work.cancel()
            raise
        finally:
            self._work = None if self._work is None or self._work.done() else self._work

    async def _run(self, records: Sequence[ConsumerRecord]) -> None:
        started = monotonic()
        self.last_batch_at = started
        for record in records:
            self._oldest.setdefault(TopicPartition(record.topic, record.partition), record.timestamp / 1000)
        try:
            await self._attempt(records)
            reach("consumer.handled")
            await self._commit(records)
            reach("consumer.committed")
        except asyncio.CancelledError:
            self._seek_back(records)
            log.warning("batch cancelled between steps", group=self.group, records=len(records))
        except Exception as error:
            if not is_infrastructure(error):
                log.exception("batch failed", group=self.group)
            else:
                log.warning("batch waits", group=self.group, error=str(error) or type(error).__name__)
            RETRIES.labels(self.group, type(error).__name__).inc()
            self._seek_back(records)
            self._begin_recovery()
        else:
            self._failures = 0
            BATCH_SECONDS.labels(self.group).observe(monotonic() - started)
            BATCH_RECORDS.labels(self.group).observe(len(records))

    async def _attempt(self, records: Sequence[ConsumerRecord]) -> None:
        run: list[Incoming] = []
        for record in records:
            item = self._read(record)
            if item is None:
                continue
            if isinstance(item, ConsumerRecord):
                await self._flush(run)
                await self._on_marker(item)
                continue
            if isinstance(item, Unreadable):
                await self._parking.park(item.incoming, "permanent", item.reason)
                item = item.incoming
                if not (item.key and item.skipped_source and item.skipped_sequence):
                    continue
            run.append(item)
        await self._flush(run)

    def _read(self, record: ConsumerRecord) -> Incoming | Unreadable | ConsumerRecord | None:
        if record.topic.endswith("-replay") and MARKER in header_map(record):
            return record
        return read(record, self._handler.models, self._topic_ids, self._ignored)

    async def _on_marker(self, record: ConsumerRecord) -> None:
        text = (header_map(record).get(MARKER) or b"0").decode("ascii", "replace")
        lifted = await self._parking.lift(key_text(record), int(text) if text.isdigit() else 0)
        log.info("replay marker", group=self.group, lifted=lifted)

    async def _flush(self, run: list[Incoming]) -> None:
        """Handle what has been collected, records of held keys parked behind their hold."""
        live = [i for i in run if i.replayed or not self._parking.is_held(i.key)]
        await self._parking.park_behind([i for i in run if not i.replayed and self._parking.is_held(i.key)])
        run.clear()
        suspects: list[Incoming] = []
        while live:
            try:
                await self._handler.handle(live, self._committed)
                self.breaker.succeeded([i.key for i in live])
                break
            except RecordFailedError as failed:
                if is_infrastructure(failed.cause):
                    raise failed.cause from failed
                key = failed.incoming.key
                suspects += [i for i in live if i.key == key]
                live = [i for i in live if i.key != key]
            except ConflictError:
                suspects, live = sorted([*suspects, *live], key=_in_order), []
            except Exception as error:
                if is_infrastructure(error):
                    raise
                log.exception("batch failed, trying its records singly", group=self.group)
                suspects, live = sorted([*suspects, *live], key=_in_order), []
        await self._singly(suspects)

    async def _singly(self, suspects: Sequence[Incoming]) -> None:
        deadline = monotonic() + ATTEMPT_SECONDS
        for incoming in suspects:
            if not incoming.replayed and self._parking.is_held(incoming.key):
                await self._parking.park_behind([incoming])
                continue
            await self._one(incoming, deadline)
            if self.breaker.open:
                STOPPED.labels(self.group).set(1)
                log.error("stopped: too many records failed unexpectedly", group=self.group)
                raise InfrastructureError("the breaker is open")

    async def _one(self, incoming: Incoming, deadline: float) -> None:
        """Try one record: three attempts for what is unexpected, more for conflicts, none for what is permanent."""
        failures = conflicts = 0
        while True:
            try:
                await self._handler.handle([incoming], self._committed)
                self.breaker.note(incoming.key, failed=False)
                return
            except Exception as raised:  # noqa: BLE001 - sorted by type below
                error = raised.cause if isinstance(raised, RecordFailedError) else raised
                if is_infrastructure(error):
                    raise InfrastructureError(str(error)) from error
                if isinstance(error, PermanentError):
                    await self._parking.park(incoming, "permanent", str(error))
                    return
                if isinstance(error, ConflictError):
                    conflicts += 1
                    if conflicts > CONFLICT_ATTEMPTS:
                        raise InfrastructureError("too many conflicts") from error
                    await asyncio.sleep(random.uniform(0.001, 0.02))
                    continue
                failures += 1
                if failures >= ATTEMPTS or monotonic() > deadline:
                    await self._give_up(incoming, error)
                    return
                await asyncio.sleep(0.05 * 4 ** (failures - 1))

    async def _give_up(self, incoming: Incoming, error: BaseException) -> None:
        """Park a record that failed for a reason of ours and put its key on hold: hold first, so that none overtakes."""
        self.breaker.note(incoming.key, failed=True)
        if self.breaker.open:
            return
        log.error("record failed", group=self.group, error=type(error).__name__, exc_info=error)
        await self._parking.hold(incoming)
        reach("consumer.held")
        await self._parking.park(incoming, "unexpected", f"{type(error).__name__}: {error}"[:500])
        reach("consumer.parked")

    # --- offsets ------------------------------------------------------------------------------------------------

    async def _commit(self, records: Sequence[ConsumerRecord]) -> None:
        offsets: dict[TopicPartition, int] = {}
        for record in records:
            offsets[TopicPartition(record.topic, record.partition)] = record.offset + 1
        ours = self._handle.assignment()
        wanted = {tp: offset for tp, offset in offsets.items() if tp in ours}
        if not wanted:
            return
        try:
            await asyncio.wait_for(self._handle.commit(wanted), self._settings.commit_timeout_seconds)
        except (CommitFailedError, IllegalStateError) as error:
            log.info("commit refused, the partitions moved", group=self.group, error=type(error).__name__)
            return
        except (TimeoutError, KafkaError) as error:
            raise InfrastructureError(f"commit: {type(error).__name__}") from error
        for tp, offset in wanted.items():
            stream = Position(self._topic_ids[tp.topic], tp.partition, offset).stream
            self._committed[stream] = offset
            self._oldest.pop(tp, None)
        self._report(records, wanted)

    def _report(self, records: Sequence[ConsumerRecord], committed: Mapping[TopicPartition, int]) -> None:
        for tp, offset in committed.items():
            high = self._handle.highwater(tp)
            LAG.labels(self.group, tp.topic, tp.partition).set(max(0, (high or offset) - offset))
            last = next(r for r in reversed(records) if r.topic == tp.topic and r.partition == tp.partition)
            behind = self._clock.now().timestamp() - last.timestamp / 1000 if (high or 0) > offset else 0.0
            LAG_SECONDS.labels(self.group, tp.topic, tp.partition).set(max(0.0, behind))
            if (high or 0) > offset:
                self._oldest[tp] = last.timestamp / 1000
            count = sum(1 for r in records if r.topic == tp.topic and r.partition == tp.partition)
            RECORDS.labels(self.group, tp.topic, "handled").inc(count)

    def _seek_back(self, records: Sequence[ConsumerRecord]) -> None:
        """Stand again before the first record of this batch, in each partition that is still ours."""
        first: dict[TopicPartition, int] = {}
        for record in records:
            first.setdefault(TopicPartition(record.topic, record.partition), record.offset)
        for tp, offset in first.items():
            if tp in self._handle.assignment():
                with contextlib.suppress(IllegalStateError):
                    self._handle.seek(tp, offset)

    # --- recovery -----------------------------------------------------------------------------------------------

    def _begin_recovery(self) -> None:
        if self._stopping or self.waiting:
            return
        with contextlib.suppress(IllegalStateError):
            self._handle.pause(*self._handle.assignment())
        WAITING.labels(self.group).set(1)
        self._recovery = asyncio.create_task(self._recover(), name=f"recovery {self.group}")

    async def _recover(self) -> None:
        """Probe with growing gaps (0.2 to 5 s, jittered) while FastStream keeps polling, then resume."""
        while True:
            self._failures += 1
            await asyncio.sleep(min(5.0, 0.2 * 2 ** min(self._failures - 1, 6)) * random.uniform(0.8, 1.0))
            if self.breaker.open:
                continue
            try:
                await self._probe()
                await self._parking.load()
                break
            except Exception as error:  # noqa: BLE001 - not there yet, whatever it says
                log.info("still waiting", group=self.group, error=str(error) or type(error).__name__)
        self._recovery = None
        WAITING.labels(self.group).set(0)
        with contextlib.suppress(IllegalStateError):
            self._handle.resume(*self._handle.assignment())


def _in_order(incoming: Incoming) -> tuple[str, int, int]:
    return incoming.physical.topic_id, incoming.physical.partition, incoming.physical.offset
