"""`make check-upgrade`: an earlier release works, this tree takes its place service by service, and every mail is counted.

The earlier release is the tag or revision in UPGRADE_FROM, by default the newest tag that leads here; it runs from wheels
built from its source, with its own locked dependencies. This tree runs as it stands. Mail goes through all services
meanwhile. After the Job of the new release each service has an old and a new process in one group for some seconds; then
the old one is stopped. At the end one service goes back, as after a failed upgrade, and forward again. The count is that of
`make faults`. Exit status: 0 all is as it must be; 1 it is not, or a broken release (BREAK=name) was caught; 2 a broken one was
not caught.
"""

import argparse
import asyncio
import heapq
import os
import secrets
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console

from faults import report
from faults.afterwards import rebuild_differs, states_differ
from faults.checker import check
from faults.company import INBOX_ADDRESSES
from faults.ending import run_to_its_end
from faults.evidence import Findings
from faults.feeder import Feeder
from faults.mails import PlannedMail, plan
from faults.newer import BREAKS
from faults.options import SERVICES, Options
from faults.quiet import wait_until_quiet
from faults.releases import HOME, installed, knows, start_of, this_tree
from faults.rolling import NEW, OLD, RollingWorld, UpgradeFailedError, write_result
from faults.run import collect
from faults.sink import MailFileReader
from faults.world import FOLDER, remove_data
from tests.contract.releases import MissingHistoryError

MAILS, PER_SECOND = 6000, 6.0
"""More than can be sent before the upgrade is done: the feed ends then."""
FIRST_SECONDS, LAST_SECONDS = 10.0, 10.0
"""For how long mail goes through the old house alone, and through the new one."""
QUIET_SECONDS, QUIET_WITHIN = 8.0, 120.0
LIMIT_SECONDS = 840.0
console = Console(highlight=False)


def say(text: str) -> None:
    console.print(f"{time.strftime('%H:%M:%S')} {text}", markup=False, soft_wrap=True)


class EndingFeeder(Feeder):
    """A feeder that can be told to come to an end."""

    def enough(self) -> None:
        """Begin no further thread: what is sent already, what it answers, and its repeats are still delivered."""
        self.options = replace(self.options, mails=int(self.seconds * self.options.per_second))
        begun = self._bytes.keys()  # accepted, or on its way
        left = still_wanted(self.mails, {due.number for due in self._due if due.number is not None} - begun)
        self._due = [due for due in self._due if due.number is None or due.number in begun or due.number in left]
        heapq.heapify(self._due)


