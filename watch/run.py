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
from dataclasses import asdict, dataclass, field

from watch import pictures, rules
from watch.direction import Direction, Seen, Watcher
from watch.house import FOLDER, House
from watch.moving import Moved, looked_at
from watch.provocations import Provocations
from watch.traffic import Traffic
from watch.trouble import Provocation

WARM_UP_SECONDS = 25.0
QUIET_SECONDS = 60.0
SLOW_BURN_SECONDS = 200.0
LIMIT_SECONDS = 840.0
"""When it ends, whatever is still missing: with start, report and end it takes at most 15 minutes."""
STARTED = time.monotonic()


def say(text: str) -> None:
    print(f"[{time.monotonic() - STARTED:5.0f} s] {text}", flush=True)


@dataclass
class Report:
    alerts: list[Seen] = field(default_factory=list)
    panels: list[Moved] = field(default_factory=list)
    early: list[str] = field(default_factory=list)
    """What fired before anything was provoked."""

    def missing(self) -> list[str]:
        fired = {seen.alert.partition(":")[0] for seen in self.alerts if seen.silent_after is not None}
        faults = [f"{name}: fires though nothing is wrong" for name in self.early]
        faults += [f"{s.alert}: not fired" for s in self.alerts if s.fired_after is None]
        faults += [
            f"{s.alert}: not resolved" for s in self.alerts if s.fired_after is not None and s.silent_after is None
        ]
        faults += [f"{alert.name}: nothing provokes it" for alert in rules.all_alerts() if alert.name not in fired]
        faults += [f"{p.board}/{p.panel}: a query without a value: {p.empty}" for p in self.panels if p.empty]
        faults += [f"{p.board}/{p.panel}: does not move" for p in self.panels if not p.moved]
        return faults


async def firing(house: House) -> set[str]:
    """Return the alerts that fire now, by name and, of an objective, also as `NAME:SLO`."""
    found = await asyncio.to_thread(house.prometheus.firing)
    names = {one["alertname"] for one in found}
    return names | {f"{one['alertname']}:{one['slo']}" for one in found if "slo" in one}


async def main(options: argparse.Namespace) -> int:
    say("starting the house")
    report = Report()
    async with House() as house:
        traffic = Traffic(house)
        watcher = Watcher(lambda: firing(house))
        beside = [asyncio.create_task(traffic.run()), asyncio.create_task(watcher.run())]
        try:
            began = time.time()
            await asyncio.sleep(WARM_UP_SECONDS)
            await watcher.until(lambda: not watcher.firing, QUIET_SECONDS)  # a slow start may burn a budget
            report.early = sorted(watcher.firing)
            say(f"quiet: {report.early or 'no alert fires'}")
            every = Provocations(house, traffic).every()
            chosen = [p for p in every if not options.only or any(t in p.name for t in options.only.split("|"))]
            report.alerts = await provoked(watcher, chosen, slow_burn=not options.only)
            report.panels = await asyncio.to_thread(looked_at, house.prometheus, began, time.time())
            if options.pictures:
                await asyncio.to_thread(pictures.draw_all, house.prometheus, began, time.time())
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
    return _tell(report, partly=bool(options.only))


async def provoked(watcher: Watcher, chosen: list[Provocation], *, slow_burn: bool) -> list[Seen]:
    """Return what became of each alert. The slow burn is provoked by all of them, and is over when its windows are empty."""
    slow = Seen("PostroomErrorBudgetBurnsSlowly", "all of it together")
    direction = Direction(watcher, say)
    left = LIMIT_SECONDS - (time.monotonic() - STARTED)
    try:
        async with asyncio.timeout(left):
            if slow_burn:
                watcher.expect([slow], mended=True)
            await direction.carry_out(chosen)
            if slow_burn:
                await watcher.until(lambda: slow.silent_after is not None, SLOW_BURN_SECONDS)
                say(f"  {slow.alert}: {'fired and is silent' if slow.silent_after is not None else 'not seen whole'}")
    except TimeoutError:
        say(f"ended after {LIMIT_SECONDS:.0f} s")
    return [*direction.seen, *([slow] if slow_burn else [])]


def _tell(report: Report, *, partly: bool) -> int:
    faults = [] if partly else report.missing()
    written = {
        "seconds": round(time.monotonic() - STARTED),
        "alerts": [asdict(a) for a in report.alerts],
        "panels": [asdict(p) for p in report.panels],
        "early": report.early,
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
