"""`make faults`: feed mail through the whole system, kill everything, wait until it is quiet, count.

Exit status: 0 all is as it must be, 1 it is not (or it did not end in time, or a broken build was caught), 2 a broken build was
not caught.
"""

import argparse
import asyncio
import json
import sys
import time
from typing import Any

from postroom_contracts.topics import GROUPS
from rich.console import Console

from faults import report
from faults.afterwards import rebuild_differs, states_differ
from faults.checker import check
from faults.company import AGENTS, INBOX_ADDRESSES, address
from faults.ending import run_to_its_end
from faults.evidence import Evidence, Findings, read_mail
from faults.feeder import Feeder
from faults.mails import plan
from faults.options import BREAKS, SERVICES, Options, options
from faults.quiet import wait_until_quiet
from faults.records import count_records, read_topic
from faults.schedule import Kill, schedule
from faults.sink import MailFileReader
from faults.world import FOLDER, TOPIC_PREFIX, World, remove_data

console = Console(highlight=False)


def say(text: str) -> None:
    console.print(f"{time.strftime('%H:%M:%S')} {text}", markup=False, soft_wrap=True)


async def main(chosen: Options) -> int:
    """Carry a run out and return the exit status."""
    say(f"seed {chosen.seed}{', broken build ' + chosen.broken if chosen.broken else ''}; starting servers")
    mails = plan(chosen.seed, chosen.mails, chosen.per_second, INBOX_ADDRESSES)
    async with World.of(chosen.services, chosen.broken) as world:
        await world.start_services()
        say(f"{len(mails)} mails at {chosen.per_second:g} a second, {chosen.feed_seconds:.0f} s")
        feeder = Feeder(chosen, mails, world.smtp_port, MailFileReader(world.mail_file))
        await _feed(chosen, world, feeder)
        say(f"fed: {len(feeder.sent)} mails, {feeder.repeats} once more, {len(feeder.answers)} answers of agents")
        waiting = await wait_until_quiet(world, chosen.quiet_seconds, chosen.quiet_within, _progress())
        for crash in world.crashes:
            say(f"ended by itself: {crash}")
        evidence = await collect(world, feeder)
        figures = await rebuild_differs(world) if "analytics" in world.services else 0
        states = await states_differ(world) if "desk" in world.services else 0
    findings = check(evidence)
    found = report.result(len(evidence.mails), evidence.kills, findings, figures, states)
    return _conclude(chosen, found, findings, waiting)


def _conclude(chosen: Options, found: dict[str, Any], findings: Findings, waiting: dict[str, int]) -> int:
    path = report.write(found, chosen.broken, FOLDER.parent)
    report.show(found, findings, console)
    (FOLDER / "findings.json").write_text(json.dumps(vars(findings), indent=1), encoding="utf-8")
    if chosen.broken:
        wrong = report.not_caught(found, findings.received, waiting, chosen.broken)
        verdict = f"the broken build {chosen.broken} was {'NOT caught' if wrong else 'caught'}"
    else:
        wrong = report.problems(found, waiting, chosen)
        verdict = "this is not as it must be" if wrong else "all is as it must be"
    say(f"{'; '.join([verdict, *wrong])}; seed {chosen.seed}; {path}")
    code = report.exit_code(wrong, chosen)
    if code != 1 or chosen.broken:
        remove_data()
    return code


# --- faults ---------------------------------------------------------------------------------------------------------


async def _feed(chosen: Options, world: World, feeder: Feeder) -> None:
    """Feed while what the schedule names is killed; returns when both are done and all is up again."""
    feeding = asyncio.create_task(feeder.run())
    killing = asyncio.create_task(_kill_all(chosen, world, feeder))
    telling = asyncio.create_task(_tell(world, feeder, killing))
    try:
        await asyncio.gather(feeding, killing)
    finally:
        for task in (feeding, killing, telling):
            task.cancel()
        await asyncio.gather(feeding, killing, telling, return_exceptions=True)


async def _kill_all(chosen: Options, world: World, feeder: Feeder) -> None:
    away: dict[str, asyncio.Task[None]] = {}
    for kill in schedule(chosen):
        while feeder.seconds < kill.at:
            await asyncio.sleep(0.1)
            world.supervise()
        before = away.get(kill.name)
        if before is not None:
            await before
        away[kill.name] = asyncio.create_task(_kill(chosen, world, kill))
    await asyncio.gather(*away.values())


async def _kill(chosen: Options, world: World, kill: Kill) -> None:
    if kill.name not in world.services:
        say(f"killed {kill.name}")
        await world.kill_server(kill.name)
        return
    world.kill_service(kill.name)
    await asyncio.sleep(chosen.down_seconds)
    world.start_service(kill.name, kill.aimed_at)


async def _tell(world: World, feeder: Feeder, killing: asyncio.Task[None]) -> None:
    while not killing.done():
        await asyncio.sleep(10)
        kills = ", ".join(f"{name} {count}" for name, count in sorted(world.kills.items()))
        say(f"{feeder.seconds:3.0f} s: {len(feeder.sent)} mails in, {feeder.delivered} mails out; killed {kills}")


def _progress() -> report.Waiting:
    last = 0.0

    def tell(waiting: dict[str, int]) -> None:
        nonlocal last
        if time.monotonic() - last > 5:
            last = time.monotonic()
            say("waiting: " + (", ".join(f"{count} {name}" for name, count in waiting.items()) or "quiet"))

    return tell


# --- evidence -------------------------------------------------------------------------------------------------------


async def collect(world: World, feeder: Feeder) -> Evidence:
    """Read topics and mailboxes."""
    bootstrap = world.kafka.bootstrap
    agents = {name: address(name) for name in AGENTS}
    boxes = frozenset(agents.values())
    return Evidence(
        mails=feeder.sent,
        answers=feeder.answers,
        inbound=await read_topic(bootstrap, f"{TOPIC_PREFIX}inbound-messages"),
        events=await read_topic(bootstrap, f"{TOPIC_PREFIX}conversation-events"),
        mailed=[read_mail(found, boxes) for found in MailFileReader(world.mail_file).new()],
        agents=agents,
        kills=dict(world.kills),
        parked=await count_records(bootstrap, [f"{TOPIC_PREFIX}{group.name}-dlq" for group in GROUPS]),
    )


def _arguments() -> Options:
    parser = argparse.ArgumentParser(prog="python -m faults.run", description=__doc__)
    parser.add_argument("--break", dest="broken", choices=BREAKS, default="", help="run a deliberately broken build")
    chosen = options(parser.parse_args().broken)
    if unknown := set(chosen.services) - set(SERVICES):
        parser.error(f"no service {', '.join(sorted(unknown))}")
    return chosen


if __name__ == "__main__":
    options_given = _arguments()
    sys.exit(run_to_its_end(lambda: main(options_given), options_given.limit_seconds, say))
