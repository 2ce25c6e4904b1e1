"""`make check-alerts`: start the real house, provoke each cause, see each alert fire and resolve, each panel move.

The rules are those of deploy/monitoring/rules.yaml with their times divided by 60 (`watch/pace.py`): the same names,
expressions and thresholds that are no times. What it finds stands in build/watch/report.json; exit 1 if anything is missing.
"""

import argparse
import asyncio
import json
import logging
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field

from watch import pictures, rules
from watch.house import FOLDER, House
from watch.moving import Moved, looked_at
from watch.provocations import Provocation, Provocations
from watch.traffic import Traffic

WARM_UP_SECONDS = 25.0
SLOW_BURN_SECONDS = 200.0
STARTED = time.monotonic()


def say(text: str) -> None:
    print(f"[{time.monotonic() - STARTED:5.0f} s] {text}", flush=True)


@dataclass
class Seen:
    """What became of one alert: seconds from its provocation to its firing, from mending to its silence; None: not."""

    alert: str
    provoked_by: str
    fired_after: float | None = None
    silent_after: float | None = None


@dataclass
class Report:
    alerts: list[Seen] = field(default_factory=list)
    panels: list[Moved] = field(default_factory=list)

    def missing(self) -> list[str]:
        fired = {seen.alert.partition(":")[0] for seen in self.alerts if seen.silent_after is not None}
        faults = [f"{s.alert}: not fired" for s in self.alerts if s.fired_after is None]
        faults += [
            f"{s.alert}: not resolved" for s in self.alerts if s.fired_after is not None and s.silent_after is None
        ]
        faults += [f"{alert.name}: nothing provokes it" for alert in rules.all_alerts() if alert.name not in fired]
        faults += [f"{p.board}/{p.panel}: a query without a value: {p.empty}" for p in self.panels if p.empty]
        faults += [f"{p.board}/{p.panel}: does not move" for p in self.panels if not p.moved]
        return faults


class Watcher:
    """Waits for alerts of the house's Prometheus. An alert is named `NAME` or, of an objective, `NAME:SLO`."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def firing(self) -> set[str]:
        found = await asyncio.to_thread(self._house.prometheus.firing)
        return {one["alertname"] for one in found} | {
            f"{one['alertname']}:{one['slo']}" for one in found if "slo" in one
        }

    async def provoke(self, provocation: Provocation) -> list[Seen]:
        """Begin, wait until all of its alerts have fired, mend, wait until all are silent."""
        seen = [Seen(name, provocation.name) for name in provocation.alerts]
        later = [Seen(name, provocation.name) for name in provocation.after]
        began = time.monotonic()
        await provocation.begin()
        while time.monotonic() - began < provocation.fires and any(one.fired_after is None for one in seen):
            await self._look(began, firing=seen)
        mended = time.monotonic()
        mending = asyncio.create_task(_awaited(provocation.mend))
        every = [*seen, *later]
        awaited = [one for one in seen if one.fired_after is not None] + later
        while time.monotonic() - mended < provocation.ends and any(one.silent_after is None for one in awaited):
            await self._look(mended, firing=later, silent=every)
        await mending
        for one in every:
            say(f"  {one.alert}: fired after {_text(one.fired_after)}, silent after {_text(one.silent_after)}")
        return every

    async def _look(self, since: float, *, firing: Sequence[Seen] = (), silent: Sequence[Seen] = ()) -> None:
        """Note what fires now, and what has fired and does so no more."""
        now = await self.firing()
        for one in firing:
            if one.fired_after is None and one.alert in now:
                one.fired_after = time.monotonic() - since
        for one in silent:
            if one.fired_after is not None and one.silent_after is None and one.alert not in now:
                one.silent_after = time.monotonic() - since
        await asyncio.sleep(0.4)


async def _awaited(step: Callable[[], Awaitable[None]]) -> None:
    await step()


def _text(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.0f} s"


async def main(options: argparse.Namespace) -> int:
    say("starting the house")
    report = Report()
    async with House() as house:
        traffic = Traffic(house)
        people = asyncio.create_task(traffic.run())
        watcher = Watcher(house)
        try:
            began = time.time()
            await asyncio.sleep(WARM_UP_SECONDS)
            say(f"quiet: {sorted(await watcher.firing()) or 'no alert fires'}")
            for provocation in Provocations(house, traffic).every():
                if options.only and not any(text in provocation.name for text in options.only.split("|")):
                    continue
                say(f"{provocation.name} ...")
                report.alerts += await watcher.provoke(provocation)
            if not options.only:
                report.alerts.append(await _slow_burn(watcher))
            report.panels = await asyncio.to_thread(looked_at, house.prometheus, began, time.time())
            if options.pictures:
                await asyncio.to_thread(pictures.draw_all, house.prometheus, began, time.time())
        finally:
            people.cancel()
            await asyncio.gather(people, return_exceptions=True)
    return _tell(report, partly=bool(options.only))


async def _slow_burn(watcher: Watcher) -> Seen:
    """The slow alert has been provoked by all that went before; it resolves when its shorter window has passed."""
    name = "PostroomErrorBudgetBurnsSlowly"
    one = Seen(name, "all of it together")
    started = time.monotonic()
    while time.monotonic() - started < SLOW_BURN_SECONDS:
        firing = name in await watcher.firing()
        if firing and one.fired_after is None:
            one.fired_after = time.monotonic() - started
        if one.fired_after is not None and not firing:
            one.silent_after = time.monotonic() - started
            break
        await asyncio.sleep(1)
    say(f"  {name}: firing at {_text(one.fired_after)} from here, silent at {_text(one.silent_after)}")
    return one


def _tell(report: Report, *, partly: bool) -> int:
    faults = [] if partly else report.missing()
    written = {
        "alerts": [asdict(a) for a in report.alerts],
        "panels": [asdict(p) for p in report.panels],
        "missing": faults,
    }
    (FOLDER / "report.json").write_text(json.dumps(written, indent=1))
    for fault in faults:
        say(f"MISSING {fault}")
    good = sum(1 for one in report.alerts if one.silent_after is not None)
    moving = sum(1 for one in report.panels if one.moved and not one.empty)
    said = f"{good} of {len(report.alerts)} alerts fired and resolved"
    say(f"{said}; {moving} of {len(report.panels)} panels have values that moved")
    return 1 if faults else 0


def _run() -> int:
    parser = argparse.ArgumentParser(prog="python -m watch.run", description=__doc__)
    parser.add_argument(
        "--only", default="", help="run the provocations whose name holds one of these texts, separated by |"
    )
    parser.add_argument("--pictures", action="store_true", help="draw the dashboards into docs/images")
    options = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it complains while the broker is away, as it must
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        task = loop.create_task(main(options))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        try:
            return loop.run_until_complete(task)
        except asyncio.CancelledError:
            say("stopped")
            return 130


if __name__ == "__main__":
    sys.exit(_run())
