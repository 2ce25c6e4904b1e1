"""What is due becomes a command, once in a while, and not while the input lags."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from postroom_contracts.commands import AddNote
from postroom_contracts.values import Actor, ContentReference
from postroom_runtime.clock import ManualClock
from postroom_runtime.timers import DueTimer, TimerLoop

START = datetime(2026, 3, 2, 9, tzinfo=UTC)


class Fixture:
    """A loop with doubles; the timer of c1 is due at 09:00."""

    def __init__(self) -> None:
        self.clock = ManualClock(START)
        self.timers = [DueTimer("c1", "deadline", 1, START)]
        self.published: list[Any] = []
        self.late: list[bool] = []
        self.lag = 0.0
        self.holder = True
        self.held: frozenset[str] = frozenset()
        self.loop = TimerLoop(
            service="router",
            source=self,
            command=self.command,
            publisher=self,  # type: ignore[arg-type]
            leases=self,  # type: ignore[arg-type]
            clock=self.clock,
            lag_seconds=lambda: self.lag,
            held=self.keys_on_hold,
        )

    async def keys_on_hold(self) -> frozenset[str]:
        return self.held

    async def due(self, now: datetime, limit: int) -> Sequence[DueTimer]:
        return [t for t in self.timers if t.due_at <= now][:limit]

    def command(self, timer: DueTimer, late: bool) -> AddNote:
        self.late.append(late)
        content = ContentReference(content_id="c", sha256="0")
        return AddNote(actor=Actor(kind="agent", id="a"), message_id="m", content=content)

    async def publish_events(self, _topic: Any, events: Sequence[Any]) -> None:
        self.published += events

    async def acquire(self, _name: str, _seconds: float) -> object | None:
        return object() if self.holder else None


async def test_due_timer_is_fired_once_and_again_after_a_while_with_the_same_id() -> None:
    f = Fixture()
    assert await f.loop.turn() == 1
    f.clock.advance(10)
    assert await f.loop.turn() == 0
    f.clock.advance(21)
    assert await f.loop.turn() == 1
    assert len({event.id for event in f.published}) == 1
    assert f.published[0].subject == "c1"


async def test_another_generation_is_another_command() -> None:
    f = Fixture()
    await f.loop.turn()
    f.timers = [DueTimer("c1", "deadline", 2, START)]
    await f.loop.turn()
    assert len({event.id for event in f.published}) == 2


async def test_not_before_its_time() -> None:
    f = Fixture()
    f.clock.set(START - timedelta(milliseconds=1))
    assert await f.loop.turn() == 0


async def test_nothing_is_fired_while_the_input_lags_but_after_five_minutes_it_is_marked_late() -> None:
    f = Fixture()
    f.lag = float("inf")
    assert await f.loop.turn() == 0
    f.clock.advance(300)
    assert await f.loop.turn() == 0
    f.clock.advance(1)
    assert await f.loop.turn() == 1
    assert f.late == [True]


async def test_who_does_not_hold_the_lease_fires_nothing() -> None:
    f = Fixture()
    f.holder = False
    assert await f.loop.turn() == 0
    assert f.published == []


async def test_what_nobody_decides_is_fired_ever_more_seldom_and_what_is_set_anew_at_once() -> None:
    f = Fixture()
    fired: list[int] = []
    for second in range(0, 8 * 3600, 10):
        if await f.loop.turn():
            fired.append(second)
        f.clock.advance(10)
    gaps = [b - a for a, b in pairwise(fired)]
    assert gaps == [30, 60, 120, 240, 480, 960, 1920, *[3600] * 6]
    f.timers = [DueTimer("c1", "deadline", 2, START)]
    assert await f.loop.turn() == 1


async def test_a_key_on_hold_is_asked_nothing_and_takes_nobody_s_place() -> None:
    f = Fixture()
    f.held = frozenset(f"held{n}" for n in range(600))
    f.timers = [DueTimer(key, "deadline", 1, START) for key in sorted(f.held)]
    f.timers.append(DueTimer("free", "deadline", 1, START + timedelta(seconds=1)))
    f.clock.advance(2)
    assert await f.loop.turn() == 1
    assert [event.subject for event in f.published] == ["free"]
    f.held = frozenset()
    await f.loop.turn()
    assert len(f.published) == 501, "as many as go at once, now that nothing is on hold"
