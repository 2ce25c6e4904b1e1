"""Writes of several sends in one round trip: a send's slot is free only when its mark is stored."""

import asyncio
from collections.abc import Callable, Sequence

import structlog
from postroom_runtime.errors import is_infrastructure

from postroom_notifier.domain.outcomes import Mark
from postroom_notifier.ports import DeliveryStore

log = structlog.get_logger(__name__)
RETRY_SECONDS = 0.2


class Marker:
    """Collects marks while a write is under way, and writes them together. Waits for MongoDB without limit."""

    def __init__(self, deliveries: DeliveryStore, released: Callable[[], None]) -> None:
        self._deliveries = deliveries
        self._released = released
        self._waiting: list[tuple[Mark, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def mark(self, mark: Mark) -> None:
        """Return when the mark is stored."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((mark, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write(), name="marker")
        await future

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            await self._store([mark for mark, _ in batch])
            for _, future in batch:
                if not future.done():
                    future.set_result(None)
            if any(mark.then for mark, _ in batch):
                self._released()
            await self._release([mark for mark, _ in batch])

    async def _store(self, marks: Sequence[Mark]) -> None:
        while True:
            try:
                # First what follows: a crash between the two repeats the send's end, which gives the same id.
                await self._deliveries.add([m.then for m in marks if m.then is not None])
                await self._deliveries.mark(marks)
                return
            except Exception as error:
                # What was sent must be marked, or it is sent again: so this neither gives up nor lets a slot free.
                if is_infrastructure(error):
                    log.warning("marks wait", error=str(error) or type(error).__name__)
                else:
                    log.exception("marks not stored")
                await asyncio.sleep(RETRY_SECONDS)

    async def _release(self, marks: Sequence[Mark]) -> None:
        """Wake what stood behind these; should that fail, they are looked at again by themselves."""
        done = [mark.delivery.order_key for mark in marks if mark.done]
        try:
            if done and await self._deliveries.release_followers(done):
                self._released()
        except Exception as error:  # noqa: BLE001 - only the wake-up is lost
            log.warning("followers wait", error=type(error).__name__)
