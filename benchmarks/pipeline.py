"""The pipeline beside its floor: throughput from a preloaded topic, CPU per message, latency at 50 messages a second."""

import asyncio
import signal
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from postroom_contracts.events import encode_body, encode_headers
from postroom_contracts.ids import conversation_id
from postroom_contracts.topics import CONVERSATION_EVENTS, INBOUND_MESSAGES
from postroom_runtime.settings import RuntimeSettings
from pymongo import AsyncMongoClient, MongoClient

from benchmarks.messages import company, feed
from benchmarks.procs import load, peak_mib, total_cpu
from benchmarks.recipe import Recipe, capture
from benchmarks.world import Process, Round, Servers

MESSAGES = 6000
LATENCY_RATE = 50.0
LATENCY_SECONDS = 12.0
LATENCY_DROP = 4.0
TIMEOUT_SECONDS = 90.0
SERVICES = ("router", "assigner", "analytics")
OUTER = ("notifier", "desk")
STAGES = ("route", "assign", "analyse")
GROUPS = {"services": ("router-thread", "router-decide", "assigner", "analytics"), "outer": ("notifier", "desk")}


@dataclass
class Figures:
    """One side of one round."""

    messages_per_second: float = 0.0
    cpu_us_per_message: float = 0.0
    documents_per_message: float = 0.0
    found_per_message: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    memory_mib: dict[str, float] = field(default_factory=dict)


async def publish(settings: RuntimeSettings, count: int, run: str, pace: float | None = None) -> dict[str, float]:
    """Publish `count` messages, at `pace` a second by an open schedule or at once; return conversation -> scheduled time.

    Only openers are in the result. Headers beginning with x- tell the floor what it need not find out.
    """
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap, acks="all", enable_idempotence=True, max_batch_size=131_072
    )
    await producer.start()
    scheduled: dict[str, float] = {}
    futures = []
    started = time.time()
    for item in feed(count, run=run):
        home = conversation_id("support", f"{run}-{item.root}@customers.test")
        headers = [*encode_headers(item.event), ("x-conversation", home.encode())]
        if item.root == item.number:
            headers.append(("x-opens", b"1"))
        if pace is not None:
            due = started + item.number / pace
            await asyncio.sleep(max(0.0, due - time.time()))
            if item.root == item.number:
                scheduled[item.event.data.external_id] = due  # type: ignore[attr-defined]
        futures.append(
            await producer.send(
                settings.topic(INBOUND_MESSAGES.name),
                encode_body(item.event.data),
                item.event.key.encode(),
                headers=headers,
            )
        )
        if len(futures) >= 1000:
            await asyncio.gather(*futures)
            futures.clear()
    await asyncio.gather(*futures)
    await producer.stop()
    return scheduled


async def committed(settings: RuntimeSettings, groups: Sequence[str]) -> dict[str, int]:
    """Return group -> committed records over all partitions."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    await admin.start()
    try:
        result = {}
        for group in groups:
            offsets = await admin.list_consumer_group_offsets(f"{settings.topic_prefix}{group}")
            result[group] = sum(max(0, o.offset) for o in offsets.values())
        return result
    finally:
        await admin.close()


async def wait_until_done(settings: RuntimeSettings, messages: int, groups: Sequence[str]) -> float:
    """Return the moment at which the groups have committed all that `messages` inbound messages led to."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap)
    await consumer.start()
    topic = settings.topic(CONVERSATION_EVENTS.name)
    partitions = [TopicPartition(topic, p) for p in range(settings.partitions)]
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    await admin.start()
    deadline = time.time() + TIMEOUT_SECONDS
    try:
        while time.time() < deadline:
            ends = await consumer.end_offsets(partitions)
            total = sum(ends.values())
            done = True
            for group in groups:
                offsets = await admin.list_consumer_group_offsets(f"{settings.topic_prefix}{group}")
                got = sum(max(0, o.offset) for tp, o in offsets.items() if not tp.topic.endswith("-replay"))
                want = messages if group in ("router-thread", "router-decide") else total
                done = done and got >= want and total >= messages * 1.6
            if done:
                return time.time()
            await asyncio.sleep(0.05)
    finally:
        await consumer.stop()
        await admin.close()
    raise TimeoutError(f"not done in {TIMEOUT_SECONDS:.0f} s: {await committed(settings, groups)}")


