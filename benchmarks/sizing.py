"""`make bench-sizing`: what one replica of each service carries, one service at a time, and what limits it.

The topics are filled while a service stands still; then it runs alone, with Kafka, MongoDB and servers for mail beside it.
Writes build/sizing.json; with `--write` also the table of docs/operations/sizing.md. At most five minutes; exit 1 when not done.
"""

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from postroom_contracts.configuration import Configuration
from postroom_contracts.topics import CONVERSATION_EVENTS, GROUP_BY_NAME, INBOUND_MESSAGES, Topic
from postroom_local.dovecot import DovecotServer
from postroom_local.mail import MailUser
from postroom_local.smtp_sink import SmtpSink
from postroom_runtime.kafka import Publisher
from postroom_runtime.settings import RuntimeSettings
from rich.console import Console

from benchmarks import webhooks
from benchmarks.desk_live import Console as OpenPage
from benchmarks.mail_parts import TOKEN, mail, mail_company
from benchmarks.messages import company
from benchmarks.pipeline import publish
from benchmarks.procs import cpu_seconds, peak_mib, processor, resident_mib
from benchmarks.world import Process, Round, Servers, servers

MESSAGES, MAILS, CONSOLES, WEBHOOKS = 6000, 800, 400, 3000
WARM, WARM_MAILS = 400, 40
FACTS_PER_SECOND, FACTS = 5.0, 50
LIMIT_SECONDS = 300.0
STEP_SECONDS = 60.0
BUSY = 0.8
"""From this share of a core on a service is limited by its own processor: the rest is the waiting between two batches."""
OUTPUT = Path("build/sizing.json")
PAGE = Path("docs/operations/sizing.md")
BEGIN, END = "<!-- made by `make bench-sizing` -->", "<!-- end of what is made -->"
GROUPS = {
    "router": ("router-thread", "router-decide"),
    "assigner": ("assigner",),
    "notifier": ("notifier",),
    "analytics": ("analytics",),
    "desk": ("desk",),
}
console = Console(highlight=False)


def say(text: str) -> None:
    console.print(f"[dim]{time.strftime('%H:%M:%S')}[/dim] {text}")


@dataclass(frozen=True)
class Carried:
    """One row: so many of `what` a second by one replica, and what each cost: milliseconds of processor time."""

    service: str
    what: str
    per_second: float
    service_ms: float
    mongo_ms: float
    kafka_ms: float
    idle_mib: float
    peak_mib: float
    offered: bool = False
    """So many were given to it at a steady pace: it was not tried how many it can carry."""

    @property
    def cores(self) -> float:
        """Cores that the service itself used."""
        return self.per_second * self.service_ms / 1000

    @property
    def limit(self) -> str:
        if self.offered:
            return f"not reached; its core is enough for {1000 / self.service_ms:,.0f}"
        if self.cores >= BUSY:
            return "its core"
        return f"answers of MongoDB{', Kafka and mail servers' if 'mail' in self.what else ' and Kafka'}"


@dataclass
class Bench:
    """One round, its processes standing still unless they are measured."""

    round_: Round
    processes: dict[str, Process] = field(default_factory=dict)
    idle: dict[str, float] = field(default_factory=dict)

    def start(self, *names: str) -> None:
        for process in self.round_.start_services(names):
            self.processes[process.name] = process
        time.sleep(2)
        self.idle |= {name: resident_mib(p.pid) for name, p in self.processes.items()}

    def stand(self, *names: str) -> None:
        for name in names:
            self.processes[name].signal(signal.SIGSTOP)

    def go(self, *names: str) -> None:
        for name in names:
            self.processes[name].signal(signal.SIGCONT)

    async def carried(self, service: str, what: str, count: int, done: Callable[[], Awaitable[None]]) -> Carried:
        """Let one service run until `done`; `count` is how many it then has carried."""
        process, own = self.processes[service], self.round_.servers
        pids = [process.pid, *own.pids[::-1]]
        before, began = [cpu_seconds(pid) for pid in pids], time.monotonic()
        self.go(service)
        async with asyncio.timeout(STEP_SECONDS):
            await done()
        seconds = time.monotonic() - began
        mine, mongo, kafka = ((cpu_seconds(pid) - was) * 1000 / count for pid, was in zip(pids, before, strict=True))
        memory = self.idle[service], peak_mib(process.pid)
        found = Carried(service, what, count / seconds, mine, mongo, kafka, *memory)
        say(f"{service}: {found.per_second:.0f} {what}/s, {found.service_ms:.2f} ms each, {found.cores:.2f} cores")
        return found

    async def drained(self, *groups: str) -> None:
        """Return when these groups have committed all that stands on their topics."""
        async with _asking(self.round_.settings) as (ends, admin):
            while any([await _lag(self.round_.settings, ends, admin, group) for group in groups]):
                await asyncio.sleep(0.1)


@asynccontextmanager
async def _asking(settings: RuntimeSettings) -> Any:
    ends = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap)
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    await ends.start()
    await admin.start()
    try:
        yield ends, admin
    finally:
        await admin.close()
        await ends.stop()


