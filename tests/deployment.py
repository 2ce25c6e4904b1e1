"""A deployment for one test: topics and databases under names of its own, a configuration, services as processes."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from aiokafka import ConsumerRecord
from postroom_contracts.configuration import Configuration, ConfigurationApplied
from postroom_contracts.events import Event, new_event
from postroom_contracts.registry import source_of
from postroom_contracts.topics import CONFIGURATION, Topic, all_topics
from postroom_runtime.clock import SystemClock
from postroom_runtime.kafka import Publisher, create_topics
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.tail import read_to_end

from tests.groups import bury
from tests.topic_log import TopicLog
from tests.validation import validate_record, validate_topics

ADDRESS = re.compile(r"[\w.+-]+@[\w.-]*\.(?:test|example)\b")
"""Every person and inbox of the tests lives at such an address."""
SIGNING_KEY = "a-signing-key-of-the-tests-0001"


class ServiceProcess:
    """One `postroom run NAME` (or `postroom COMMAND...`), with its log in a file and its HTTP door on a free port."""

    def __init__(self, name: str, env: Mapping[str, str], command: Sequence[str] = ()) -> None:
        self.name = name
        self._folder = Path(tempfile.mkdtemp(prefix=f"postroom-{name}-"))
        self._port_file = self._folder / "port"
        self.log = self._folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "postroom_runtime.cli", *(command or ("run", name))],
                env={**os.environ, **env, "POSTROOM_HTTP_PORT_FILE": str(self._port_file)},
                stdout=log,
                stderr=log,
            )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port_file.read_text()}"

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=30) as answer:
            return str(answer.read().decode())

    async def ready(self, timeout_seconds: float = 60) -> None:
        """Return when `/readyz` says yes; raise with the log's end when the process ended or time is over."""
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError, ValueError):
                await asyncio.to_thread(self.get, "/readyz")
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"{self.name} is not ready ({self.process.poll()}): {self.log.read_text()[-3000:]}")

    def lines_with_addresses(self) -> list[str]:
        """Return the lines of the log that hold a mail address: logs carry ids, never content."""
        return [line for line in self.log.read_text(errors="replace").splitlines() if ADDRESS.search(line)]

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    async def ended(self, timeout_seconds: float = 60) -> int:
        """Return the exit code of a process that ends by itself."""
        return await asyncio.to_thread(self.process.wait, timeout_seconds)

    async def stop(self) -> int:
        if self.process.poll() is None:
            self.process.terminate()
        return await asyncio.to_thread(self.process.wait, 45)


class Deployment:
    """Where the services of one test meet. Use as `async with Deployment(...) as deployment`."""

    def __init__(
        self, bootstrap: str, mongo_uri: str, topic_prefix: str, database_prefix: str, **settings: Any
    ) -> None:
        self.env: dict[str, str] = {
            "POSTROOM_KAFKA_BOOTSTRAP": bootstrap,
            "POSTROOM_MONGO_URI": mongo_uri,
            "POSTROOM_TOPIC_PREFIX": topic_prefix,
            "POSTROOM_DATABASE_PREFIX": database_prefix,
            "POSTROOM_SIGNING_KEYS": SIGNING_KEY,
            "POSTROOM_LOG_FORMAT": "console",
            "POSTROOM_SESSION_TIMEOUT_MS": "6000",
            **{f"POSTROOM_{name.upper()}": str(value) for name, value in settings.items()},
        }
        self.settings = RuntimeSettings(
            **{k.removeprefix("POSTROOM_").lower(): v for k, v in self.env.items() if k.startswith("POSTROOM_")}  # type: ignore[arg-type]
        )
        self.clock = SystemClock(self.settings.clock_offset_seconds)
        self.publisher = Publisher(self.settings)
        self.processes: list[ServiceProcess] = []
        self._logs: dict[str, TopicLog] = {}
        self.version = 0
        self.has_bad_records = False
        """A test that publishes such on purpose says so; else the records of its topics are checked at its end."""

    async def __aenter__(self) -> Self:
        await create_topics(self.settings, all_topics())
        await self.publisher.start()
        return self

    async def __aexit__(self, failure: object, *_: object) -> None:
        for process in self.processes:
            process.kill()
        for log in self._logs.values():
            await log.close()
        await self.publisher.stop()
        if failure is not None:
            return
        leaks = [line for process in self.processes for line in process.lines_with_addresses()]
        assert leaks == [], "a log holds a person's address"
        for process in self.processes:
            shutil.rmtree(process.log.parent, ignore_errors=True)
        if not self.has_bad_records:
            await validate_topics(self.settings)

    async def configure(self, configuration: Configuration) -> None:
        """Publish the next version of the configuration."""
        self.version += 1
        now = self.clock.now()
        data = ConfigurationApplied(configuration_version=self.version, applied_at=now, configuration=configuration)
        event = new_event(
            data, source=source_of("desk"), cause_id=f"test-{self.version}", subject="configuration", time=now
        )
        await self.publisher.publish_events(CONFIGURATION, [event])

    def start(self, name: str, **env: str) -> ServiceProcess:
        process = ServiceProcess(name, {**self.env, **env})
        self.processes.append(process)
        return process

    async def killed(self, process: ServiceProcess, timeout_seconds: float = 90) -> None:
        """Return when `process`, the only one of its groups, has died at its step and its members are known to be gone."""
        code = await process.ended(timeout_seconds)
        assert code == -signal.SIGKILL, f"ended with {code}: {process.log.read_text()[-2000:]}"
        await bury(self.settings)

    async def records(self, topic: Topic) -> AsyncIterator[ConsumerRecord]:
        """Yield what stands on the topic now, every record validated against its committed schema."""
        async for record in read_to_end(self.settings, self.settings.topic(topic.name)):
            validate_record(record)
            yield record

    async def events(self, topic: Topic) -> list[Event]:
        """Return what has come to the topic by now, repeats (same source and id) dropped, in order per key."""
        return await self._logs.setdefault(topic.name, TopicLog(self.settings, self.settings.topic(topic.name))).read()

    async def wait_for_events(
        self, topic: Topic, count: int, timeout_seconds: float = 60, where: Callable[[Event], bool] = lambda _: True
    ) -> list[Event]:
        """Return the events that fit as soon as there are `count` of them; raise when there are not in time."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            events = [event for event in await self.events(topic) if where(event)]
            if len(events) >= count:
                return events
            if time.monotonic() > deadline:
                logs = "\n".join(f"--- {p.name}\n{p.log.read_text()[-1500:]}" for p in self.processes)
                raise AssertionError(f"{len(events)} of {count} events on {topic.name}\n{logs}")
            await asyncio.sleep(0.1)
