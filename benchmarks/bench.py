"""`make bench`: every figure of the pipeline beside the raw floor; writes build/bench.json.

Exit 0: every target was met; 1: one was missed, or it was not done in half an hour; 3: the machine was too busy to judge.
`BENCH_ONLY=pipeline|imap|notify|webhook` runs one part, `BENCH_ROUNDS` fewer rounds.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.mail_parts import imap_rate, notify_delay, webhook_delay
from benchmarks.pipeline import run_pipeline
from benchmarks.procs import busy_share, load
from benchmarks.world import servers

ROUNDS = 9
LIMIT_SECONDS = 1800.0
"""For the whole run: what is not done by then is stopped."""
BUSY_LIMIT = 0.25
"""Share of the cores that others may use before the run; the load average of the last minute would still show our own start."""
LOAD_LIMIT = 0.5
FLOOR_SHARE = 0.6
OUTPUT = Path("build/bench.json")
TARGETS: dict[str, tuple[str, float, str]] = {
    "pipeline.ratio": (">=", 0.60, "throughput of the services / floor"),
    "pipeline.cpu_ratio": ("<=", 1.8, "CPU per message / floor"),
    "pipeline.p50_ratio": ("<=", 1.5, "p50 at 50/s / floor"),
    "pipeline.p99_ratio": ("<=", 2.0, "p99 at 50/s / floor"),
    "imap.mails_per_second": (">=", 300, "mails/s, IMAP to owned conversation"),
    "notify.median_ms_over_idle": ("<=", 150, "ms from mailbox to notification, over IDLE"),
    "notify.missing": ("<=", 0, "notifications that did not come"),
    "webhook.p50_ms": ("<=", 60, "ms from webhook to SSE, p50"),
    "webhook.p99_ms": ("<=", 250, "ms from webhook to SSE, p99"),
    "webhook.missing": ("<=", 0, "webhooks that were not seen on SSE"),
}
console = Console(highlight=False)


def say(text: str) -> None:
    console.print(f"[dim]{time.strftime('%H:%M:%S')}[/dim] {text}")


async def measure(only: str, rounds: int) -> dict[str, Any]:
    result: dict[str, Any] = {}
    with servers() as own:
        if only in ("", "pipeline"):
            pipeline = asdict(await run_pipeline(own, rounds, say))
            result["memory_mib"] = {k: round(v, 1) for k, v in pipeline.pop("memory_mib").items()}
            result["pipeline"] = pipeline
        if only in ("", "imap"):
            result["imap"] = await imap_rate(own, say)
        if only in ("", "notify"):
            result["notify"] = await notify_delay(own, say)
        if only in ("", "webhook"):
            result["webhook"] = await webhook_delay(own, say)
    return result


async def measure_within(seconds: float, only: str, rounds: int) -> dict[str, Any] | None:
    """Return the figures; None when they were not there in time. Everything that was started is stopped then."""
    try:
        async with asyncio.timeout(seconds) as limit:
            return await measure(only, rounds)
    except TimeoutError:
        if not limit.expired():  # a part of it waited in vain, and says for what
            raise
        console.print(f"[red]not done within {seconds / 60:g} minutes[/red]: {only or 'all parts'}, {rounds} rounds")
        return None


def why_not_judged(result: dict[str, Any], before: float, before_load: float) -> str:
    """Return why the figures say nothing about the product, empty when they do."""
    if before_load > LOAD_LIMIT and before > BUSY_LIMIT:
        return f"the machine was busy before the run: load {before_load:.2f}, {before:.0%} of its cores"
    rounds = result.get("pipeline", {}).get("rounds", [])
    floors = [r["floor"]["messages_per_second"] for r in rounds]
    if floors and min(floors) < FLOOR_SHARE * statistics.median(floors):
        return f"the floor of one round was {min(floors):.0f}/s, under 60 % of its median {statistics.median(floors):.0f}/s"
    return ""


def judge(result: dict[str, Any]) -> list[tuple[str, float, bool, str]]:
    """Return (name, value, met, target) of each target that was measured."""
    judged = []
    for name, (sign, target, text) in TARGETS.items():
        part, key = name.split(".")
        if part in result:
            value = float(result[part][key])
            met = value >= target if sign == ">=" else value <= target
            judged.append((text, value, met, f"{sign} {target:g}"))
    return judged


def show(judged: list[tuple[str, float, bool, str]], result: dict[str, Any]) -> None:
    table = Table(title="Postroom beside its floor")
    for column in ("figure", "value", "target", ""):
        table.add_column(column)
    for text, value, met, target in judged:
        table.add_row(text, f"{value:.2f}", target, "met" if met else "[red]missed[/red]")
    if "pipeline" in result:
        pipeline = result["pipeline"]
        table.add_row("messages/s of the services", f"{pipeline['messages_per_second']:.0f}", "", "")
        table.add_row("messages/s of the floor", f"{pipeline['floor_per_second']:.0f}", "", "")
        table.add_row("with notifier and desk / floor", f"{pipeline['ratio_with_notifier_and_desk']:.2f}", "", "")
    for name, mib in result.get("memory_mib", {}).items():
        table.add_row(f"peak memory of {name}, MiB", f"{mib:.0f}", "", "")
    console.print(table)


def main(arguments: Sequence[str] = ()) -> int:
    argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__).parse_args(arguments)
    only = os.environ.get("BENCH_ONLY", "")
    if only not in ("", "pipeline", "imap", "notify", "webhook"):
        sys.exit("BENCH_ONLY takes pipeline, imap, notify or webhook")
    before_load, before = load(), busy_share(3.0)
    result = asyncio.run(measure_within(LIMIT_SECONDS, only, int(os.environ.get("BENCH_ROUNDS", ROUNDS))))
    if result is None:
        return 1
    reason = why_not_judged(result, before, before_load)
    judged = judge(result)
    result |= {"judged": not reason, "reason": reason}
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps(result, indent=2) + "\n")
    show(judged, result)
    if reason:
        console.print(f"[yellow]not judged:[/yellow] {reason}")
        return 3
    return 0 if all(met for _, _, met, _ in judged) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
