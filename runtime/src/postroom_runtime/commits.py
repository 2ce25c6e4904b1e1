"""Commits of what is done: a moment after it, for all batches of that moment at once.

At low rates a batch is one record, and its commit costs the broker and us as much as its own way. What is done and not
committed when the process dies comes again and changes nothing, as it always was between the work and its commit.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Protocol

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from postroom_runtime.errors import InfrastructureError
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.steps import reach

log = structlog.get_logger(__name__)
MANY = 100
"""After so many records a commit waits no longer: it costs little beside them, and no more of them shall come again."""


class Committer(Protocol):
    """What commits: the consumer."""

    def assignment(self) -> set[TopicPartition]: ...
    async def commit(self, offsets: dict[TopicPartition, int]) -> None: ...


class Commits:
    """The offsets of one consumer that are done. `committed` is told what was taken, `failed` why it was not."""

    def __init__(
        self,
        group: str,
        settings: RuntimeSettings,
        *,
        committer: Callable[[], Committer],
        committed: Callable[[Mapping[TopicPartition, int]], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self.at_once = settings.commit_pause_ms == 0
        """Whether `done` commits before it returns: at the end nothing comes after it."""
        self._group = group
        self._pause_seconds = settings.commit_pause_ms / 1000
        self._timeout_seconds = settings.commit_timeout_seconds
        self._committer = committer
        self._committed = committed
        self._failed = failed
        self._done: dict[TopicPartition, int] = {}
        self._records = 0
        self._many = asyncio.Event()
        self._sending = asyncio.Lock()
        self._later: asyncio.Task[None] | None = None

    def get(self, tp: TopicPartition) -> int | None:
        """Return up to where the partition is done, if that is not committed yet."""
        return self._done.get(tp)

    async def done(self, offsets: Mapping[TopicPartition, int], records: int) -> None:
        """Note that all before these offsets is done, by `records` more; raises what `flush` does, when that is at once."""
        self._done.update(offsets)
        self._records += records
        if self._records >= MANY:
            self._many.set()
        if self.at_once:
            await self.flush()
        elif self._later is None or self._later.done():
            self._later = asyncio.create_task(self._flush_later(), name=f"commit {self._group}")

    async def _flush_later(self) -> None:
        while self._done:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._many.wait(), self._pause_seconds)
            try:
                await self.flush()
            except Exception as error:  # noqa: BLE001 - whoever consumes has to wait, whatever it is
                self._failed(error)
                return

    async def flush(self) -> None:
        """Commit what is done, of partitions that are ours. Raises InfrastructureError; all is kept for the next time."""
        async with self._sending:
            self._records = 0
            self._many.clear()
            ours = self._committer().assignment()
            wanted = {tp: offset for tp, offset in self._done.items() if tp in ours}
            if wanted:
                await self._send(wanted)
            self._done = {tp: o for tp, o in self._done.items() if tp in ours and o != wanted.get(tp)}

    async def _send(self, wanted: dict[TopicPartition, int]) -> None:
        try:
            await asyncio.wait_for(self._committer().commit(wanted), self._timeout_seconds)
        except (CommitFailedError, IllegalStateError) as error:
            log.info("commit refused, the partitions moved", group=self._group, error=type(error).__name__)
            return
        except (TimeoutError, KafkaError) as error:
            raise InfrastructureError(f"commit: {type(error).__name__}") from error
        self._committed(wanted)
        reach("consumer.committed")

    def forget(self) -> None:
        """Commit nothing of what is noted: the partitions are going, or are given to us anew."""
        self._done.clear()

    async def close(self) -> None:
        """End what would commit later."""
        if self._later is not None:
            self._later.cancel()
            await asyncio.wait({self._later})