async def _ends(settings: RuntimeSettings, consumer: AIOKafkaConsumer, topics: Sequence[Topic]) -> dict[Any, int]:
    partitions = [TopicPartition(settings.topic(t.name), p) for t in topics for p in range(settings.partitions)]
    return dict(await consumer.end_offsets(partitions))


async def _lag(settings: RuntimeSettings, ends: AIOKafkaConsumer, admin: Any, group: str) -> int:
    done = await admin.list_consumer_group_offsets(f"{settings.topic_prefix}{group}")
    there = await _ends(settings, ends, GROUP_BY_NAME[group].topics)
    return sum(end - max(0, done[tp].offset if tp in done else 0) for tp, end in there.items())


async def pipeline(own: Servers) -> list[Carried]:
    """Messages of 2 kB through router, assigner, notifier, analytics and desk, one after another; then open consoles."""
    bench = Bench(Round(own, extra={"POSTROOM_SESSION_TIMEOUT_MS": "280000", "POSTROOM_API_TOKEN": TOKEN}))
    try:
        await bench.round_.prepare(company())
        bench.start(*GROUPS)
        await publish(bench.round_.settings, WARM, f"{bench.round_.prefix}W")
        await bench.drained(*(group for groups in GROUPS.values() for group in groups))
        await asyncio.sleep(1)
        await bench.drained(*(group for groups in GROUPS.values() for group in groups))
        bench.stand(*GROUPS)
        await publish(bench.round_.settings, MESSAGES, bench.round_.prefix)
        found = []
        for service, groups in GROUPS.items():
            found.append(await bench.carried(service, "messages", MESSAGES, lambda g=groups: bench.drained(*g)))  # type: ignore[misc]
            if service != "desk":
                bench.stand(service)
        return [*found, await consoles(bench)]
    finally:
        bench.round_.stop()


async def consoles(bench: Bench) -> Carried:
    """Facts to pages that are open at one replica of the desk; each fact goes to each page."""
    desk = bench.processes["desk"]
    await asyncio.sleep(3)  # what the search index still had to read
    before = resident_mib(desk.pid)
    pages = [OpenPage([desk.url], TOKEN) for _ in range(CONSOLES)]
    tasks = [asyncio.create_task(page.follow()) for page in pages]
    publisher = Publisher(bench.round_.settings)
    await publisher.start()
    try:
        async with asyncio.timeout(STEP_SECONDS):
            while not all(page.live_at for page in pages):
                await asyncio.sleep(0.1)

        async def told() -> None:
            began = time.time()
            for n in range(FACTS):
                await asyncio.sleep(max(0.0, began + n / FACTS_PER_SECOND - time.time()))
                fact = webhooks.event(f"{bench.round_.prefix}L", n, time.time(), "support")
                await publisher.publish_events(CONVERSATION_EVENTS, [fact])
            while not all(len(page.arrived) >= FACTS for page in pages):
                await asyncio.sleep(0.05)

        bench.idle["desk"] = before
        found = await bench.carried("desk", f"facts to {CONSOLES} open pages, each", FACTS * CONSOLES, told)
        return replace(found, offered=True)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await publisher.stop()


async def mails(own: Servers) -> list[Carried]:
    """Mails of 7 kB from a mailbox into the topic, and notifications of them out to a mail server that answers at once."""
    arrived: set[str] = set()
    dovecot = DovecotServer([MailUser("support@acme.test", "secret")])
    sink = SmtpSink(deliver=lambda _to, raw: arrived.add(str(hash(raw))), keep=False)
    extra = {"POSTROOM_SESSION_TIMEOUT_MS": "280000", "BENCH_MAIL_PASSWORD": "secret"}
    bench = Bench(Round(own, extra=extra))
    dovecot.start()
    sink.start()
    try:
        await bench.round_.prepare(mail_company(dovecot.port, sink.port, notify=True))
        bench.start("ingest", "router", "assigner", "notifier")

        def put(first: int, count: int) -> None:
            for n in range(first, first + count):
                dovecot.deliver("support@acme.test", mail(n, bench.round_.prefix))

        async def taken_in(count: int) -> None:
            async with _asking(bench.round_.settings) as (ends, _):
                while sum((await _ends(bench.round_.settings, ends, [INBOUND_MESSAGES])).values()) < count:
                    await asyncio.sleep(0.05)

        async def sent(count: int) -> None:
            while len(arrived) < count:
                await asyncio.sleep(0.05)

        put(0, WARM_MAILS)
        async with asyncio.timeout(STEP_SECONDS):
            await sent(WARM_MAILS)
        bench.stand("ingest", "router", "assigner", "notifier")  # shorter than ingest's lease of its account lasts
        put(WARM_MAILS, MAILS)
        found = [await bench.carried("ingest", "mails", MAILS, lambda: taken_in(WARM_MAILS + MAILS))]
        for service in ("router", "assigner"):
            await bench.carried(service, "mails", MAILS, lambda s=service: bench.drained(*GROUPS[s]))  # type: ignore[misc]
        bench.stand("router", "assigner")
        return [*found, await bench.carried("notifier", "mails sent", MAILS, lambda: sent(WARM_MAILS + MAILS))]
    finally:
        bench.round_.stop()
        sink.stop()
        dovecot.stop()


