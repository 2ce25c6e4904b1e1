"""The demo as a whole: sets up, starts everything, keeps it going, and ends it in order."""

import asyncio
import contextlib
import logging
import os
import random
import re
import signal
import sys
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from postroom_contracts.configuration import Configuration
from postroom_contracts.topics import all_topics
from postroom_desk.cli import write as write_configuration
from postroom_local.errors import LocalServerError
from postroom_local.mail import MailUser
from postroom_local.ports import LOOPBACK, free_port, is_free, require_free
from postroom_local.process import ManagedProcess, spawn
from postroom_local.setup import prepare
from postroom_runtime.configuration_file import load_configuration
from postroom_runtime.kafka import create_topics
from postroom_runtime.settings import RuntimeSettings
from pydantic import SecretStr

from postroom_demo import history, past, player
from postroom_demo.company import HISTORY_TAG, MailPorts, configuration
from postroom_demo.controls import Sender, shown_status
from postroom_demo.counting import Counting
from postroom_demo.feed import Feed, Pace
from postroom_demo.imap_front import ImapFront
from postroom_demo.lag import LagReader
from postroom_demo.people import (
    ANSWER_ADDRESS,
    AUTHSERV_ID,
    COMPANY_DOMAIN,
    CUSTOMER_DOMAINS,
    CUSTOMERS,
    GONE,
    INBOXES,
    PEOPLE,
    VISITOR,
)
from postroom_demo.place import DemoError, Place, write_private
from postroom_demo.progress import Progress
from postroom_demo.record import record
from postroom_demo.relay import Directory, Relay
from postroom_demo.servers import Servers
from postroom_demo.services import SERVICES, Service, Supervisor
from postroom_demo.status import Controls, StatusServer
from postroom_demo.tracker import KafkaFollower, Tracker
from postroom_demo.verify import Verifier, duty_lines

