"""`make bench-desk`: the desk over 200,000 conversations and 1,000,000 messages; writes build/bench-desk.json.

Exit 0: every target was met; 1: one was missed. `BENCH_CONVERSATIONS` takes fewer, `BENCH_REQUESTS` fewer requests of a kind.
Times are those of a client on the same machine, so a little above the server's own. The data (4 GB) goes at the end.
"""

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from postroom_contracts.ids import derived_id
from postroom_contracts.topics import CONVERSATION_EVENTS
from postroom_local.kafka import KafkaServer
from postroom_local.mongo import MongoServer
from postroom_runtime.kafka import client_options
from postroom_runtime.topic_ids import read_topic_ids
from rich.console import Console as Terminal

from benchmarks import desk_live
from benchmarks.desk_load import load
from benchmarks.desk_world import AGENTS, INBOXES, TAGS, TEAMS, Vocabulary, company
from benchmarks.procs import load as machine_load
from benchmarks.world import Process, Round, Servers

COUNT = int(os.environ.get("BENCH_CONVERSATIONS", "200000"))
REQUESTS = int(os.environ.get("BENCH_REQUESTS", "200"))
CACHE_GB = 4.0
"""Of MongoDB: entries and their index fit; with less, searches read from the disk."""
TOKEN = "a-token-of-the-benchmark"
OUTPUT = Path("build/bench-desk.json")
TARGETS = {
    "folder_p95_ms": 100.0,
    "conversation_p95_ms": 80.0,
    "search_p95_ms": 300.0,
    "event_p95_ms": 300.0,
    "live_again_seconds": 5.0,
    "missed": 0.0,
}


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


@contextmanager
def _servers() -> Iterator[Servers]:
    with tempfile.TemporaryDirectory(prefix="postroom-bench-desk-") as name:
        folder = Path(name)
        kafka, mongo = KafkaServer(folder / "kafka", heap_mib=512), MongoServer(folder / "mongo", cache_gb=CACHE_GB)
        kafka.start()
        mongo.start()
        try:
            yield Servers(kafka, mongo, folder)
        finally:
            kafka.kill()
            mongo.kill()


def main() -> int:
    argparse.ArgumentParser(prog="python -m benchmarks.desk", description=__doc__).parse_args()
    with _servers() as servers:
        round_ = Round(servers, extra={"POSTROOM_API_TOKENS": f"bench@agent-0={TOKEN}"})
        asyncio.run(round_.prepare(company()))
        topic = round_.settings.topic(CONVERSATION_EVENTS.name)
        topic_id = asyncio.run(read_topic_ids(client_options(round_.settings), [topic]))[topic]
        load(round_.settings, topic_id, COUNT, say)
        try:
            replicas = [round_.start_services(["desk"])[0] for _ in range(2)]
            say("two replicas are up")
            result = asyncio.run(_measure(round_, replicas))
        finally:
            round_.stop()
    return _report(result)


async def _measure(round_: Round, replicas: list[Process]) -> dict[str, Any]:
    result: dict[str, Any] = {"conversations": COUNT, "load_before": machine_load()}
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(base_url=replicas[0].url, headers=headers, timeout=30, trust_env=False) as client:
        for kind, path in KINDS.items():
            chance = random.Random(kind)
            for _ in range(REQUESTS // 4):
                await _timed(client, path(chance))
            times = sorted([await _timed(client, path(chance)) for _ in range(REQUESTS)])
            result |= {f"{kind}_p50_ms": times[len(times) // 2], f"{kind}_p95_ms": times[int(len(times) * 0.95)]}
            say(f"{kind}: p50 {result[f'{kind}_p50_ms']:.0f} ms, p95 {result[f'{kind}_p95_ms']:.0f} ms")
    return result | await desk_live.measure(round_, replicas, TOKEN)


async def _timed(client: httpx.AsyncClient, path: str) -> float:
    started = time.perf_counter()
    answer = await client.get(f"/api/v1{path}")
    answer.raise_for_status()
    return (time.perf_counter() - started) * 1000


def _folder(chance: random.Random) -> str:
    one = chance.choice(
        [
            "owner=me&status=open",
            "unassigned=true&status=open",
            "unattended=true",
            "status=open",
            "status=snoozed&sort=newest",
            "mentioned=me&sort=newest",
            f"inbox=inbox-{chance.randrange(INBOXES)}&status=open",
            f"team=team-{chance.randrange(TEAMS)}&status=open",
            f"tag=tag-{chance.randrange(TAGS)}&status=open",
            f"owner=agent-{chance.randrange(AGENTS)}&status=open",
            "status=open&sort=deadline",
            f"team=team-{chance.randrange(TEAMS)}&status=open&sort=deadline",
        ]
    )
    return f"/conversations?{one}"


def _conversation(chance: random.Random) -> str:
    return f"/conversations/{derived_id('bench-conversation', str(chance.randrange(COUNT)))}"


_WORDS = Vocabulary().words


def _search(chance: random.Random) -> str:
    """Return one of the searches that people make: words frequent and rare, people, phrases, filters, unfinished words."""

    def word(low: int, high: int) -> str:
        return _WORDS[chance.randrange(low, high)]

    one = chance.choice(
        [
            word(300, 3000),
            word(5000, 40000),
            f"{word(0, 100)} {word(0, 100)}",
            f"{word(100, 1000)} {word(100, 1000)}",
            f"{word(50, 500)} {word(50, 500)} {word(50, 500)}",
            f"from:{word(200, 5200)} ",
            f"subject:{word(0, 500)} ",
            f'"{word(0, 30)} {word(0, 30)}"',
            f"{word(10, 300)} -{word(0, 20)} ",
            f"is:open tag:tag-{chance.randrange(TAGS)} {word(0, 500)}",
            f"assignee:me {word(0, 200)}",
            f"has:attachment {word(0, 300)}",
            word(100, 20000)[:3],
        ]
    )
    return f"/search?{httpx.QueryParams(q=one)}"


KINDS: dict[str, Callable[[random.Random], str]] = {
    "folder": _folder,
    "conversation": _conversation,
    "search": _search,
    "folders": lambda _: "/folders",
}


def _report(result: dict[str, Any]) -> int:
    missed = [name for name, target in TARGETS.items() if result[name] > target]
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps(result | {"targets_missed": missed}, indent=2), encoding="utf-8")
    terminal = Terminal()
    for name, target in TARGETS.items():
        terminal.print(f"{name:20} {result[name]:9.1f}   target {target:g}   {'MISSED' if name in missed else ''}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
