"""Servers and services of a benchmark: own Kafka, mongod, Dovecot and SMTP sink; services as processes."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from postroom_contracts.configuration import Configuration, ConfigurationApplied
from postroom_contracts.events import new_event
from postroom_contracts.topics import CONFIGURATION, all_topics
from postroom_local.kafka import KafkaServer
from postroom_local.mongo import MongoServer
from postroom_runtime.clock import SystemClock
from postroom_runtime.kafka import Publisher, create_topics
from postroom_runtime.settings import RuntimeSettings

READY_SECONDS = 60.0


@dataclass
class Servers:
    """Kafka and mongod of one run; each round has topics and databases of its own."""

    kafka: KafkaServer
    mongo: MongoServer
    folder: Path

    @property
    def pids(self) -> list[int]:
        return [_pid(self.kafka), _pid(self.mongo)]


def _pid(server: Any) -> int:
    return int(server.pid)


@contextmanager
def servers() -> Iterator[Servers]:
    """Start Kafka (full JIT, 512 MiB) and mongod; stop them by pid at the end."""
    with tempfile.TemporaryDirectory(prefix="postroom-bench-") as name:
        folder = Path(name)
        kafka = KafkaServer(folder / "kafka", heap_mib=512, full_jit=True)
        mongo = MongoServer(folder / "mongo")
        kafka.start()
        mongo.start()
        try:
            yield Servers(kafka, mongo, folder)
        finally:
            kafka.kill()
            mongo.kill()


@dataclass
class Process:
    """One child, with its log in a file."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    port_file: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port_file.read_text()}"

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=5) as answer:  # noqa: S310 - our own loopback address
            return bytes(answer.read())

    def wait_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self.get("/readyz")
                return
            except (OSError, ValueError):
                time.sleep(0.05)
        raise RuntimeError(f"{self.name} is not ready: {self.log.read_text()[-3000:]}")

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)


@dataclass
class Round:
    """Topics, databases and processes of one round."""

    servers: Servers
    prefix: str = field(default_factory=lambda: f"b{uuid.uuid4().hex[:8]}")
    processes: list[Process] = field(default_factory=list)
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        return {
            "POSTROOM_KAFKA_BOOTSTRAP": self.servers.kafka.bootstrap,
            "POSTROOM_MONGO_URI": self.servers.mongo.uri,
            "POSTROOM_TOPIC_PREFIX": f"{self.prefix}-",
            "POSTROOM_DATABASE_PREFIX": f"{self.prefix}_",
            "POSTROOM_SIGNING_KEYS": "a-signing-key-of-the-benchmark",
            "POSTROOM_RECEIVER_MAILS_PER_HOUR": "1000000",  # a few agents get thousands of mails in minutes
            "POSTROOM_LOG_LEVEL": os.environ.get("BENCH_LOG_LEVEL", "warning"),
            **self.extra,
        }

    @property
    def settings(self) -> RuntimeSettings:
        known = RuntimeSettings.model_fields
        values: dict[str, Any] = {k.removeprefix("POSTROOM_").lower(): v for k, v in self.env.items()}
        return RuntimeSettings(**{k: v for k, v in values.items() if k in known})

    async def prepare(self, configuration: Configuration) -> None:
        """Create topics and publish the configuration."""
        await create_topics(self.settings, all_topics())
        publisher = Publisher(self.settings)
        await publisher.start()
        now = SystemClock().now()
        applied = ConfigurationApplied(configuration_version=1, applied_at=now, configuration=configuration)
        event = new_event(applied, source="/postroom/desk", cause_id="bench", subject="configuration", time=now)
        await publisher.publish_events(CONFIGURATION, [event])
        await publisher.stop()

    def start(self, name: str, command: Sequence[str], env: Mapping[str, str] | None = None) -> Process:
        log = self.servers.folder / f"{self.prefix}-{name}-{len(self.processes)}.log"
        port_file = log.with_suffix(".port")
        with log.open("wb") as out:
            child = subprocess.Popen(
                list(command),
                env={**os.environ, **self.env, **(env or {}), "POSTROOM_HTTP_PORT_FILE": str(port_file)},
                stdout=out,
                stderr=out,
            )
        process = Process(name, child, log, port_file)
        self.processes.append(process)
        return process

    def start_services(self, names: Sequence[str], env: Mapping[str, str] | None = None) -> list[Process]:
        """Start services and return when all are ready."""
        started = [self.start(n, [sys.executable, "-m", "postroom_runtime.cli", "run", n], env) for n in names]
        for process in started:
            process.wait_ready()
        return started

    def stop(self) -> None:
        for process in self.processes:
            process.stop()


def run(work: Any) -> Any:
    return asyncio.run(work)