_CONFIGURATION_SECONDS = 20.0
_VERSION = re.compile(r"^postroom_configuration_version (\S+)", re.MULTILINE)
_HURRY_SECONDS = 0.8
"""Between two mails of a timed run: 72 in 58 s."""
_KEPT_VARIABLES = ("POSTROOM_CACHE_DIR", "POSTROOM_RESOLVER")


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asked for. `run_seconds` None: until Ctrl-C."""

    data: Path
    run_seconds: float | None = None
    clock_offset_seconds: float = 0.0
    record_to: Path | None = None
    page_port: int | None = None
    smtp_port: int | None = None


@dataclass(slots=True)
class Demo:
    """One run. `up` starts, `go` runs, `down` stops; what was started is stopped whatever happened."""

    options: Options
    place: Place
    progress: Progress
    rng: random.Random = field(default_factory=random.Random)
    tracker: Tracker = field(default_factory=Tracker)
    applied: Configuration | None = None
    servers: Servers = field(init=False)
    relay: Relay = field(init=False)
    supervisor: Supervisor = field(init=False)
    settings: RuntimeSettings = field(init=False)
    feed: Feed = field(init=False)
    lag: LagReader = field(init=False)
    status_port: int = field(default_factory=free_port)
    _page_port: int = 0
    _smtp_port: int = 0
    _imap_port: int = field(default_factory=free_port)
    _follower: KafkaFollower | None = None
    _status: StatusServer | None = None
    _player: ManagedProcess | None = None
    _tasks: list[asyncio.Task[Any]] = field(default_factory=list)
    _counting: Counting = field(init=False)
    _down: list[tuple[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._counting = Counting(self.tracker)
        self.lag = LagReader(RuntimeSettings())

    def now(self) -> datetime:
        """Return the demo's time: the machine's, moved as all services' is."""
        return datetime.now(UTC) + timedelta(seconds=self.options.clock_offset_seconds)

    # --- up -----------------------------------------------------------------------------------------------------

    async def up(self) -> None:
        """Start everything; return when the page can be opened. Raises DemoError or LocalServerError."""
        passwords = self._passwords()
        self.servers = Servers.of(self.place, [MailUser(a, p) for a, p in passwords.items()], self.progress)
        self._choose_ports()
        self._down.append(("servers", lambda: asyncio.to_thread(self.servers.stop)))
        await _uninterrupted(asyncio.to_thread(self.servers.start, self.progress))
        self._make_settings()
        await self._start_mail_front(passwords)
        with self.progress.doing("creating topics, applying the configuration", "topics and configuration are there"):
            await create_topics(self.settings, all_topics())
            version = await self._apply_configuration(self.now())
        await self._write_history(version)
        await self._follow()
        self._make_supervisor()
        await self._start_status()
        await self._start_services()
        self._start_player(passwords)

    def _passwords(self) -> dict[str, str]:
        company = [inbox.address for inbox in INBOXES] + [ANSWER_ADDRESS] + [person.address for person in PEOPLE]
        customers = [customer.address for customer in CUSTOMERS] + [VISITOR]
        return {address: self.place.secret(address) for address in (*company, *customers)}

    def _choose_ports(self) -> None:
        page, smtp = self.options.page_port, self.options.smtp_port
        if page is not None:
            require_free(page, "the page", "--port")
        if smtp is not None:
            require_free(smtp, "the demo's SMTP", "--smtp-port")
        remembered = self._remembered_ports()
        self._page_port = page or remembered.get("page") or free_port()
        self._smtp_port = smtp or remembered.get("smtp") or free_port()
        write_private(
            self.place.root / "ports.yaml", yaml.safe_dump({"page": self._page_port, "smtp": self._smtp_port})
        )

    def _remembered_ports(self) -> dict[str, int]:
        """Return the last run's ports as far as they are free, so that a bookmark stays good."""
        try:
            found = yaml.safe_load((self.place.root / "ports.yaml").read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError):
            return {}
        return {name: port for name, port in found.items() if isinstance(port, int) and is_free(port)}

    def _make_settings(self) -> None:
        self.settings = RuntimeSettings(
            kafka_bootstrap=self.servers.kafka.bootstrap,
            mongo_uri=SecretStr(self.servers.mongo.uri),
            clock_offset_seconds=self.options.clock_offset_seconds,
        )
        self.lag = LagReader(self.settings)

    async def _start_mail_front(self, passwords: dict[str, str]) -> None:
        directory = Directory(
            passwords={**passwords, GONE.address: self.place.secret(GONE.address)},
            mailboxes=frozenset(passwords),
            checked_domains=CUSTOMER_DOMAINS | {COMPANY_DOMAIN},
            own_domain=COMPANY_DOMAIN,
            authserv_id=AUTHSERV_ID,
        )
        self.relay = Relay(directory, LOOPBACK, self._smtp_port, self.servers.mail.smtp_port, self.now)
        self.relay.listeners.append(self._counting.on_delivered)
        await self.relay.start()
        imap = ImapFront(LOOPBACK, self._imap_port, self.servers.mail.imap_port)
        await imap.start()
        self._down += [("mail front", self.relay.stop), ("mail front", imap.stop)]
        timed = self.options.run_seconds is not None
        self.feed = Feed(
            passwords=directory.passwords,
            imap_port=self._imap_port,
            smtp_port=self._smtp_port,
            pace=Pace(_HURRY_SECONDS if timed else None),
            now=self.now,
            rng=self.rng,
        )
        self.relay.listeners.append(lambda delivered: self.feed.arrived(delivered.mailbox))

    async def _apply_configuration(self, start: datetime) -> int:
        """Write the company's file, laid around `start`, and apply it; return its version."""
        files = {inbox.address: self.place.secret_file(inbox.address).absolute() for inbox in INBOXES}
        files[ANSWER_ADDRESS] = self.place.secret_file(ANSWER_ADDRESS).absolute()
        data = configuration(start, MailPorts(self._smtp_port, self._imap_port), files)
        path = self.place.root / "company.yaml"
        path.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), encoding="utf-8")
        self.applied = load_configuration(path)
        version, _ = await write_configuration(self.settings, self.applied, applied_by="demo")
        return version

    def _environment(self) -> dict[str, str]:
        """Return what the services, and anybody who wants to look in, need to find this demo's servers."""
        return {
            "POSTROOM_KAFKA_BOOTSTRAP": self.settings.kafka_bootstrap,
            "POSTROOM_MONGO_URI": self.servers.mongo.uri,
            "POSTROOM_CLOCK_OFFSET_SECONDS": str(self.options.clock_offset_seconds),
        }

    async def _write_history(self, version: int) -> None:
        done = self.place.root / "history.done"
        if done.exists():
            return
        assert self.applied is not None
        with self.progress.doing("writing thirty days of generated history", "thirty days of generated history"):
            made = history.generate(self.applied, version, self.now(), seed=1)
            await past.write(self.settings, made)
            done.write_text(f"{len(made.events)} events, tagged {HISTORY_TAG}\n", encoding="ascii")

    async def _follow(self) -> None:
        self._follower = KafkaFollower(self.settings)
        await self._follower.start()
        await self.lag.start()
        self._down += [("follower", self._follower.stop), ("lag", self.lag.stop)]
        self._background(self._track(self._follower))

    async def _track(self, follower: KafkaFollower) -> None:
        async for event, _record in follower.events():
            self.tracker.apply(event)

    async def _start_status(self) -> None:
        async def status() -> dict[str, Any]:
            return await shown_status(self)

        sender = Sender(LOOPBACK, self._smtp_port, self.now)
        controls = Controls(status=status, send=sender.send, kill=self.supervisor.kill)
        self._status = StatusServer(controls, self.status_port)
        await self._status.start()
        self._down.append(("controls", self._status.stop))

    def _make_supervisor(self) -> None:
        ports = {name: free_port() for name in SERVICES} | {"desk": self._page_port}
        services = {name: Service(name, ports[name], self.place.logs / f"{name}.log") for name in SERVICES}
        self.place.secret("signing-key")
        environment = {
            **self._environment(),
            "POSTROOM_SIGNING_KEYS_FILE": str(self.place.secret_file("signing-key").absolute()),
            "POSTROOM_DESK_OPEN": "true",
            "POSTROOM_DESK_URL": services["desk"].url,
            "POSTROOM_ANALYTICS_URL": services["analytics"].url,
            "POSTROOM_NOTIFIER_URL": services["notifier"].url,
            "POSTROOM_ROUTER_URL": services["router"].url,
            "POSTROOM_DEMO_URL": f"http://{LOOPBACK}:{self.status_port}",
        }
        self.supervisor = Supervisor(services, environment, self.progress.line)

    async def _start_services(self) -> None:
        with self.progress.doing("starting the six services", "six services are ready"):
            self.supervisor.start()
            self._down.append(("services", self.supervisor.stop))
            await self.supervisor.wait_ready()

    def _start_player(self, passwords: dict[str, str]) -> None:
        people = [
            {
                "name": person.name,
                "title": person.title,
                "client": person.client,
                "credentials": {
                    "address": person.address,
                    "password": passwords[person.address],
                    "imap_port": self._imap_port,
                    "smtp_port": self._smtp_port,
                },
            }
            for person in PEOPLE
            if person.played
        ]
        think = (0.8, 2.5) if self.options.run_seconds is not None else (2.0, 9.0)
        file = self.place.secret_file("player.json")
        write_private(file, player.file_text(people, self.options.clock_offset_seconds, think))
        log = self.place.logs / "player.log"
        self._player = spawn("player", [sys.executable, "-m", "postroom_demo.player", str(file)], log)
        self._down.append(("player", lambda: asyncio.to_thread(self._player.stop, 5.0) if self._player else _nothing()))

    # --- going --------------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Lay the shifts around this moment, wait until all services know it, and open the doors to the customers."""
        version = await self._apply_configuration(self.now())
        give_up_at = time.monotonic() + _CONFIGURATION_SECONDS
        for name in SERVICES:
            while not await self._knows(name, version):
                if time.monotonic() > give_up_at:
                    raise DemoError(f"the service {name} did not take version {version} of the configuration")
                await asyncio.sleep(0.05)
        self._background(self.supervisor.watch())
        self._background(self.feed.read())
        self._write_state()
        self._greet()

    async def _knows(self, name: str, version: int) -> bool:
        found = _VERSION.search(await self.supervisor.metrics(name))
        return found is not None and float(found[1]) >= version

    def _write_state(self) -> None:
        self.place.write_state(
            {
                "pid": os.getpid(),
                "page": self.supervisor.services["desk"].url,
                "controls": f"http://{LOOPBACK}:{self.status_port}",
                "smtp": {"host": LOOPBACK, "port": self._smtp_port},
                "services": {name: service.url for name, service in self.supervisor.services.items()},
                "environment": self._environment(),
            }
        )

    def _greet(self) -> None:
        say = self.progress.console.print
        program = Path(sys.argv[0])
        program_text = os.path.relpath(program) if program.name == "postroom" else "postroom"
        at = "" if self.options.data == Path(".demo") else f" --data {self.options.data}"
        say(
            f"\n[bold]The page: {self.supervisor.services['desk'].url}/[/bold]   [dim]({self.progress.seconds:.1f} s)[/dim]\n"
        )
        say("Follow the events in another terminal:", markup=False)
        say(
            f"  POSTROOM_KAFKA_BOOTSTRAP={self.settings.kafka_bootstrap} {program_text} events tail",
            markup=False,
            soft_wrap=True,
        )
        say("Send a mail of your own (any mail client may, or the form on the page):", markup=False)
        say(f'  {program_text} demo send{at} "My bell does not ring"', markup=False, soft_wrap=True)
        say(f"  SMTP {LOOPBACK} port {self._smtp_port}, no log-in, to any of:", markup=False)
        for line in duty_lines():
            say(f"    {line}", markup=False, soft_wrap=True)
        say("Ctrl-C ends it. Conversations and mail are kept; `make clean-demo` throws them away.\n", markup=False)

    async def go(self) -> int:
        """Run until cancelled (never returns then), or for the asked time; return the exit code."""
        if self.options.run_seconds is None:
            await self.feed.write()
        await self.feed.write(self.options.run_seconds)
        urls = {name: service.url for name, service in self.supervisor.services.items()}
        self.progress.line("the customers are done; looking for what their mails led to")
        verdict = await Verifier(self.tracker, self.feed, urls["desk"], urls["analytics"]).verify()
        for what, number in verdict.counts.items():
            self.progress.console.print(f"  {number:4d} {what}", markup=False)
        counting = self._counting
        self.progress.line(f"sent {counting.sent}, in conversations {counting.in_conversations}")
        if self.options.record_to is not None:
            written = await record(self.settings, self.options.record_to, self.options.data)
            self.progress.line("recorded " + ", ".join(f"{n} of {topic}" for topic, n in written.items()))
        for line in verdict.lacking:
            self.progress.console.print(f"[red]lacking:[/red] {line}", soft_wrap=True)
        if not verdict.lacking:
            self.progress.line("every mail has its conversation, owner and notification; every played one its answer")
        return 1 if verdict.lacking else 0

    def counted(self) -> tuple[int, int]:
        return self._counting.sent, self._counting.in_conversations

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    # --- down ---------------------------------------------------------------------------------------------------

    async def down(self) -> None:
        """Stop what was started: customers and people, services, then mail, MongoDB, Kafka."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        order = ("player", "services", "controls", "lag", "follower", "mail front", "servers")
        for name in order:
            for started, stop in self._down:
                if started == name:
                    await stop()
        self.place.forget_state()


async def _nothing() -> None:
    return


async def _uninterrupted(work: Coroutine[Any, Any, None]) -> None:
    """Wait for work in a thread even when we are cancelled: what it starts must be there to be stopped."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise


