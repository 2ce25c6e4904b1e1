"""What many tasks ask of a store at the same time goes there as one call."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")
MOST = 500


@dataclass
class Together(Generic[T]):
    """`put` returns when `carry_out` has done it, with others that came while an earlier call was under way.

    What a call raises, each of its callers gets. A caller that is cancelled ends nothing.
    """

    carry_out: Callable[[Sequence[T]], Awaitable[None]]
    _waiting: list[tuple[T, asyncio.Future[None]]] = field(default_factory=list)
    _task: asyncio.Task[None] | None = None

    async def put(self, item: T) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work(), name="together")
        await done

    async def _work(self) -> None:
        while self._waiting:
            taken, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            error: BaseException | None = None
            try:
                await self.carry_out([item for item, _ in taken])
            except BaseException as raised:  # noqa: BLE001 - it belongs to those who asked
                error = raised
            for _, done in taken:
                if not done.done():
                    done.set_result(None) if error is None else done.set_exception(error)
            if isinstance(error, asyncio.CancelledError):
                raise error
