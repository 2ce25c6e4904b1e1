"""`make check-disaster`: lose MongoDB, lose Kafka, lose both, and bring the house back by the commands of the docs.

Mail goes through all services before, between and after the losses. What was lost is restored from a copy that is some mails
old; then the drill of docs/operations/disaster.md is carried out as it stands there. At the end the records of all topics,
those read before a loss too, and all mail that left are counted as `make faults` counts them. Exit status 0: all is as the
page promises.
"""

import argparse
import asyncio
import secrets
import shutil
import sys
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from postroom_contracts.configuration import ConfigurationApplied
from postroom_desk.adapters.configuration_store import MongoConfigurationStore
from postroom_runtime import mongo
from rich.console import Console

from faults.checker import check
from faults.company import AGENTS, INBOX_ADDRESSES, address, configuration
from faults.drill import DrillFailedError, carry_out
from faults.ending import run_to_its_end
from faults.evidence import Evidence, Findings, Mailed, read_mail
from faults.feeder import CONNECTIONS, Due, Feeder
from faults.mails import PlannedMail, plan
from faults.options import SERVICES, Options
from faults.quiet import wait_until_quiet
from faults.records import Record, read_topic
from faults.sink import MailFileReader
from faults.world import FOLDER, TOPIC_PREFIX, World, remove_data

PART = 60
"""Mails between two moments of a scenario: some 8 s."""
PER_SECOND = 8.0
QUIET_SECONDS, QUIET_WITHIN = 6.0, 120.0
LIMIT_SECONDS = 600.0
MARGIN = timedelta(seconds=20)
"""How long before a copy is made `--since` lies: clocks differ, and what was in flight is read again."""
SCENARIOS = ("mongodb-lost", "kafka-lost", "both-behind")
console = Console(highlight=False)


def say(text: str) -> None:
    console.print(f"{time.strftime('%H:%M:%S')} {text}", markup=False, soft_wrap=True)


@dataclass
class PartFeeder(Feeder):
    """Feeds a plan in parts: each goes on where the last one ended, with what it knows of threads and answers."""

    async def part(self, count: int) -> None:
        """Send the next `count` mails, and the answers that come meanwhile; return when all were accepted."""
        first = len(self._planned)
        mails = self.mails[first : first + count]
        self._planned = [*self._planned, *mails]
        self.options = replace(self.options, mails=len(mails))
        self._started = time.monotonic()
        for mail in mails:
            again = [] if mail.again_at is None else [mail.again_at]
            for at in (mail.at, *again):
                begin = max(0.0, at - first / PER_SECOND)
                self._add(Due(begin, len(self._due), mail.sender, mail.inbox, mail.number))
        watching = asyncio.create_task(self._watch())
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(CONNECTIONS):
                    workers.create_task(self._work())
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    _planned: list[PlannedMail] = field(default_factory=list)


@dataclass
class House:
    """The world of a run with what an outsider has seen of it so far."""

    world: World
    feeder: PartFeeder
    inbound: list[Record] = field(default_factory=list)
    events: list[Record] = field(default_factory=list)
    forgotten: list[tuple[int, int]] = field(default_factory=list)
    """Ranges of mails that left in a time of which neither server knows any more: they leave again."""
    said: list[str] = field(default_factory=list)

    async def quiet(self) -> None:
        """Return when nothing is left to do. Raises DrillFailedError naming what is."""
        waiting = await wait_until_quiet(self.world, QUIET_SECONDS, QUIET_WITHIN, lambda _: None)
        if waiting:
            raise DrillFailedError(f"not quiet within {QUIET_WITHIN:.0f} s: {waiting}")
        if self.world.crashes:
            raise DrillFailedError("services ended by themselves:\n" + "\n".join(self.world.crashes))

    async def look(self) -> None:
        """Read all topics as a subscriber does who never forgets."""
        bootstrap = self.world.kafka.bootstrap
        self.inbound += await read_topic(bootstrap, f"{TOPIC_PREFIX}inbound-messages")
        self.events += await read_topic(bootstrap, f"{TOPIC_PREFIX}conversation-events")

    async def stop(self) -> None:
        """Stop all services in order, those that wait for a server too."""
        running = [s.process for s in self.world.services.values() if s.process is not None]
        for name in self.world.services:
            self.world._expected_down.add(name)  # noqa: SLF001 - they are meant to be down
        await asyncio.gather(*(asyncio.to_thread(process.stop) for process in running))

    async def drill(self, name: str, since: datetime) -> None:
        for line in await carry_out(name, self.world.environment, since.strftime("%Y-%m-%dT%H:%M:%SZ")):
            self.said.append(line)
            say(f"  {line}")

    async def up_again(self, since: datetime) -> None:
        await self.world.start_services()
        await self.feeder.part(PART)
        await self.quiet()
        await self.drill("afterwards", since)


