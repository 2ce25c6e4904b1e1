"""A recorded log played through the assigner's fold, with its timers, and the log that comes of both."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from postroom_analytics.domain.log import FoldedLog
from postroom_analytics.domain.recorded import read_log
from postroom_assigner.app import check_command, followed
from postroom_contracts.business_time import from_epoch_ms
from postroom_contracts.commands import CheckDeadline
from postroom_contracts.configuration import Configuration, ConfigurationApplied
from postroom_contracts.events import Event, new_event
from postroom_contracts.facts import DeadlineBreached, DeadlineWarned
from postroom_contracts.ids import derived_id
from postroom_runtime.clock import ManualClock
from postroom_runtime.records import Incoming, read
from postroom_runtime.timers import DueTimer

from tests.component.assigner.world import TOPIC_IDS, World, add_version, record_of

DATA = Path(__file__).parents[2] / "data" / "metrics"
Line = dict[str, Any]


@dataclass
class DeadlineWorld:
    """One conversation, `c1`. Timers come when they are due, or only when `fire` is called (`punctual` False)."""

    punctual: bool = True
    world: World | None = None
    log: list[ConfigurationApplied | Event] = field(default_factory=list)
    offset: int = 0
    fired: list[CheckDeadline] = field(default_factory=list)

    async def play(self, lines: Iterable[str]) -> None:
        for record in read_log(lines):
            if isinstance(record, ConfigurationApplied):
                self.log.append(record)
                self._configure(record.configuration)
            elif record.source != "/postroom/assigner":
                if self.punctual:
                    await self.fire(record.time)
                await self.handle(record)

    def _configure(self, configuration: Configuration) -> None:
        if self.world is None:
            self.world = World(configuration, clock=ManualClock(from_epoch_ms(0)))
        else:
            add_version(self.world.configurations, configuration)

    @property
    def w(self) -> World:
        assert self.world is not None
        return self.world

    async def handle(self, event: Event) -> Incoming | None:
        """Have the fold take one event, and note it and what follows in the log."""
        self.w.clock.advance((event.time - self.w.clock.now()).total_seconds())
        self.offset += 1
        found = read(record_of(event, self.offset), followed(), TOPIC_IDS, frozenset())
        before = len(self.w.publisher.events)
        if event.data.kind == "fact":
            self.log.append(event)
        if isinstance(found, Incoming):
            await self.w.handle([found])
        self.log += [e for e in self.w.publisher.events[before:] if e.data.kind == "fact"]
        return found if isinstance(found, Incoming) else None

    async def fire(self, until: datetime) -> list[Incoming]:
        """Have every timer come that is due before `until`, each at its moment or, when late, at `until`."""
        taken: list[Incoming] = []
        while (timer := self.timer) is not None and timer.due_at < until:
            assert len(taken) < 50, "timers that never end"
            command = check_command(timer, late=False)
            self.fired.append(command)
            event = new_event(
                command,
                source="/postroom/assigner",
                cause_id=derived_id("timer", "c1", timer.kind, str(timer.generation)),
                subject="c1",
                time=timer.due_at if self.punctual else until,
            )
            found = await self.handle(event)
            assert found is not None
            taken.append(found)
        return taken

    @property
    def timer(self) -> DueTimer | None:
        stored = self.w.store.stored.get("c1")
        timer = self.w.state("c1").timer if stored is not None and stored["state"] else None
        return None if timer is None else DueTimer("c1", timer.kind, timer.generation, timer.due_at)

    def warned(self) -> list[tuple[str, datetime]]:
        return [(d.deadline, d.due_at) for d in self.w.publisher.facts() if isinstance(d, DeadlineWarned)]

    def breached(self) -> list[tuple[str, datetime]]:
        return [(d.deadline, d.breached_at) for d in self.w.publisher.facts() if isinstance(d, DeadlineBreached)]

    def in_figures(self) -> list[tuple[str, datetime]]:
        """Return what analytics says was missed, from the log that came about."""
        folded = FoldedLog()
        folded.fold(self.log)
        missed = [row for row in folded.rows_of("c1") if row.kind.startswith("sla_") and row.outcome == "breached"]
        return [(row.kind.removeprefix("sla_"), from_epoch_ms(row.breached_at or 0)) for row in missed]


async def played(name: str, until: datetime) -> DeadlineWorld:
    """Play a worked example of `docs/metrics.md`, and its timers up to `until`."""
    world = DeadlineWorld()
    with (DATA / f"{name}.jsonl").open(encoding="utf-8") as lines:
        await world.play(lines)
    await world.fire(until)
    return world


async def told(lines: Iterable[Line], until: datetime, *, punctual: bool = True) -> DeadlineWorld:
    world = DeadlineWorld(punctual)
    await world.play(json.dumps(line) for line in lines)
    await world.fire(until)
    return world
