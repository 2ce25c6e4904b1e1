"""Servers and services of a run as processes: started, killed, started again, and ended by pid at the end."""

import asyncio
import os
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from postroom_contracts.configuration import ConfigurationApplied
from postroom_contracts.events import new_event
from postroom_contracts.topics import CONFIGURATION, all_topics
from postroom_local.dovecot import DovecotServer
from postroom_local.kafka import KafkaServer
from postroom_local.mail import greets
from postroom_local.mongo import MongoServer
from postroom_local.ports import free_port
from postroom_local.process import ManagedProcess, spawn
from postroom_runtime.clock import SystemClock
from postroom_runtime.kafka import Publisher, create_topics
from postroom_runtime.settings import RuntimeSettings

from faults.company import MAIL_USERS, PASSWORD, PASSWORD_VARIABLE, configuration

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "faults"
READY_SECONDS = 240.0
UP_SECONDS = 240.0
"""How long a server may take to start: seconds on an idle machine, much longer on a busy one."""
RESTART_SECONDS = 2.0
"""A service that ends by itself is started again, at most so often."""
TOPIC_PREFIX = "faults-"
DATABASE_PREFIX = "faults_"
# A lease must outlast a whole send; short ones, so that what a killed process held is taken up again within the run.
SETTINGS = {
    "POSTROOM_SESSION_TIMEOUT_MS": "6000",
    "POSTROOM_LEASE_SECONDS": "6",
    "POSTROOM_SMTP_COMMAND_SECONDS": "5",
    "POSTROOM_SMTP_SEND_SECONDS": "10",
    "POSTROOM_SMTP_LEASE_SECONDS": "20",
    "POSTROOM_RECEIVER_MAILS_PER_HOUR": "1000000",  # a few agents get thousands of mails in minutes
    "POSTROOM_API_TOKEN": "a-token-of-the-fault-run",
    "POSTROOM_SIGNING_KEYS": "a-signing-key-of-the-fault-run",
    "POSTROOM_LOG_FORMAT": "console",
    PASSWORD_VARIABLE: PASSWORD,
}
_SERVER_UP_AFTER = {"kafka": 1.0, "mongod": 2.0, "mail": 3.0}
"""Seconds for which a killed server stays away, beside the time that it needs to start."""


@dataclass
class Service:
    """One service, whichever process it is at the moment."""

    name: str
    process: ManagedProcess | None = None
    aimed_at: str = ""
    """The step at which the present process kills itself; empty: none."""
    started_at: float = 0.0
    program: tuple[str, ...] = ()
    """What is run in place of this tree's services, such as another release; the service's name comes behind it."""

    @property
    def service(self) -> str:
        """Which service it is: several processes of one are told apart by what stands behind a full stop."""
        return self.name.partition(".")[0]

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.running