# --- copies ------------------------------------------------------------------------------------------------------------


async def copy_mongodb(house: House) -> datetime:
    """Copy MongoDB's files as a snapshot of its disk; return a moment before it."""
    return await _copied(house.world.mongo, FOLDER / "mongo", FOLDER / "mongo-copy")


async def copy_kafka(house: House) -> datetime:
    return await _copied(house.world.kafka, FOLDER / "kafka", FOLDER / "kafka-copy")


async def _copied(server: object, data: Path, copy: Path) -> datetime:
    before = datetime.now(UTC) - MARGIN
    await asyncio.to_thread(server.stop)  # type: ignore[attr-defined]  # both have it
    shutil.rmtree(copy, ignore_errors=True)
    await asyncio.to_thread(shutil.copytree, data, copy)
    await asyncio.to_thread(server.start)  # type: ignore[attr-defined]
    return before


async def lose(house: House, name: str, copy: Path | None) -> None:
    """Kill a server and throw its data away; where there is a copy, put that in its place. It runs again afterwards."""
    server = house.world.mongo if name == "mongo" else house.world.kafka
    await asyncio.to_thread(server.kill)
    await house.stop()
    shutil.rmtree(FOLDER / name)
    if copy is not None:
        await asyncio.to_thread(shutil.copytree, copy, FOLDER / name)
    await asyncio.to_thread(server.start)


# --- scenarios ---------------------------------------------------------------------------------------------------------


async def mongodb_lost(house: House) -> None:
    """MongoDB comes back from a copy that is 60 mails old, Kafka is as it was."""
    since = await copy_mongodb(house)
    await house.feeder.part(PART)
    await house.quiet()
    await house.look()
    await lose(house, "mongo", FOLDER / "mongo-copy")
    await house.drill("mongodb-restored", since)
    await house.up_again(since)


async def kafka_lost(house: House) -> None:
    """Kafka is lost in full flight and comes back empty, MongoDB is as it was."""
    since = datetime.now(UTC) - MARGIN
    feeding = asyncio.create_task(house.feeder.part(PART))
    await asyncio.sleep(PART / PER_SECOND / 2)
    await house.look()
    await lose(house, "kafka", None)
    await feeding
    await house.drill("kafka-lost", since)
    await house.up_again(since)


async def both_behind(house: House) -> None:
    """Kafka comes back from a copy that is 60 mails old, MongoDB from a later one: the last 60 mails stand in neither."""
    since = await copy_kafka(house)
    await house.feeder.part(PART)
    await house.quiet()
    await copy_mongodb(house)
    before = _left(house)
    await house.look()
    await house.feeder.part(PART)
    await house.quiet()
    house.forgotten.append((before, _left(house)))
    await lose(house, "mongo", FOLDER / "mongo-copy")
    await lose(house, "kafka", FOLDER / "kafka-copy")
    await house.drill("both-restored", since)
    await house.up_again(since)


def _left(house: House) -> int:
    return sum(1 for _ in MailFileReader(house.world.mail_file).new())


