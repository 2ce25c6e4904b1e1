"""The real house: Kafka, MongoDB, a mail server, an SMTP server, the six services and a Prometheus that watches them."""

import asyncio
import contextlib
import os
import shutil
import signal
import smtplib
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from postroom_contracts.configuration import Configuration, ConfigurationApplied
from postroom_contracts.events import new_event
from postroom_contracts.topics import CONFIGURATION, Topic, all_topics
from postroom_local.dovecot import DovecotServer
from postroom_local.kafka import KafkaServer
from postroom_local.mongo import MongoServer
from postroom_local.ports import free_port
from postroom_local.process import ManagedProcess, spawn
from postroom_local.smtp_sink import SmtpSink
from postroom_runtime import mongo
from postroom_runtime.clock import SystemClock
from postroom_runtime.kafka import Publisher, create_topics, topic_configs
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.stored_secrets import open_secrets, sealer_of

from watch import company, rules
from watch.causes import SERVICES
from watch.pace import HURRIED, Pace
from watch.prometheus import Prometheus
from watch.receiver import Receiver

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "watch"
READY_SECONDS = 120.0
SIGNING_KEY = "a-signing-key-of-the-watched-house"
API_TOKEN = "a-token-of-the-watched-house"
SETTINGS = {
    "POSTROOM_SESSION_TIMEOUT_MS": "6000",
    "POSTROOM_LEASE_SECONDS": "5",
    "POSTROOM_RECONCILE_SECONDS": "3",
    "POSTROOM_MONGO_TIMEOUT_SECONDS": "3",
    "POSTROOM_PUBLISH_TIMEOUT_SECONDS": "3",
    "POSTROOM_SMTP_COMMAND_SECONDS": "5",
    "POSTROOM_SMTP_SEND_SECONDS": "10",
    "POSTROOM_SMTP_LEASE_SECONDS": "20",
    "POSTROOM_RECEIVER_MAILS_PER_HOUR": "1000000",
    "POSTROOM_TOPIC_PREFIX": "watch-",
    "POSTROOM_DATABASE_PREFIX": "watch_",
    "POSTROOM_SIGNING_KEYS": SIGNING_KEY,
    "POSTROOM_SECRETS_KEY": "c2VhbHMtd2F0Y2hlZC1ob3VzZS13YXRjaGVkLTEyMzQ=",
    "POSTROOM_WEBHOOK_NETWORKS": "127.0.0.0/8",
    "POSTROOM_TOKEN_KEYS": "d2F0Y2hlZC1ob3VzZS13YXRjaGVkLWhvdXNlLTEyMzQ=",
    "POSTROOM_API_TOKEN": API_TOKEN,
    "POSTROOM_ASSIGNER_SWEEP_SECONDS": "5",
    "POSTROOM_PROBE_SECONDS": "2",
    "POSTROOM_PROBE_TIMEOUT_SECONDS": "10",
    "POSTROOM_LOG_FORMAT": "console",
    "WATCH_MAIL_PASSWORD": company.PASSWORD,
    "WATCH_WEBHOOK_SECRET": company.WEBHOOK_SECRET,
}
"""Short waits, so that what ends a trouble shows within seconds."""


