"""Timers: what is due becomes a command, decided in its place in the conversation's order.

A timer is a field of the document whose state wants it (kind, generation, due_at), so it is set and cleared with that
state in one write. Acting on one twice is harmless: the command's id is derived from document, kind and generation.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from postroom_contracts.events import Data, Event, new_event
from postroom_contracts.ids import derived_id
from postroom_contracts.registry import source_of
from postroom_contracts.topics import CONVERSATION_COMMANDS

from postroom_runtime.clock import Clock
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.held import none_held
from postroom_runtime.kafka import Publisher
from postroom_runtime.leases import LeaseStore
from postroom_runtime.metrics import TIMER_OVERDUE_SECONDS, TIMERS_FIRED, TIMERS_OVERDUE

log = structlog.get_logger(__name__)
LAG_LIMIT_SECONDS = 5.0
LATE_AFTER = timedelta(minutes=5)
FIRE_AGAIN_SECONDS = 30.0
"""A timer that is still due then is fired again: its command may be lost. The next time after twice as long, and so on."""
LONGEST_PAUSE_SECONDS = 3600.0
AT_ONCE = 500
_LEASE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class DueTimer:
    """A timer whose time has come. `subject` is the conversation."""

    subject: str
    kind: str
    generation: int
    due_at: datetime


class TimerSource(Protocol):
    async def due(self, now: datetime, limit: int) -> Sequence[DueTimer]:
        """Return timers due at `now`, the oldest first."""
        ...


class TimerLoop:
    """Turns due timers into commands; one replica at a time by a lease.

    Those of keys on hold wait: their commands would be parked, one after the other, and take the places of others.
    Nothing is fired while the service's input lags by more than 5 s: a fact that meets the timer may be on its way.
    After 5 minutes of that it is fired all the same, marked late.
    """

    def __init__(
        self,
        *,
        service: str,
        source: TimerSource,
        command: Callable[[DueTimer, bool], Data],
        publisher: Publisher,
        leases: LeaseStore,
        clock: Clock,
        lag_seconds: Callable[[], float],
        held: Callable[[], Awaitable[Collection[str]]] = none_held,
    ) -> None:
        """`held`: the keys on hold of the group that decides the commands."""
        self._service = service
        self._source = source
        self._command = command
        self._publisher = publisher
        self._leases = leases
        self._clock = clock
        self._lag_seconds = lag_seconds
        self._held = held
        self._fired: dict[tuple[str, str, int], _Fired] = {}

    async def run(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        while True:
            try:
                await self.turn()
            except InfrastructureError as error:
                log.warning("timers wait", error=str(error))
            await sleep(0.5)

    async def turn(self) -> int:
        """Fire what is due and may be fired; return how many."""
        if await self._leases.acquire("timers", _LEASE_SECONDS) is None:
            self._show([], self._clock.now())  # another replica shows them
            return 0
        now = self._clock.now()
        due = await self._due(now)
        self._show(due, now)
        lagging = self._lag_seconds() > LAG_LIMIT_SECONDS
        chosen = [t for t in due if self._may_fire(t, now, lagging)]
        await self._publisher.publish_events(CONVERSATION_COMMANDS, [self._event(t, now) for t in chosen])
        for timer in chosen:
            before = self._fired.get(_key(timer))
            self._fired[_key(timer)] = _Fired(now, 1 if before is None else before.times + 1)
            TIMERS_FIRED.labels(self._service, timer.kind).inc()
        if len(due) < AT_ONCE:  # all that are due: the others are done, or were set anew
            still = {_key(timer) for timer in due}
            self._fired = {key: fired for key, fired in self._fired.items() if key in still}
        self._forget()
        return len(chosen)

    async def _due(self, now: datetime) -> Sequence[DueTimer]:
        """Return the oldest due timers of keys that are not on hold."""
        due = await self._source.due(now, AT_ONCE)
        if due and (held := await self._held()):
            if any(timer.subject in held for timer in due):
                due = await self._source.due(now, AT_ONCE + len(held))
            due = [timer for timer in due if timer.subject not in held][:AT_ONCE]
        return due

    def _show(self, due: Sequence[DueTimer], now: datetime) -> None:
        TIMERS_OVERDUE.labels(self._service).set(len(due))
        oldest = min((timer.due_at for timer in due), default=now)
        TIMER_OVERDUE_SECONDS.labels(self._service).set(max(0.0, (now - oldest).total_seconds()))

    def _may_fire(self, timer: DueTimer, now: datetime, lagging: bool) -> bool:
        fired = self._fired.get(_key(timer))
        if fired is not None and now < fired.again_at:
            return False
        return not lagging or now - timer.due_at > LATE_AFTER

    def _event(self, timer: DueTimer, now: datetime) -> Event:
        cause = derived_id("timer", timer.subject, timer.kind, str(timer.generation))
        return new_event(
            self._command(timer, now - timer.due_at > LATE_AFTER),
            source=source_of(self._service),
            cause_id=cause,
            subject=timer.subject,
            time=now,
        )

    def _forget(self) -> None:
        if len(self._fired) > _MOST_REMEMBERED:
            latest = sorted(self._fired.items(), key=lambda item: item[1].at)[-_MOST_REMEMBERED // 2 :]
            self._fired = dict(latest)


_MOST_REMEMBERED = 10_000


def _key(timer: DueTimer) -> tuple[str, str, int]:
    return timer.subject, timer.kind, timer.generation


@dataclass(frozen=True, slots=True)
class _Fired:
    """When a timer was fired last, and how often by now."""

    at: datetime
    times: int

    @property
    def again_at(self) -> datetime:
        return self.at + timedelta(seconds=min(LONGEST_PAUSE_SECONDS, FIRE_AGAIN_SECONDS * 2 ** (self.times - 1)))
