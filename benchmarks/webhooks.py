"""`make bench-webhooks`: do 50 receivers that hang and 20 that are away delay the other 930? Writes build/webhooks.json.

The same subscriptions and the same rate of events in every round; in every second one the bad receivers are bad. Exit 0: the
others' p99 is at most 1.2 times what it is without; 1: it is more, something was lost, or it was not done in five minutes.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from postroom_contracts import ids
from postroom_contracts.configuration import Configuration
from postroom_contracts.events import Event, new_event
from postroom_contracts.facts import MessageReceived
from postroom_contracts.topics import CONVERSATION_EVENTS
from postroom_contracts.values import Channel, ContentReference
from postroom_runtime.kafka import Publisher
from pymongo import AsyncMongoClient
from rich.console import Console

from benchmarks.messages import company
from benchmarks.pipeline import quantile
from benchmarks.procs import busy_share, cpu_seconds, peak_mib
from benchmarks.world import Process, Round, Servers, servers

INBOXES = 20
PER_INBOX = 50
"""An event goes to all subscriptions of its inbox."""
HANGING, AWAY = 50, 20
SUBSCRIPTIONS = INBOXES * PER_INBOX
EVENTS_PER_SECOND = float(os.environ.get("BENCH_EVENTS", "1.5"))
PAIRS = int(os.environ.get("BENCH_ROUNDS", "4"))
LEAD_SECONDS = {"well": 2.0, "bad": 9.0}
"""Before a round counts; in a bad one until as many hang as will hang."""
MEASURED_SECONDS = 16.0
LIMIT_SECONDS = 300.0
P99_RATIO = 1.2
OUTPUT = Path("build/webhooks.json")
SECRET = "whsec_" + "YmVuY2htYXJrLW9mLXdlYmhvb2tzLTEyMzQ1Njc4OTA="
console = Console(highlight=False)


def say(text: str) -> None:
    console.print(f"[dim]{time.strftime('%H:%M:%S')}[/dim] {text}")


def kind_of(number: int) -> str:
    """Return how the receiver of a subscription does in a bad round; the bad ones are spread over all inboxes."""
    if number % (SUBSCRIPTIONS // HANGING) == 0:
        return "hang"
    return "away" if number % (SUBSCRIPTIONS // AWAY) == 1 else "well"


def subscribed(port: int, closable: int) -> Configuration:
    """Return a company of 20 inboxes with 50 subscriptions each."""
    base = company().model_dump(mode="json", by_alias=True)
    inbox = base["inboxes"][0]
    base["inboxes"] = [
        {**inbox, "id": f"inbox-{n}", "name": f"Inbox {n}", "address": f"inbox{n}@acme.test"} for n in range(INBOXES)
    ]
    base["webhooks"] = [
        {
            "id": f"s{n}",
            "url": f"http://127.0.0.1:{closable if kind_of(n) == 'away' else port}/{kind_of(n)}/{n}",
            "secrets": [{"env": "BENCH_HOOK_SECRET"}],
            "inboxes": [f"inbox-{n % INBOXES}"],
        }
        for n in range(SUBSCRIPTIONS)
    ]
    return Configuration.model_validate(base)


def event(run: str, number: int, at: float, inbox: str = "") -> Event:
    """Return the first message of a conversation in `inbox`, or in one in turn, as of `at` (seconds since the epoch)."""
    home = ids.derived_id("bench", run, str(number))
    now = datetime.fromtimestamp(round(at, 3), UTC)
    fact = MessageReceived(
        message_id=home,
        ledger_id=home,
        account_id="mail",
        inbox_id=inbox or f"inbox-{number % INBOXES}",
        channel=Channel.EMAIL,
        message_kind="message",
        contact_id=home,
        content=ContentReference(content_id=home, sha256="0" * 64),
        body_bytes=900,
        received_at=now,
        ingested_at=now,
        opened=True,
        status="open",
        team_id="first",
        configuration_version=1,
    )
    return new_event(fact, source="/postroom/router", cause_id=home, subject=home, time=now, sequence=1)


@dataclass
class Far:
    """The process of the receivers."""

    process: subprocess.Popen[str]

    @classmethod
    def start(cls) -> Self:
        command = [sys.executable, "-m", "benchmarks.webhook_receiver"]
        return cls(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))

    def line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found

    def ask(self, what: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return self.line()

    def stop(self) -> None:
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()


@dataclass
class Side:
    """One round of one kind."""

    sent: int
    milliseconds: list[float]
    most_hanging: int
    cpu_ms: float
    """Of the notifier, for each webhook that was taken."""

    @property
    def lost(self) -> int:
        return self.sent - len(self.milliseconds)

    def quantile(self, share: float) -> float:
        return quantile(self.milliseconds, share)


@dataclass
class Bench:
    round_: Round
    far: Far
    notifier: Process
    publisher: Publisher
    _published: int = 0
    rounds: dict[str, list[Side]] = field(default_factory=lambda: {"well": [], "bad": []})

    async def feed(self, seconds: float) -> int:
        """Publish events at the steady rate; return how many webhooks they are to receivers that are well."""
        began, first = time.time(), self._published
        count = int(seconds * EVENTS_PER_SECOND)
        for n in range(count):
            due = began + n / EVENTS_PER_SECOND
            await asyncio.sleep(max(0.0, due - time.time()))
            await self.publisher.publish_events(CONVERSATION_EVENTS, [event(self.round_.prefix, self._published, due)])
            self._published += 1
        await asyncio.sleep(max(0.0, began + seconds - time.time()))
        return sum(GOOD[number % INBOXES] for number in range(first, first + count))

    async def side(self, kind: str) -> Side:
        """Run one round: settle, let it begin, measure, wait for what is under way."""
        await asyncio.to_thread(self.far.ask, "well")
        await self.wake_all()
        await self.settled()
        await asyncio.to_thread(self.far.ask, kind)
        await self.feed(LEAD_SECONDS[kind])
        await asyncio.sleep(0.5)
        await asyncio.to_thread(self.far.ask, "report")
        cpu, began = cpu_seconds(self.notifier.pid), time.time()
        sent = await self.feed(MEASURED_SECONDS)
        used = cpu_seconds(self.notifier.pid) - cpu
        seen: list[float] = []
        most = 0
        deadline = time.monotonic() + 10
        while len(seen) < sent and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
            said = await asyncio.to_thread(self.far.ask, "report")
            seen += [ms for at, ms in said["seen"] if at >= began - 0.01]
            most = max(most, said["most_hanging"])
        return Side(sent, seen, most, used / max(1, sent) * 1000)

    async def wake_all(self) -> None:
        """Give each receiver something to take: one that was bad takes all that waits for it, too."""
        first = self._published
        self._published += INBOXES
        made = [event(self.round_.prefix, first + n, time.time(), f"inbox-{n}") for n in range(INBOXES)]
        await self.publisher.publish_events(CONVERSATION_EVENTS, made)

    async def settled(self) -> None:
        """Return when nothing is undone. Raises TimeoutError."""
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(self.round_.servers.mongo.uri)
        deliveries = client[self.round_.settings.database("notifier")]["webhook_deliveries"]
        try:
            async with asyncio.timeout(40):
                while await deliveries.count_documents({"next_at": {"$exists": True}}):
                    await asyncio.sleep(0.2)
        finally:
            await client.close()

    async def run(self) -> None:
        await self.side("well")  # connections, plans and caches: not counted
        for number in range(PAIRS):
            for kind in ("well", "bad") if number % 2 == 0 else ("bad", "well"):
                side = await self.side(kind)
                self.rounds[kind].append(side)
                say(
                    f"pair {number + 1}/{PAIRS}, {kind:4}: p50 {side.quantile(0.5):.0f} ms, p99 {side.quantile(0.99):.0f} ms"
                    f" of {len(side.milliseconds)}, {side.lost} lost, {side.most_hanging} hung at a time,"
                    f" {side.cpu_ms:.1f} ms of CPU each"
                )


GOOD = [sum(1 for n in range(i, SUBSCRIPTIONS, INBOXES) if kind_of(n) == "well") for i in range(INBOXES)]


async def measure(own: Servers) -> dict[str, Any]:
    far = Far.start()
    round_ = Round(own, extra={"POSTROOM_WEBHOOK_NETWORKS": "127.0.0.0/8", "BENCH_HOOK_SECRET": SECRET})
    try:
        ports = far.line()
        await round_.prepare(subscribed(ports["port"], ports["closable"]))
        (notifier,) = round_.start_services(["notifier"])
        publisher = Publisher(round_.settings)
        await publisher.start()
        bench = Bench(round_, far, notifier, publisher)
        try:
            await bench.run()
        finally:
            await publisher.stop()
        return result(bench, peak_mib(notifier.pid))
    finally:
        round_.stop()
        far.stop()


def result(bench: Bench, memory: float) -> dict[str, Any]:
    well, bad = bench.rounds["well"], bench.rounds["bad"]
    ratios = [b.quantile(0.99) / w.quantile(0.99) for w, b in zip(well, bad, strict=True)]
    per_second = EVENTS_PER_SECOND * PER_INBOX
    return {
        "subscriptions": SUBSCRIPTIONS,
        "webhooks_per_second": per_second,
        "p99_ratio": statistics.median(ratios),
        "p99_ratios": ratios,
        "well": _shown(well),
        "bad": _shown(bad),
        "most_hanging": max(b.most_hanging for b in bad),
        "lost": sum(s.lost for s in (*well, *bad)),
        "notifier_peak_mib": memory,
    }


def _shown(sides: Sequence[Side]) -> dict[str, float]:
    return {
        "p50_ms": statistics.median(s.quantile(0.5) for s in sides),
        "p99_ms": statistics.median(s.quantile(0.99) for s in sides),
        "cpu_ms": statistics.median(s.cpu_ms for s in sides),
    }


def missed(found: dict[str, Any]) -> list[str]:
    """Return what is not as it must be."""
    faults = []
    if found["p99_ratio"] > P99_RATIO:
        faults.append(f"the others' p99 is {found['p99_ratio']:.2f} times what it is without, not {P99_RATIO}")
    if found["lost"]:
        faults.append(f"{found['lost']} webhooks did not arrive")
    if found["most_hanging"] < HANGING:
        faults.append(f"only {found['most_hanging']} requests hung at a time: the round shows nothing")
    return faults


async def _bounded() -> dict[str, Any]:
    async with asyncio.timeout(LIMIT_SECONDS):
        with servers() as own:
            return await measure(own)


def main() -> int:
    argparse.ArgumentParser(prog="python -m benchmarks.webhooks", description=__doc__).parse_args()
    busy = busy_share(2.0)
    try:
        found = {"date": time.strftime("%Y-%m-%d"), "cores": os.cpu_count(), "busy_before": busy} | asyncio.run(
            _bounded()
        )
    except TimeoutError:
        say(f"not done in {LIMIT_SECONDS:.0f} s")
        return 1
    faults = missed(found)
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps(found | {"missed": faults}, indent=1))
    say(
        f"p99 {found['well']['p99_ms']:.0f} ms, with bad receivers {found['bad']['p99_ms']:.0f} ms: {found['p99_ratio']:.2f} x"
    )
    for fault in faults:
        say(f"missed: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
