"""Many troubles at a time: each begins as soon as nothing that it touches is another's, and silence is waited for beside.

In series the run took as long as the sum of all waits, and most of a run is waiting: for windows to fill, and to empty.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from watch.trouble import Provocation

LOOK_SECONDS = 0.4


@dataclass
class Seen:
    """What became of one alert: seconds from its provocation to its firing, from mending to its silence; None: not."""

    alert: str
    provoked_by: str
    fired_after: float | None = None
    silent_after: float | None = None
    began: float | None = field(default=None, repr=False)
    mended: float | None = field(default=None, repr=False)

    def note(self, now: float, *, firing: bool) -> None:
        if self.fired_after is None:
            if firing and self.began is not None:
                self.fired_after = now - self.began
        elif self.silent_after is None and self.mended is not None and not firing:
            self.silent_after = now - self.mended


class Watcher:
    """Knows which alerts fire, and notes it for those that are waited for. `ask` returns the names of alerts that fire."""

    def __init__(self, ask: Callable[[], Awaitable[set[str]]]) -> None:
        self._ask = ask
        self._waited_for: list[Seen] = []
        self.firing: set[str] = set()

    async def run(self) -> None:
        """Look for ever."""
        while True:
            with contextlib.suppress(OSError):  # Prometheus is slow to answer: it is asked again
                await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        self.firing = await self._ask()
        now = time.monotonic()
        for one in self._waited_for:
            one.note(now, firing=one.alert in self.firing)

    def expect(self, seen: Iterable[Seen], *, mended: bool = False) -> None:
        """Count the time to firing from now on; `mended`: its end counts from now on, too."""
        now = time.monotonic()
        for one in seen:
            one.began, one.mended = now, now if mended else None
            self._waited_for.append(one)

    @staticmethod
    async def until(is_true: Callable[[], bool], seconds: float) -> bool:
        """Wait at most so long; return whether it became true."""
        deadline = time.monotonic() + seconds
        while not is_true():
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(LOOK_SECONDS / 2)
        return True


@dataclass
class Direction:
    """Carries out provocations. `say` is told what begins and what came of it."""

    watcher: Watcher
    say: Callable[[str], None]
    seen: list[Seen] = field(default_factory=list)
    _busy: list[Provocation] = field(default_factory=list)
    _freed: asyncio.Event = field(default_factory=asyncio.Event)

    async def carry_out(self, provocations: Sequence[Provocation]) -> None:
        """Return when all alerts of all provocations have fired and are silent, or had their time."""
        waiting = list(provocations)
        async with asyncio.TaskGroup() as group:
            while waiting:
                self._freed.clear()
                for one in self._free(waiting):
                    waiting.remove(one)
                    self._busy.append(one)
                    group.create_task(self._provoke(one), name=one.name)
                if waiting:
                    await self._freed.wait()

    def _free(self, waiting: Sequence[Provocation]) -> list[Provocation]:
        """Return what may begin: those that touch nothing of what runs, nor of what waits in front of them."""
        found = []
        for n, one in enumerate(waiting):
            before = [*self._busy, *waiting[:n]]
            if not any(one.disturbs(other) for other in before):
                found.append(one)
        return found

    async def _provoke(self, provocation: Provocation) -> None:
        """Begin, wait until all of its alerts have fired, mend, let others begin, wait until all are silent."""
        seen = [Seen(name, provocation.name) for name in provocation.alerts]
        later = [Seen(name, provocation.name) for name in provocation.after]
        self.seen += [*seen, *later]
        names = {*provocation.alerts, *provocation.after}
        try:
            await self.watcher.until(lambda: not names & self.watcher.firing, provocation.ends)
            self.say(f"{provocation.name} ...")
            self.watcher.expect(seen)
            await provocation.begin()
            await self.watcher.until(lambda: all(one.fired_after is not None for one in seen), provocation.fires)
            for one in seen:
                one.mended = time.monotonic()
            self.watcher.expect(later, mended=True)
            await provocation.mend()
        except Exception as error:  # noqa: BLE001 - the others go on; what it did not provoke is missing in the report
            self.say(f"  {provocation.name}: {type(error).__name__}: {error}")
        finally:
            self._busy.remove(provocation)
            self._freed.set()
        awaited = [one for one in seen if one.fired_after is not None] + later
        await self.watcher.until(lambda: all(one.silent_after is not None for one in awaited), provocation.ends)
        for one in (*seen, *later):
            self.say(f"  {one.alert}: fired after {_text(one.fired_after)}, silent after {_text(one.silent_after)}")


def _text(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.0f} s"