async def webhooks_out(own: Servers) -> list[Carried]:
    """Webhooks to fifty receivers that answer at once."""
    far = webhooks.Far.start()
    extra = {"POSTROOM_WEBHOOK_NETWORKS": "127.0.0.0/8", "BENCH_HOOK_SECRET": webhooks.SECRET}
    bench = Bench(Round(own, extra=extra | {"POSTROOM_SESSION_TIMEOUT_MS": "280000"}))
    publisher = Publisher(bench.round_.settings)
    try:
        ports = far.line()
        await bench.round_.prepare(_few(webhooks.subscribed(ports["port"], ports["port"])))
        bench.start("notifier")
        await publisher.start()
        each, arrived = webhooks.PER_INBOX, 0

        async def feed(first: int, count: int) -> None:
            facts = [
                webhooks.event(bench.round_.prefix, n, time.time(), "inbox-0") for n in range(first, first + count)
            ]
            await publisher.publish_events(CONVERSATION_EVENTS, facts)

        async def taken(count: int) -> None:
            nonlocal arrived
            while arrived < count:
                await asyncio.sleep(0.1)
                arrived += len((await asyncio.to_thread(far.ask, "report"))["seen"])

        await feed(0, 4)
        async with asyncio.timeout(STEP_SECONDS):
            await taken(4 * each)
        bench.stand("notifier")
        await feed(4, WEBHOOKS // each)
        return [await bench.carried("notifier", "webhooks", WEBHOOKS, lambda: taken(4 * each + WEBHOOKS))]
    finally:
        await publisher.stop()
        bench.round_.stop()
        far.stop()


def _few(made: Configuration) -> Configuration:
    """Return the configuration with the subscriptions of one inbox, whose receivers are all well."""
    mine = [s for s in made.webhooks if s.inboxes == ["inbox-0"]]
    return made.model_copy(
        update={"webhooks": [s.model_copy(update={"url": s.url.rsplit("/", 2)[0] + f"/well/{s.id}"}) for s in mine]}
    )


def table(rows: Sequence[Carried], machine: str, date: str) -> str:
    """Return the page's table, in Markdown."""
    lines = [
        f"Measured on {date}, {machine}, which Kafka, MongoDB, mail servers and the load shared, by `make bench-sizing`:",
        "",
        "| service | one replica carries, a second | limited by | processor each: own, MongoDB, Kafka | memory: rest, most |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {r.service} | {r.per_second:,.0f} {r.what} | {r.limit} ({r.cores:.2f} used)"
        f" | {r.service_ms:.2f}, {r.mongo_ms:.2f}, {r.kafka_ms:.2f} ms | {r.idle_mib:.0f}, {r.peak_mib:.0f} MiB |"
        for r in rows
    ]
    return "\n".join([*lines, "", whole_way(rows)])


def whole_way(rows: Sequence[Carried]) -> str:
    """Return what one mail costs on its way through all six services and out as one notification."""
    way = [r for r in rows if r.what in ("mails", "messages", "mails sent")]
    own, mongo, kafka = (
        sum(costs) for costs in zip(*((r.service_ms, r.mongo_ms, r.kafka_ms) for r in way), strict=True)
    )
    cores = (own + mongo + kafka) / 10
    return (
        f"One mail on its way through all services, with one notification, costs {own:.2f} ms of theirs, {mongo:.2f} ms of"
        f" MongoDB's and {kafka:.2f} ms of Kafka's: 100 mails a second keep {cores:.1f} cores busy."
    )


def written(page: str, made: str) -> str:
    """Return the page with the table in its place. Raises ValueError when the page has no place for it."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE} has no lines {BEGIN} and {END}")
    return f"{before}{begin}\n{made}\n{end}{after}"


async def measure() -> list[Carried]:
    async with asyncio.timeout(LIMIT_SECONDS):
        with servers() as own:
            return [*await mails(own), *await pipeline(own), *await webhooks_out(own)]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sizing", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE}")
    options = parser.parse_args()
    date, machine = time.strftime("%Y-%m-%d"), processor()
    try:
        rows = asyncio.run(measure())
    except TimeoutError:
        say(f"not done within {LIMIT_SECONDS:.0f} s, or a step not within {STEP_SECONDS:.0f} s")
        return 1
    order = ["ingest", *GROUPS]
    rows.sort(key=lambda row: order.index(row.service))
    OUTPUT.parent.mkdir(exist_ok=True)
    made = [asdict(row) | {"cores": row.cores, "limit": row.limit} for row in rows]
    OUTPUT.write_text(json.dumps({"date": date, "machine": machine, "rows": made}, indent=1))
    said = table(rows, machine, date)
    console.print(said, markup=False, soft_wrap=True)
    if options.write:
        PAGE.write_text(written(PAGE.read_text(), said))
    return 0


if __name__ == "__main__":
    sys.exit(main())