def documents(servers: Servers) -> tuple[int, int]:
    """Return how many documents mongod has written and returned since it started."""
    client: MongoClient[dict[str, Any]] = MongoClient(servers.mongo.uri)
    try:
        counted = client.admin.command("serverStatus")["metrics"]["document"]
    finally:
        client.close()
    return counted["inserted"] + counted["updated"] + counted["deleted"], counted["returned"]


async def throughput(round_: Round, processes: list[Process], groups: Sequence[str], messages: int) -> Figures:
    """Preload while the processes stand still, let them run, and measure until all is committed."""
    for process in processes:
        process.signal(signal.SIGSTOP)
    await publish(round_.settings, messages, round_.prefix)
    pids = [p.pid for p in processes] + round_.servers.pids
    before, started = total_cpu(pids), time.time()
    written, returned = documents(round_.servers)
    for process in processes:
        process.signal(signal.SIGCONT)
    ended = await wait_until_done(round_.settings, messages, groups)
    cpu = total_cpu(pids) - before
    written_now, returned_now = documents(round_.servers)
    return Figures(
        messages_per_second=messages / (ended - started),
        cpu_us_per_message=cpu / messages * 1e6,
        documents_per_message=(written_now - written) / messages,
        found_per_message=(returned_now - returned) / messages,
        memory_mib={p.name: peak_mib(p.pid) for p in processes},
    )