def run(options: Options) -> int:
    """Run the demo; return the exit code: 0 also after Ctrl-C. Raises DemoError and LocalServerError with their remedy."""
    place = Place(options.data)
    place.lock()
    with _clean_environment():
        progress = Progress()
        # What libraries say of retries belongs into a file, not between the lines for people.
        logging.basicConfig(filename=place.logs / "demo.log", level=logging.WARNING, force=True)
        prepare(lambda line: progress.line(line) if "fetching" in line or line.startswith("  ") else None)
        try:
            return asyncio.run(_session(Demo(options, place, progress)))
        finally:
            place.unlock()


@contextlib.contextmanager
def _clean_environment() -> Iterator[None]:
    """The user's own settings of Postroom must not lead the demo's services elsewhere."""
    foreign = {n: v for n, v in os.environ.items() if n.startswith("POSTROOM_") and n not in _KEPT_VARIABLES}
    for name in foreign:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(foreign)


async def _session(demo: Demo) -> int:
    work = asyncio.ensure_future(_work(demo))
    loop = asyncio.get_running_loop()
    asked = 0

    def on_signal() -> None:
        nonlocal asked
        asked += 1
        if asked > 1:
            os._exit(130)  # children are killed by the kernel
        demo.progress.line("stopping (again Ctrl-C: at once)")
        work.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    code = 0
    try:
        code = await work
    except asyncio.CancelledError:
        code = 0
    finally:
        with demo.progress.doing("stopping services and servers", "all stopped"):
            await demo.down()
    return code


async def _work(demo: Demo) -> int:
    await demo.up()
    await demo.begin()
    return await demo.go()


__all__ = ["DemoError", "LocalServerError", "Options", "run"]
