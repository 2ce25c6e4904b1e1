"""Consoles on live updates: how long a fact takes to all of them, and what a killed replica costs."""

import asyncio
import contextlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from postroom_contracts import facts as f
from postroom_contracts.events import new_event
from postroom_contracts.ids import content_id, derived_id
from postroom_contracts.topics import CONVERSATION_EVENTS
from postroom_contracts.values import Channel, ContentReference, Status
from postroom_runtime.clock import SystemClock
from postroom_runtime.kafka import Publisher

from benchmarks.desk_world import INBOXES
from benchmarks.world import Process, Round

CONSOLES = 200
RETRY_SECONDS = 1.0
PER_SECOND = 5
BEFORE, AFTER = 75, 75
"""Facts before and after the kill."""


@dataclass
class Console:
    """One open page: reads the stream, and comes back to another replica when its own is gone."""

    urls: list[str]
    token: str
    arrived: dict[str, float] = field(default_factory=dict)
    repeated: int = 0
    last_id: str = ""
    live_at: list[float] = field(default_factory=list)

    async def follow(self) -> None:
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._stream(self.urls[0])
            self.urls.append(self.urls.pop(0))
            await asyncio.sleep(RETRY_SECONDS)

    async def _stream(self, url: str) -> None:
        place = urlsplit(url)
        reader, writer = await asyncio.open_connection(place.hostname, place.port, limit=1 << 20)
        try:
            last = f"Last-Event-ID: {self.last_id}\r\n" if self.last_id else ""
            head = f"GET /api/v1/events?counts=true HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Bearer {self.token}\r\n"
            writer.write(f"{head}{last}\r\n".encode())
            while line := await reader.readline():
                self._take(line.decode().strip())
        finally:
            writer.close()

    def _take(self, line: str) -> None:
        name, _, value = line.partition(": ")
        if name == "event" and value == "hello":
            self.live_at.append(time.monotonic())
        elif name == "id":
            self.last_id = value
        elif name == "data" and '"position"' in value:
            message = json.loads(value)["event"]["data"].get("message_id", "")
            self.repeated += message in self.arrived
            self.arrived.setdefault(message, time.monotonic())


async def measure(round_: Round, replicas: Sequence[Process], token: str) -> dict[str, Any]:
    """Return `event_p95_ms`, `live_again_seconds` (the slowest console), `missed` and `repeated` facts."""
    urls = [r.url for r in replicas]
    consoles = [Console(urls[n % 2 :] + urls[: n % 2], token) for n in range(CONSOLES)]
    tasks = [asyncio.create_task(console.follow()) for console in consoles]
    await _until(lambda: all(c.live_at for c in consoles), 60, "the consoles to be live")
    publisher = Publisher(round_.settings)
    await publisher.start()
    try:
        sent = await _publish(publisher, 0, BEFORE)
        await _until(lambda: all(len(c.arrived) >= BEFORE for c in consoles), 30, "the facts before the kill")
        delays = sorted((c.arrived[m] - at) * 1000 for c in consoles for m, at in sent.items())
        killed_at = time.monotonic()
        replicas[1].process.kill()
        sent |= await _publish(publisher, BEFORE, AFTER)
        with contextlib.suppress(TimeoutError):
            await _until(
                lambda: all(len(c.arrived) >= BEFORE + AFTER for c in consoles), 30, "the facts after the kill"
            )
    finally:
        for task in tasks:
            task.cancel()
        await publisher.stop()
    moved = [c for n, c in enumerate(consoles) if n % 2]
    return {
        "event_p95_ms": delays[int(len(delays) * 0.95)],
        "event_p50_ms": delays[len(delays) // 2],
        "live_again_seconds": max((c.live_at[-1] - killed_at if len(c.live_at) > 1 else 999.0) for c in moved),
        "missed": sum(len(sent.keys() - c.arrived.keys()) for c in consoles),
        "repeated": sum(c.repeated for c in consoles),
    }


async def _until(holds: Any, seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        await asyncio.sleep(0.02)


async def _publish(publisher: Publisher, first: int, count: int) -> dict[str, float]:
    """Publish new conversations' first facts at an even pace; returns message id to the time at which it was sent."""
    clock, sent = SystemClock(), dict[str, float]()
    for n in range(first, first + count):
        message, now = f"live-{n}", clock.now()
        fact = f.MessageReceived(
            message_id=message, ledger_id=message, account_id="mail", inbox_id=f"inbox-{n % INBOXES}",
            channel=Channel.EMAIL, message_kind="message", contact_id="live",
            content=ContentReference(content_id=content_id(message), sha256="0" * 64), body_bytes=1,
            received_at=now, ingested_at=now, opened=True, status=Status.OPEN, configuration_version=1,
        )  # fmt: skip
        event = new_event(
            fact, source="/postroom/router", cause_id=message, subject=derived_id("live", message), time=now, sequence=1
        )
        sent[message] = time.monotonic()
        await publisher.publish_events(CONVERSATION_EVENTS, [event])
        await asyncio.sleep(1 / PER_SECOND)
    return sent