@dataclass
class House:
    """Use as `async with House() as house`. Services keep their ports over restarts, so that Prometheus finds them."""

    pace: Pace = HURRIED
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in (*SERVICES, "probe")})
    services: dict[str, ManagedProcess] = field(default_factory=dict)
    door_port: int = field(default_factory=free_port)
    version: int = 0
    options: dict[str, bool] = field(default_factory=dict)
    """What is unusual in the configuration now: the arguments of `company.configuration`."""
    receiver: Receiver = field(default_factory=Receiver)
    kafka: KafkaServer = field(init=False)
    mongo: MongoServer = field(init=False)
    dovecot: DovecotServer = field(init=False)
    sink: SmtpSink = field(init=False)
    prometheus: Prometheus = field(init=False)

    def __post_init__(self) -> None:
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(parents=True)
        self.kafka = KafkaServer(FOLDER / "kafka")
        self.mongo = MongoServer(FOLDER / "mongo")
        self.dovecot = DovecotServer(company.MAIL_USERS)
        self.sink = SmtpSink(keep=False, deliver=self._deliver)
        self.prometheus = Prometheus(FOLDER / "prometheus", free_port())
        self.club_password.write_text(company.PASSWORD)

    def _deliver(self, recipient: str, content: bytes) -> None:
        """Bring mail for the company to its mailbox, or to ingest's door; what goes to others is kept by nobody."""
        if recipient == company.address("gate"):
            with smtplib.SMTP("127.0.0.1", self.door_port, timeout=5) as door:
                door.sendmail("bounces@example.test", [recipient], content)
            return
        self.dovecot.deliver(company.mailbox_of(recipient), content)

    @property
    def club_password(self) -> Path:
        return FOLDER / "club-password"

    @property
    def env(self) -> dict[str, str]:
        servers = {"POSTROOM_KAFKA_BOOTSTRAP": self.kafka.bootstrap, "POSTROOM_MONGO_URI": self.mongo.uri}
        return {**servers, **SETTINGS, "POSTROOM_DOOR_SMTP_PORT": str(self.door_port)}

    @property
    def settings(self) -> RuntimeSettings:
        known = RuntimeSettings.model_fields
        values = {k.removeprefix("POSTROOM_").lower(): v for k, v in self.env.items()}
        return RuntimeSettings.model_validate({k: v for k, v in values.items() if k in known})

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{self.ports[service]}"

    # --- start and end ------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        try:
            starts = (self.kafka.start, self.mongo.start, self.dovecot.start, self.sink.start, self.receiver.start)
            await asyncio.gather(*(asyncio.to_thread(start) for start in starts))
            for name in company.STORED_SECRETS:
                await self.put_secret(name)
            await create_topics(self.settings, all_topics())
            await self.configure()
            for name in self.ports:
                self.start_service(name)
            await self.until(self._all_ready, "the services are ready", READY_SECONDS)
            await asyncio.to_thread(self._start_prometheus)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        for process in self.services.values():
            process.kill()
        self.prometheus.stop()
        self.kafka.kill()
        self.mongo.kill()
        self.dovecot.kill()
        self.dovecot.close()
        self.sink.stop()
        self.receiver.stop()

    def _start_prometheus(self) -> None:
        self.prometheus.start(
            targets=[f"127.0.0.1:{port}" for port in self.ports.values()], rules_text=rules.text(self.pace)
        )

    async def configure(self, **options: bool) -> None:
        """Publish the next version of the configuration; what was unusual before and is not named stays so."""
        self.options |= options
        ports = company.Places(self.dovecot.port, self.sink.port, self.club_password, self.receiver.url("/hooks"))
        made = company.configuration(ports, **self.options)
        self.version += 1
        await self._publish(made)

    async def _publish(self, made: Configuration) -> None:
        now = SystemClock().now()
        data = ConfigurationApplied(configuration_version=self.version, applied_at=now, configuration=made)
        cause = f"watch-{self.version}"
        event = new_event(data, source="/postroom/desk", cause_id=cause, subject="configuration", time=now)
        async with self.publisher() as publisher:
            await publisher.publish_events(CONFIGURATION, [event])

    @contextlib.asynccontextmanager
    async def publisher(self) -> AsyncIterator[Publisher]:
        publisher = Publisher(self.settings)
        await publisher.start()
        try:
            yield publisher
        finally:
            await publisher.stop()

    async def write(self, topic: str, headers: dict[str, bytes], **more: int) -> None:
        """Write a record that no service of ours would write."""
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka.bootstrap)
        await producer.start()
        try:
            name = self.settings.topic(topic)
            await producer.send_and_wait(name, b"{", b"stranger", headers=list(headers.items()), **more)
        finally:
            await producer.stop()

    @contextlib.asynccontextmanager
    async def database(self, service: str) -> AsyncIterator[Any]:
        client = mongo.connect(self.settings)
        try:
            yield mongo.database(client, self.settings, service)
        finally:
            await mongo.close(client)

    async def put_secret(self, name: str, *, days_ago: float = 0.0) -> None:
        """Seal a secret for webhooks and store it, as if it had been set so many days ago."""
        client = mongo.connect(self.settings)
        try:
            store = open_secrets(client, self.settings, SystemClock()).store
            sealed = sealer_of(self.settings).seal(company.WEBHOOK_SECRET, name)
            await store.put(name, sealed, SystemClock().now() - timedelta(days=days_ago), "watch")
        finally:
            await mongo.close(client)

    async def remove_secret(self, name: str) -> None:
        client = mongo.connect(self.settings)
        try:
            await open_secrets(client, self.settings, SystemClock()).store.remove(name)
        finally:
            await mongo.close(client)

    # --- services -----------------------------------------------------------------------------------------------

    def start_service(self, name: str, *, module: tuple[str, ...] = ("postroom_runtime.cli",), **env: str) -> None:
        """Start a process; `module` and its first arguments stand for Postroom's command line."""
        probed = {"POSTROOM_PROBE_DESK_URL": self.url("desk")}
        given = {**self.env, **probed, "POSTROOM_HTTP_PORT": str(self.ports[name]), **env}
        what = ["probe"] if name == "probe" else ["run", name]
        program = [sys.executable, "-m", *module, *what]
        self.services[name] = spawn(name, program, FOLDER / "logs" / f"{name}.log", env=given, cwd=ROOT)

    async def stop_service(self, name: str) -> None:
        await asyncio.to_thread(self.services[name].stop, 45)

    async def restart(self, name: str) -> None:
        await self.stop_service(name)
        self.start_service(name)
        await self.until(lambda: self.is_ready(name), f"{name} is ready", READY_SECONDS)

    def freeze(self, name: str) -> None:
        """Let the process stand still, as a machine that is out of breath does."""
        os.kill(self.services[name].pid, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        os.kill(self.services[name].pid, signal.SIGCONT)

    async def is_ready(self, name: str) -> bool:
        return await self._answers(name, "readyz")

    async def is_alive(self, name: str) -> bool:
        return await self._answers(name, "livez")

    async def _answers(self, name: str, path: str) -> bool:
        def ask() -> bool:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url(name)}/{path}", timeout=2) as answer:
                return bool(answer.status == 200)
            return False

        return await asyncio.to_thread(ask)

    async def _all_ready(self) -> bool:
        for name, process in self.services.items():
            if not process.running:
                raise RuntimeError(f"{name} ended:\n{process.log_tail(30)}")
        return all([await self.is_ready(name) for name in self.services])

    async def command(self, *arguments: str) -> str:
        """Run `postroom ...` against the house; return what it says. Raises RuntimeError when it fails."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "postroom_runtime.cli",
            *arguments,
            env={**os.environ, **self.env},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=ROOT,
        )
        said, _ = await asyncio.wait_for(process.communicate(), 60)
        if process.returncode:
            raise RuntimeError(f"postroom {' '.join(arguments)}: {said.decode()[-1000:]}")
        return said.decode()

    # --- what goes wrong ----------------------------------------------------------------------------------------

    async def refuse_writes(self, topics: list[Topic], *, refuse: bool) -> None:
        """Let the broker refuse what is written to these topics: every record is older than they take."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka.bootstrap)
        await admin.start()
        try:
            wanted = {"message.timestamp.before.max.ms": "0" if refuse else str(2**63 - 1)}
            resources = [
                ConfigResource(
                    ConfigResourceType.TOPIC,
                    self.settings.topic(topic.name),
                    configs={**topic_configs(self.settings, topic), **wanted},
                )
                for topic in topics
            ]
            await admin.alter_configs(resources)
        finally:
            await admin.close()

    @staticmethod
    async def until(is_true: Callable[[], Awaitable[bool]], what: str, seconds: float) -> float:
        """Return the seconds until it was true. Raises TimeoutError naming `what`."""
        started = time.monotonic()
        while not await is_true():
            if time.monotonic() - started > seconds:
                raise TimeoutError(f"not within {seconds:g} s: {what}")
            await asyncio.sleep(0.25)
        return time.monotonic() - started