@dataclass
class World:
    """All processes of a run. Use as `async with World(...) as world`; `kills` counts the SIGKILLs of each."""

    services: dict[str, Service]
    broken: str = ""
    kafka: KafkaServer = field(init=False)
    mongo: MongoServer = field(init=False)
    dovecot: DovecotServer = field(init=False)
    smtp_port: int = field(default_factory=free_port)
    sink: ManagedProcess | None = None
    kills: Counter[str] = field(default_factory=Counter)
    crashes: list[str] = field(default_factory=list)
    """Services that ended by themselves, with the end of their log."""
    _expected_down: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, names: tuple[str, ...], broken: str = "") -> Self:
        return cls({name: Service(name) for name in names}, broken)

    def __post_init__(self) -> None:
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(parents=True)
        self.kafka = KafkaServer(FOLDER / "kafka")
        self.mongo = MongoServer(FOLDER / "mongo")
        self.dovecot = DovecotServer(MAIL_USERS)

    @property
    def running_services(self) -> frozenset[str]:
        """Names of the services, however many processes each has."""
        return frozenset(service.service for service in self.services.values())

    @property
    def _servers(self) -> tuple[KafkaServer, MongoServer, DovecotServer]:
        return self.kafka, self.mongo, self.dovecot

    @property
    def mail_file(self) -> Path:
        return FOLDER / "mailboxes.jsonl"

    @property
    def env(self) -> dict[str, str]:
        return {
            "POSTROOM_KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            "POSTROOM_MONGO_URI": self.mongo.uri,
            "POSTROOM_TOPIC_PREFIX": TOPIC_PREFIX,
            "POSTROOM_DATABASE_PREFIX": DATABASE_PREFIX,
            **SETTINGS,
        }

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment of a command that is to work on this run's servers."""
        return {**os.environ, **self.env}

    @property
    def settings(self) -> RuntimeSettings:
        known = RuntimeSettings.model_fields
        values = {k.removeprefix("POSTROOM_").lower(): v for k, v in self.env.items()}
        return RuntimeSettings.model_validate({k: v for k, v in values.items() if k in known})

    async def __aenter__(self) -> Self:
        try:
            await asyncio.gather(*(asyncio.to_thread(s.start, UP_SECONDS) for s in self._servers))
            self._start_sink()
            await self._wait_for_sink()
            await self._prepare()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        for service in self.services.values():
            if service.process is not None:
                service.process.kill()
        if self.sink is not None:
            self.sink.kill()
        self.kafka.kill()
        self.mongo.kill()
        self.dovecot.kill()
        self.dovecot.close()

    async def _prepare(self) -> None:
        """Create topics and publish the configuration."""
        await create_topics(self.settings, all_topics())
        publisher = Publisher(self.settings)
        await publisher.start()
        now = SystemClock().now()
        applied = ConfigurationApplied(
            configuration_version=1, applied_at=now, configuration=configuration(self.dovecot.port, self.smtp_port)
        )
        event = new_event(applied, source="/postroom/desk", cause_id="faults", subject="configuration", time=now)
        await publisher.publish_events(CONFIGURATION, [event])
        await publisher.stop()

    # --- the mail server ----------------------------------------------------------------------------------------

    def _start_sink(self) -> None:
        command = [sys.executable, "-m", "faults.sink", str(self.smtp_port), str(self.dovecot.data_dir)]
        self.sink = spawn("sink", [*command, str(self.mail_file)], FOLDER / "sink.log", cwd=ROOT)

    async def _wait_for_sink(self) -> None:
        sink = self.sink
        assert sink is not None
        await asyncio.to_thread(sink.wait_ready, lambda: greets(self.smtp_port, b"220"), UP_SECONDS, "See its log.")

    # --- services -----------------------------------------------------------------------------------------------

    def start_service(self, name: str, aimed_at: str = "") -> None:
        """Start a service; with `aimed_at` ("step:count") it kills itself when it reaches that step."""
        service = self.services[name]
        service.started_at = time.monotonic()
        service.aimed_at = aimed_at
        self._port_file(name).unlink(missing_ok=True)
        program = service.program or (sys.executable, *self._program)
        env = {**self.env, "POSTROOM_HTTP_PORT_FILE": str(self._port_file(name))}
        env["POSTROOM_KILL_AT"] = aimed_at
        service.process = spawn(name, [*program, service.service], FOLDER / "logs" / f"{name}.log", env=env, cwd=ROOT)
        self._expected_down.discard(name)

    @property
    def _program(self) -> tuple[str, ...]:
        return ("-m", "faults.broken", self.broken) if self.broken else ("-m", "postroom_runtime.cli", "run")

    def _port_file(self, name: str) -> Path:
        return FOLDER / f"{name}.port"

    def is_ready(self, name: str) -> bool:
        """Say whether the service answers its readiness probe with yes. Blocks at most 2 s."""
        if not self.services[name].running:
            return False
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port(name)}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (OSError, ValueError):
            return False

    def port(self, name: str) -> int:
        """Return where a process serves HTTP. Raises OSError or ValueError while it does not."""
        return int(self._port_file(name).read_text())

    async def start_services(self) -> None:
        """Start all and return when they are ready. Raises RuntimeError with the log's end of one that is not."""
        for name in self.services:
            self.start_service(name)
        await self.wait_ready(*self.services)

    async def wait_ready(self, *names: str) -> None:
        """Return when these processes are ready. Raises RuntimeError with the log's end of one that is not."""
        give_up_at = time.monotonic() + READY_SECONDS
        waiting = set(names)
        while waiting:
            for name in sorted(waiting):
                if await asyncio.to_thread(self.is_ready, name):
                    waiting.discard(name)
                elif time.monotonic() > give_up_at or not self.services[name].running:
                    process = self.services[name].process
                    raise RuntimeError(f"{name} is not ready:\n{process.log_tail(40) if process else ''}")
            await asyncio.sleep(0.2)

    def kill_service(self, name: str) -> None:
        """End a service by SIGKILL; it stays down until `start_service`."""
        service = self.services[name]
        if service.process is None or name in self._expected_down:
            return
        self._expected_down.add(name)
        if service.running or service.aimed_at:  # it may have done so itself in this moment
            self.kills[name] += 1
        service.process.kill()

    def supervise(self) -> list[str]:
        """Return services that ended by themselves and were started again: an aimed kill is counted as a kill."""
        rested = time.monotonic() - RESTART_SECONDS
        down = [s for s in self.services.values() if not s.running and s.name not in self._expected_down]
        ended = [s for s in down if s.started_at < rested]
        for service in ended:
            if service.aimed_at:
                self.kills[service.name] += 1
            else:
                tail = service.process.log_tail(8) if service.process else ""
                self.crashes.append(f"{service.name}:\n{tail}")
            self.start_service(service.name)
        return [s.name for s in ended]

    # --- servers ------------------------------------------------------------------------------------------------

    async def kill_server(self, name: str) -> None:
        """End broker, mongod or mail server by SIGKILL and start it again; returns when it serves."""
        self.kills[name] += 1
        match name:
            case "kafka":
                await asyncio.to_thread(self.kafka.kill)
            case "mongod":
                await asyncio.to_thread(self.mongo.kill)
            case _:
                assert self.sink is not None
                await asyncio.to_thread(self.sink.kill)
                await asyncio.to_thread(self.dovecot.kill)
        await asyncio.sleep(_SERVER_UP_AFTER[name])
        match name:
            case "kafka":
                await asyncio.to_thread(self.kafka.start, UP_SECONDS)
            case "mongod":
                await asyncio.to_thread(self.mongo.start, UP_SECONDS)
            case _:
                await asyncio.to_thread(self.dovecot.start, UP_SECONDS)
                self._start_sink()
                await self._wait_for_sink()


def remove_data() -> None:
    """Throw away the servers' data of a run that went well; its logs and results stay."""
    for name in ("kafka", "mongo", "kafka-copy", "mongo-copy"):
        shutil.rmtree(FOLDER / name, ignore_errors=True)