RUNS = {"mongodb-lost": mongodb_lost, "kafka-lost": kafka_lost, "both-behind": both_behind}


async def main(seed: int, scenarios: tuple[str, ...]) -> int:
    """Run the scenarios one after another in one house; return the exit status."""
    parts = 1 + 3 * len(scenarios)
    chosen = Options(seed=seed, mails=parts * PART, per_second=PER_SECOND, answer_share=0.3)
    say(f"seed {seed}; starting servers")
    async with World.of(SERVICES) as world:
        mails = plan(seed, chosen.mails, PER_SECOND, INBOX_ADDRESSES)
        house = House(world, PartFeeder(chosen, mails, world.smtp_port, MailFileReader(world.mail_file)))
        await _apply_configuration(world)
        await world.start_services()
        try:
            await house.feeder.part(PART)
            await house.quiet()
            for name in scenarios:
                say(f"{name}: {' '.join((RUNS[name].__doc__ or '').split())}")
                await RUNS[name](house)
                say(f"{name}: the house goes on")
            await house.look()
        except DrillFailedError as error:
            say(str(error))
            return 1
        evidence = _evidence(house)
    return _conclude(evidence, check(evidence), house, seed)


async def _apply_configuration(world: World) -> None:
    """Keep the company's configuration in the desk's database, as `postroom config apply` does: from there it comes back."""
    client = mongo.connect(world.settings)
    try:
        applied = ConfigurationApplied(
            configuration_version=1,
            applied_at=datetime.now(UTC),
            configuration=configuration(world.dovecot.port, world.smtp_port),
        )
        store = MongoConfigurationStore(mongo.database(client, world.settings, "desk"))
        await store.add(applied)
        await store.mark_published(1)
    finally:
        await mongo.close(client)


def _evidence(house: House) -> Evidence:
    boxes, feeder = {name: address(name) for name in AGENTS}, house.feeder
    return Evidence(feeder.sent, feeder.answers, house.inbound, house.events, _mailed(house)[0], boxes, {})


def _mailed(house: House) -> tuple[list[Mailed], list[Mailed]]:
    """Return the mails that left in a time that something knows of, and the others."""
    agents = frozenset(address(name) for name in AGENTS)
    every = [read_mail(found, agents) for found in MailFileReader(house.world.mail_file).new()]
    unknown = {n for first, end in house.forgotten for n in range(first, end)}
    return [m for n, m in enumerate(every) if n not in unknown], [every[n] for n in sorted(unknown)]


def _conclude(evidence: Evidence, findings: Findings, house: House, seed: int) -> int:
    wrong = [line for name in findings.counts for line in getattr(findings, name)]
    for line in wrong[:40]:
        say(f"wrong: {line}")
    again = {(m.recipient, m.message_id) for m in evidence.mailed}
    forgotten = [(m.recipient, m.message_id) in again for m in _mailed(house)[1]]
    say(
        f"{len(evidence.mails)} mails in, {len(evidence.answers)} answers of agents, {len(evidence.mailed)} mails out; "
        f"{len(wrong)} wrong; {findings.repeated_mails} left twice; seed {seed}"
    )
    if forgotten:
        say(f"of {len(forgotten)} mails that left in a time that neither server knew of, {sum(forgotten)} left again")
    bad = bool(wrong) or findings.repeated_mails > 0
    if not bad:
        remove_data()
    return 1 if bad else 0


def _run() -> int:
    parser = argparse.ArgumentParser(prog="python -m faults.disaster", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument(
        "--only", choices=SCENARIOS, action="append", help="of the scenarios; several times for several"
    )
    arguments = parser.parse_args()
    chosen = tuple(arguments.only or SCENARIOS)
    return run_to_its_end(lambda: main(arguments.seed, chosen), LIMIT_SECONDS, say)


if __name__ == "__main__":
    sys.exit(_run())