def still_wanted(mails: Sequence[PlannedMail], unsent: set[int]) -> set[int]:
    """Return which mails that were not sent must be: those that a sent one goes back to, or a thread would have a hole."""
    wanted: set[int] = set()
    for mail in mails:
        parent = None if mail.number in unsent else mail.parent
        while parent is not None:
            wanted.add(parent)
            parent = mails[parent].parent
    return wanted & unsent


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a run is to do."""

    seed: int
    upgrade_from: str
    broken: str
    back: tuple[str, ...]


async def main(chosen: Chosen) -> int:
    """Carry the run out and return the exit status."""
    release = await asyncio.to_thread(start_of, chosen.upgrade_from)
    say(f"building {release.name}, {release.revision[:10]}")
    old = await asyncio.to_thread(installed, release)
    new = this_tree(chosen.broken)
    say(f"from {old.name} to {new.name}; seed {chosen.seed}; starting servers")
    feed = Options(seed=chosen.seed, mails=MAILS, per_second=PER_SECOND, answer_share=0.3)
    mails = plan(chosen.seed, MAILS, PER_SECOND, INBOX_ADDRESSES)
    failed = ""
    async with RollingWorld.between(old, new) as world:
        await world.start_services()
        say(f"the old house works; {PER_SECOND:g} mails a second from now on")
        feeder = EndingFeeder(feed, mails, world.smtp_port, MailFileReader(world.mail_file))
        feeding = asyncio.create_task(feeder.run())
        try:
            await upgrade(world, chosen.back)
        except (UpgradeFailedError, RuntimeError, OSError) as error:
            failed = str(error)
            say(f"the upgrade failed: {failed}")
        feeder.enough()
        await feeding
        say(f"fed: {len(feeder.sent)} mails, {feeder.repeats} once more, {len(feeder.answers)} answers of agents")
        waiting = await wait_until_quiet(world, QUIET_SECONDS, QUIET_WITHIN, lambda _: None)
        evidence = await collect(world, feeder)
        figures = await rebuild_differs(world)
        # What was decided before a release that has the topic is not on it.
        states = await states_differ(world) if knows(release, "conversation-states") else None
    findings = check(evidence)
    found = report.result(len(evidence.mails), evidence.kills, findings, figures, states)
    found |= {"from": old.name, "to": new.name, "dead_letters": evidence.parked, "seed": chosen.seed}
    found |= {"overlaps": [str(overlap) for overlap in world.overlaps], "answers": len(evidence.answers)}
    return conclude(chosen, found, findings, problems(found, waiting, world.crashes, failed))


async def upgrade(world: RollingWorld, back: Sequence[str]) -> None:
    """Do what docs/operations/upgrade.md says: the Job, then service by service; then back with `back`, and forward again."""
    await asyncio.sleep(FIRST_SECONDS)
    say("the Job of the new release: " + ", ".join((await world.job(NEW)).splitlines()[-1:]))
    for service in SERVICES:
        say(str(await world.replace(service, leaving=OLD, coming=NEW)))
    for service in back:
        say(str(await world.replace(service, leaving=NEW, coming=OLD)))
        say(str(await world.replace(service, leaving=OLD, coming=NEW)))
    await asyncio.sleep(LAST_SECONDS)


def problems(found: dict[str, Any], waiting: dict[str, int], crashes: Sequence[str], failed: str) -> list[str]:
    """Return why the run is not good; empty: it is."""
    wrong = [f"{name} is {found[name]}" for name in report.MUST_BE_ZERO if found[name]]
    wrong += [f"{found['dead_letters']} dead letters"] if found["dead_letters"] else []
    wrong += [f"{found['repeated_mails']} mails were repeated"] if found["repeated_mails"] else []
    wrong += [] if found["mails"] else ["no mail came through"]
    wrong += [f"not quiet in time: {count} {name}" for name, count in waiting.items()]
    wrong += [f"ended by itself: {crash}" for crash in crashes]
    return [*wrong, f"the upgrade failed: {failed}"] if failed else wrong


def conclude(chosen: Chosen, found: dict[str, Any], findings: Findings, wrong: Sequence[str]) -> int:
    """Tell and write what was found; return the exit status."""
    path = HOME / (f"upgrade-{chosen.broken}.json" if chosen.broken else "upgrade.json")
    write_result(path, found | {"wrong": list(wrong)})
    report.show(found, findings, console, title="Upgrade")
    if chosen.broken:
        say(f"the broken release {chosen.broken} was {'caught' if wrong else 'NOT caught'}: {'; '.join(wrong)[:600]}")
        remove_data()
        return 1 if wrong else 2
    verdict = "this is not as it must be" if wrong else "all is as it must be"
    say(f"{'; '.join([verdict, *wrong])}; seed {chosen.seed}; {path}")
    if not wrong:
        remove_data()
    else:
        say(f"servers' data and logs are kept in {FOLDER}")
    return 1 if wrong else 0


def _arguments() -> Chosen:
    parser = argparse.ArgumentParser(prog="python -m faults.upgrade", description=__doc__)
    parser.add_argument(
        "--break", dest="broken", choices=sorted(BREAKS), default="", help="a release broken on purpose"
    )
    parser.add_argument(
        "--back", choices=SERVICES, action="append", help="the service that goes back and forward again; several times"
    )
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    given = parser.parse_args()
    return Chosen(given.seed, os.environ.get("UPGRADE_FROM", ""), given.broken, tuple(given.back or ("router",)))


def _run() -> int:
    chosen = _arguments()
    try:
        return run_to_its_end(lambda: main(chosen), LIMIT_SECONDS, say)
    except (ValueError, MissingHistoryError) as error:
        say(f"error: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(_run())