async def latency(round_: Round, collection: str, run: str, database: str) -> list[float]:
    """Return milliseconds from the scheduled time of each opener to its state in the analytics collection."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(round_.servers.mongo.uri)
    states = client[round_.settings.database(database)][collection]
    seen: dict[str, float] = {}
    ready = asyncio.Event()

    async def watch() -> None:
        async with await states.watch(
            [{"$match": {"operationType": {"$in": ["insert", "replace", "update"]}}}]
        ) as stream:
            ready.set()
            async for change in stream:
                seen.setdefault(change["documentKey"]["_id"], time.time())

    watching = asyncio.create_task(watch())
    await asyncio.wait_for(ready.wait(), 15)
    count = int(LATENCY_RATE * LATENCY_SECONDS)
    scheduled = await publish(round_.settings, count, run, pace=LATENCY_RATE)
    await asyncio.sleep(1.5)
    watching.cancel()
    await client.close()
    first = min(scheduled.values())
    result = []
    for external_id, due in scheduled.items():
        home = conversation_id("support", external_id)
        if due - first >= LATENCY_DROP and home in seen:
            result.append((seen[home] - due) * 1000)
    if len(result) < len([d for d in scheduled.values() if d - first >= LATENCY_DROP]) * 0.99:
        raise TimeoutError("some messages did not reach the rollup within 1.5 s after the feed")
    return result


async def real_side(servers: Servers, *, outer: bool, with_latency: bool) -> tuple[Figures, Recipe]:
    round_ = Round(servers)
    try:
        await round_.prepare(company())
        names = (*SERVICES, *OUTER) if outer else SERVICES
        processes = round_.start_services(names)
        groups = GROUPS["services"] + (GROUPS["outer"] if outer else ())
        await warm(round_, processes, groups)
        figures = await throughput(round_, processes, groups, MESSAGES)
        recipe = await capture(round_.settings, MESSAGES + WARM)
        if with_latency:
            figures.latencies_ms = await latency(round_, "states_1", f"{round_.prefix}L", "analytics")
        return figures, recipe
    finally:
        round_.stop()


WARM = 400


async def warm(round_: Round, processes: list[Process], groups: Sequence[str]) -> None:
    """Let connections, plans and JITs settle: a few hundred messages that are not counted."""
    del processes
    await publish(round_.settings, WARM, f"{round_.prefix}W")
    await wait_until_done(round_.settings, WARM, groups)


async def floor_side(servers: Servers, recipe: Path, *, with_latency: bool) -> Figures:
    round_ = Round(servers)
    try:
        await round_.prepare(company())
        processes = [round_.start(s, [sys.executable, "-m", "benchmarks.floor", s, str(recipe)]) for s in STAGES]
        deadline = time.monotonic() + 60
        while not all(p.port_file.exists() for p in processes):
            if time.monotonic() > deadline or any(p.process.poll() is not None for p in processes):
                raise RuntimeError("the floor did not start: " + " ".join(p.log.read_text()[-500:] for p in processes))
            await asyncio.sleep(0.05)
        await warm(round_, processes, GROUPS["services"])
        figures = await throughput(round_, processes, GROUPS["services"], MESSAGES)
        if with_latency:
            figures.latencies_ms = await latency(round_, "states", f"{round_.prefix}L", "floor")
        return figures
    finally:
        round_.stop()


@dataclass
class PipelineResult:
    """Medians of the per-round ratios, that of p50 and p99, too; `rounds` holds what each was made of."""

    ratio: float
    cpu_ratio: float
    messages_per_second: float
    floor_per_second: float
    p50_ratio: float
    p99_ratio: float
    ratio_with_notifier_and_desk: float
    rounds: list[dict[str, Any]]
    memory_mib: dict[str, float]


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def run_pipeline(servers: Servers, rounds: int, say: Callable[[str], None]) -> PipelineResult:
    """Run floor and services in turns, A B A B; the first round is dropped."""
    recipe_file = servers.folder / "recipe"
    first, recipe = await real_side(servers, outer=False, with_latency=False)
    recipe.save(recipe_file)
    say(f"recipe taken; services alone {first.messages_per_second:.0f}/s")
    kept: list[dict[str, Any]] = []
    memory: dict[str, float] = {}
    for number in range(rounds):
        floor = await floor_side(servers, recipe_file, with_latency=True)
        real, _ = await real_side(servers, outer=False, with_latency=True)
        outer, _ = await real_side(servers, outer=True, with_latency=False)
        row = {
            "ratio": real.messages_per_second / floor.messages_per_second,
            "cpu_ratio": real.cpu_us_per_message / floor.cpu_us_per_message,
            "ratio_with_notifier_and_desk": outer.messages_per_second / floor.messages_per_second,
            "p50_ratio": quantile(real.latencies_ms, 0.5) / quantile(floor.latencies_ms, 0.5),
            "p99_ratio": quantile(real.latencies_ms, 0.99) / quantile(floor.latencies_ms, 0.99),
            "load": load(),
            "floor": _short(floor),
            "services": _short(real),
        }
        for name, value in (real.memory_mib | outer.memory_mib).items():
            memory[name] = max(memory.get(name, 0.0), value)
        say(
            f"round {number + 1}/{rounds}: floor {floor.messages_per_second:.0f}/s, services {real.messages_per_second:.0f}/s "
            f"({row['ratio']:.2f}), with notifier and desk {row['ratio_with_notifier_and_desk']:.2f}, "
            f"CPU {row['cpu_ratio']:.2f} x, p50 {row['p50_ratio']:.2f} x, p99 {row['p99_ratio']:.2f} x"
        )
        if number > 0 or rounds == 1:
            kept.append(row)

    def median(name: str) -> float:
        return statistics.median(float(row[name]) for row in kept)

    return PipelineResult(
        ratio=median("ratio"),
        cpu_ratio=median("cpu_ratio"),
        messages_per_second=statistics.median(r["services"]["messages_per_second"] for r in kept),
        floor_per_second=statistics.median(r["floor"]["messages_per_second"] for r in kept),
        p50_ratio=median("p50_ratio"),
        p99_ratio=median("p99_ratio"),
        ratio_with_notifier_and_desk=median("ratio_with_notifier_and_desk"),
        rounds=kept,
        memory_mib=memory,
    )


def _short(figures: Figures) -> dict[str, Any]:
    shown = asdict(figures)
    values = shown.pop("latencies_ms")
    shown.pop("memory_mib")
    if values:
        shown |= {"p50_ms": quantile(values, 0.5), "p99_ms": quantile(values, 0.99)}
    return shown
