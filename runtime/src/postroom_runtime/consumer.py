"""The batch consumer: FastStream delivers raw batches, this decides what is committed.

The rules (docs/architecture/runtime.md): nothing escapes the handler shell; a batch that ends in an error seeks back to
its first undone offset before the shell returns; commits name offsets and only of partitions that are ours.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from postroom_runtime.batch import BatchHandler, BatchWork, BreakerOpenError
from postroom_runtime.breaker import Breaker
from postroom_runtime.clock import monotonic
from postroom_runtime.commits import Commits
from postroom_runtime.consumer_handle import ConsumerHandle, Probe, Ranges, ranges_of
from postroom_runtime.errors import InfrastructureError, is_infrastructure
from postroom_runtime.kafka import client_options
from postroom_runtime.lag import Lag
from postroom_runtime.metrics import BATCH_RECORDS, BATCH_SECONDS, RETRIES, STOPPED, WAITING
from postroom_runtime.parking import Parking
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.steps import reach
from postroom_runtime.topic_ids import read_topic_ids

__all__ = ["BatchConsumer", "BatchHandler", "Breaker", "ConsumerHandle", "Probe"]

log = structlog.get_logger(__name__)
BATCH_LIMIT_SECONDS = 240.0
"""A batch that takes longer hangs: it is cancelled and comes again. Below aiokafka's max_poll_interval_ms of 300 s, after
which the group would go on without us."""
CANCEL_SECONDS = 5.0
POSITION_SECONDS = 0.05  # a position that is known is told at once; one that is not is being read from the broker


class BatchConsumer:
    """Runs one handler over one group's batches. Bound to its FastStream subscriber by `subscription.py`."""

    def __init__(
        self,
        *,
        group: str,
        handler: BatchHandler,
        parking: Parking,
        probe: Probe,
        settings: RuntimeSettings,
        topic_ids: Mapping[str, str],
        ignored_types: frozenset[bytes] = frozenset(),
    ) -> None:
        self.group = group
        self.joined = asyncio.Event()
        self.breaker = Breaker()
        self.outdated = False
        """Whether a topic was deleted and made anew: offsets begin again, so what is known of its positions is wrong."""
        self.last_poll_at = monotonic()
        self.lag = Lag(group)
        self._parking = parking
        self._probe = probe
        self._settings = settings
        self._topic_ids = topic_ids
        self._committed: dict[str, int] = {}
        self._commits = Commits(
            group, settings, committer=lambda: self._handle, committed=self._on_committed, failed=self._on_commit_failed
        )
        self._batch = BatchWork(
            group=group,
            handler=handler,
            parking=parking,
            breaker=self.breaker,
            topic_ids=topic_ids,
            committed=self._committed,
            ignored_types=ignored_types,
        )
        self._consumer: ConsumerHandle | None = None
        self._revoking = self._stopping = False
        self._assignment_read = asyncio.Event()
        self._assignments = 0
        self._work: asyncio.Task[None] | None = None
        self._recovery: asyncio.Task[None] | None = None
        self._failures = 0
        WAITING.labels(group).set(0)
        STOPPED.labels(group).set(0)
        for reason in ("infrastructure", "unexpected", "hanging"):
            RETRIES.labels(group, reason)

    # --- what others ask ----------------------------------------------------------------------------------------

    @property
    def healthy(self) -> bool:
        """Joined once, not stopped by the breaker, and its topics are those that it started with."""
        return self.joined.is_set() and not self.breaker.open and not self.outdated

    @property
    def waiting(self) -> bool:
        return self._recovery is not None and not self._recovery.done()

    def lag_seconds(self) -> float:
        """Return for how long the group's oldest uncommitted record has waited, on whatever member; 0 when none does.

        Infinite while that is not known: before the first look, and for a backlog that was there when we started.
        """
        return self.lag.seconds()

    def seconds_since_poll(self) -> float:
        """Return the age of the last poll; a batch that is worked on delays the next one."""
        return monotonic() - self.last_poll_at

    def bind(self, consumer: ConsumerHandle) -> None:
        """Take the handle of the subscriber's own consumer, and note its polls from now on.

        A poll waits as long as the settings say: FastStream would sleep as long after a vain one, while records wait.
        """
        if self._consumer is consumer:
            return
        self._consumer = consumer
        poll: Callable[..., Awaitable[Any]] | None = getattr(consumer, "getmany", None)
        if poll is None:  # a test's fake
            return

        async def noted(*partitions: TopicPartition, **options: Any) -> Any:
            try:
                found = await poll(*partitions, **(options | {"timeout_ms": self._settings.poll_timeout_ms}))
            except Exception:
                await self._stand_at_done()
                raise
            self.last_poll_at = monotonic()
            return found

        consumer.getmany = noted  # type: ignore[attr-defined]

    @property
    def _handle(self) -> ConsumerHandle:
        assert self._consumer is not None
        return self._consumer

    async def stop(self) -> None:
        """Take no new batch and end the recovery; the batch in flight is waited for by FastStream's graceful timeout."""
        self._stopping = self._commits.at_once = True
        if self._recovery is not None:
            self._recovery.cancel()
            await asyncio.wait({self._recovery}, timeout=CANCEL_SECONDS)
        if self._consumer is not None:
            await self._commit_now()

    async def ended(self) -> None:
        """Return when nothing works on a batch any more, so that connections may be closed."""
        if self._work is not None and not self._work.done():
            await self._cancel(self._work)
        await self._commits.close()
        self.lag.forget()

    async def _cancel(self, work: asyncio.Task[None]) -> None:
        work.cancel()
        _, pending = await asyncio.wait({work}, timeout=CANCEL_SECONDS)
        if pending:
            log.error("a batch does not end when it is cancelled", group=self.group)

    # --- rebalance ----------------------------------------------------------------------------------------------

    async def on_partitions_revoked(self, _revoked: Sequence[TopicPartition]) -> None:
        """Wait for the batch in flight, at most until 2 s before the group would go on without us, else cancel it."""
        self._revoking = True
        self._assignment_read.clear()
        work = self._work
        if work is not None and not work.done():
            _, pending = await asyncio.wait({work}, timeout=self._settings.rebalance_timeout_ms / 1000 - 2)
            if pending:
                await self._cancel(work)
        await self._commit_now()
        self._commits.forget()
        self.lag.forget()

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Read holds and committed offsets of what is ours now, then let batches in."""
        self._assignments += 1
        self._commits.forget()
        self.lag.assigned = frozenset(assigned)
        self._committed.clear()
        try:
            await self._read_assignment()
        except Exception as error:  # noqa: BLE001 - aiokafka swallows what a listener raises; recovery reads them again
            log.warning("assignment incomplete", group=self.group, error=type(error).__name__)
            self._begin_recovery()
        if self.waiting or self.breaker.open or self.outdated:
            self._handle.pause(*assigned)  # a rebalance forgets pauses
        self._revoking = False
        self._assignment_read.set()
        self.joined.set()

    async def _read_assignment(self) -> None:
        """Read the holds, and the committed offsets that we do not know; see that the topics are the same."""
        async with asyncio.timeout(self._settings.commit_timeout_seconds * 2):
            await self._parking.load()
            await self._look_at_topics()
            unknown = [tp for tp in self._handle.assignment() if self._stream(tp) not in self._committed]
            offsets = await asyncio.gather(*(self._handle.committed(tp) for tp in unknown))
        for tp, offset in zip(unknown, offsets, strict=True):
            self._committed.setdefault(self._stream(tp), offset or 0)

    async def _look_at_topics(self) -> None:
        if await read_topic_ids(client_options(self._settings), list(self._topic_ids)) != self._topic_ids:
            self.outdated = True
            log.error("a topic was made anew: nothing more is handled until the process starts again", group=self.group)

    def _stream(self, tp: TopicPartition) -> str:
        return f"{self._topic_ids[tp.topic]}-{tp.partition}"

    # --- batches ------------------------------------------------------------------------------------------------

    async def __call__(self, records: Sequence[ConsumerRecord]) -> None:
        """Handle one batch. Never raises but CancelledError of our own caller at shutdown."""
        if self._revoking or self._stopping or self.breaker.open or self.outdated or self.waiting:
            await self._seek_back(records)
            return
        ranges = ranges_of(records)
        if not await self._is_current(ranges):
            # Fetched before a rebalance: to commit it now would pass over what its partition's commit says is undone.
            log.info("batch of an earlier assignment left alone", group=self.group, records=len(records))
            await self._seek_back(records)
            return
        if self._stands_before_commits(ranges) and not await self._topics_are_the_same():
            await self._seek_back(records)
            return
        work = self._work = asyncio.create_task(self._run(records), name=f"batch {self.group}")
        try:
            _, pending = await asyncio.wait({work}, timeout=BATCH_LIMIT_SECONDS)
            if pending:
                log.error("a batch hangs, cancelling it", group=self.group, seconds=BATCH_LIMIT_SECONDS)
                RETRIES.labels(self.group, "hanging").inc()
                await self._cancel(work)
        except asyncio.CancelledError:
            await self._cancel(work)
            raise

    async def _run(self, records: Sequence[ConsumerRecord]) -> None:
        started = monotonic()
        self.lag.fetched(records)
        try:
            await self._batch.carry_out(records)
            reach("consumer.handled")
            await self._commit(records)
        except asyncio.CancelledError:
            await self._seek_back(records)
            log.warning("batch cancelled between steps", group=self.group, records=len(records))
        except BreakerOpenError as error:
            STOPPED.labels(self.group).set(1)
            log.error("stopped: too many records failed unexpectedly", group=self.group, error=str(error))  # noqa: TRY400 - each was logged
            await self._seek_back(records)
            self._pause()
            await self._commit_now()
        except Exception as error:
            if not is_infrastructure(error):
                log.exception("batch failed", group=self.group)
            else:
                log.warning("batch waits", group=self.group, error=str(error) or type(error).__name__)
            RETRIES.labels(self.group, "infrastructure" if is_infrastructure(error) else "unexpected").inc()
            await self._seek_back(records)
            self._begin_recovery()
        else:
            self._failures = 0
            BATCH_SECONDS.labels(self.group).observe(monotonic() - started)
            BATCH_RECORDS.labels(self.group).observe(len(records))

    # --- offsets ------------------------------------------------------------------------------------------------

    async def _commit(self, records: Sequence[ConsumerRecord]) -> None:
        ranges = ranges_of(records)
        if not await self._is_current(ranges):
            log.info("not committed, the partitions moved", group=self.group)
            return
        await self._commits.done({tp: last + 1 for tp, (_, last) in ranges.items()}, len(records))

    async def _commit_now(self) -> None:
        """Commit what is done, if the broker takes it: who gets the partition next shall not do it again."""
        try:
            await self._commits.flush()
        except InfrastructureError as error:
            log.warning("not committed, it will come again", group=self.group, error=str(error))

    def _on_committed(self, offsets: Mapping[TopicPartition, int]) -> None:
        for tp, offset in offsets.items():
            self._committed[self._stream(tp)] = offset
        self.lag.committed(offsets)

    def _on_commit_failed(self, error: Exception) -> None:
        """Handle nothing more until a commit succeeds: what is done and not committed must not grow."""
        log.warning("commit waits", group=self.group, error=str(error) or type(error).__name__)
        RETRIES.labels(self.group, type(error).__name__).inc()
        self._begin_recovery()

    async def _position(self, tp: TopicPartition) -> int | None:
        """Return where the partition stands; None when it is not ours, or was given to us anew and has no place yet."""
        try:
            async with asyncio.timeout(POSITION_SECONDS):
                return await self._handle.position(tp)
        except (TimeoutError, KafkaError):
            return None

    def _stands_before_commits(self, ranges: Ranges) -> bool:
        """Say whether a partition begins in front of its commit, as when its topic was deleted and made anew.

        Whoever does not happen to look while it is away is not told of it: the partitions are as many as before.
        """
        return any(first < self._committed.get(self._stream(tp), 0) for tp, (first, _) in ranges.items())

    async def _topics_are_the_same(self) -> bool:
        """Look at once; while the broker does not say, all waits."""
        try:
            await self._look_at_topics()
        except Exception as error:  # noqa: BLE001 - a batch comes again, whatever keeps us from looking
            log.warning("topics not known", group=self.group, error=type(error).__name__)
            self._begin_recovery()
            return False
        return not self.outdated

    async def _is_current(self, ranges: Ranges) -> bool:
        """Say whether each partition stands behind these records, as it does when they were the last thing polled.

        After a rebalance it stands at its commit: before them, if something in front of them is undone.
        """
        for tp, (_, last) in ranges.items():
            position = await self._position(tp)
            if position is None or position <= last:
                return False
        return True

    async def _seek_back(self, records: Sequence[ConsumerRecord]) -> None:
        """Stand again before the first record of this batch, in each partition that is still ours.

        Never forward: a partition that was given to us anew stands at its commit, which may be before this batch, and
        what lies between would be passed over.
        """
        for tp, (first, _) in ranges_of(records).items():
            position = await self._position(tp)
            if position is not None and position > first:
                with contextlib.suppress(IllegalStateError):
                    self._handle.seek(tp, first)

    async def _stand_at_done(self) -> None:
        """Stand again where each partition was before a poll that failed.

        aiokafka drops what such a poll had read of the partitions before the one that failed, but has moved on in them.
        Between two batches everything before a position is done. The first poll comes while commits are still being read.
        """
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._assignment_read.wait(), self._settings.commit_timeout_seconds * 3)
        for tp in self._handle.assignment():
            position = await self._position(tp)
            done = self._commits.get(tp) or self._committed.get(self._stream(tp))
            if position is not None and done is not None and position > done:
                with contextlib.suppress(IllegalStateError):
                    self._handle.seek(tp, done)

    # --- recovery -----------------------------------------------------------------------------------------------

    def _pause(self) -> None:
        with contextlib.suppress(IllegalStateError):
            self._handle.pause(*self._handle.assignment())

    def _begin_recovery(self) -> None:
        if self._stopping or self.waiting:
            return
        self._pause()
        WAITING.labels(self.group).set(1)
        self._recovery = asyncio.create_task(self._recover(), name=f"recovery {self.group}")

    async def _recover(self) -> None:
        """Probe with growing gaps (0.2 to 5 s, jittered) while FastStream keeps polling, then resume."""
        while True:
            self._failures += 1
            await asyncio.sleep(min(5.0, 0.2 * 2 ** min(self._failures - 1, 6)) * random.uniform(0.8, 1.0))
            before = self._assignments
            try:
                await self._probe()
                await self._read_assignment()
                await self._commits.flush()
            except Exception as error:  # noqa: BLE001 - not there yet, whatever it says
                log.info("still waiting", group=self.group, error=str(error) or type(error).__name__)
                continue
            if before == self._assignments and not self._revoking:  # else the holds may be those of another assignment
                break
        self._recovery = None
        WAITING.labels(self.group).set(0)
        if self.breaker.open or self.outdated:
            return
        with contextlib.suppress(IllegalStateError):
            self._handle.resume(*self._handle.assignment())
