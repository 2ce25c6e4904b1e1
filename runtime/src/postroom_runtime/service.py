"""A service as a process: connections, consumers, background loops, probes, graceful stop.

`app.py` of a service describes it as a `ServiceDefinition`; `run_service` runs it.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog
from aiokafka.errors import KafkaError
from faststream.kafka import KafkaBroker
from postroom_contracts.topics import GROUP_BY_NAME, Group, replay_topic

from postroom_runtime import loop_delay, mongo
from postroom_runtime.clock import Clock, SystemClock, monotonic
from postroom_runtime.configuration_feed import ConfigurationFeed, Configurations
from postroom_runtime.consumer import BATCH_LIMIT_SECONDS, BatchConsumer, BatchHandler
from postroom_runtime.content_store import MongoContentStore
from postroom_runtime.errors import InfrastructureError, is_infrastructure, translated
from postroom_runtime.garbage import collect_less_often
from postroom_runtime.http import Application, Door, HttpServer
from postroom_runtime.kafka import Publisher, client_options
from postroom_runtime.lag import LOOK_SECONDS, LagReporter
from postroom_runtime.leases import LeaseStore, own_name
from postroom_runtime.logging import configure
from postroom_runtime.oauth import AccessTokens, open_grants, refreshed
from postroom_runtime.parking import Parking
from postroom_runtime.retention import retention_faults
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.stored_secrets import StoredSecrets, open_secrets
from postroom_runtime.stores import Stores, open_stores
from postroom_runtime.subscription import make_broker, polls, subscribe
from postroom_runtime.topic_ids import read_topic_ids
from postroom_runtime.trail import trail

log = structlog.get_logger(__name__)
START_SECONDS = 120.0
STALLED_SECONDS = 60.0 + BATCH_LIMIT_SECONDS
"""Without a poll for so long, readiness turns red; a batch may take as long as it may."""
GIVE_UP_SECONDS = 30.0
RETENTION_SECONDS = 60.0
CLOSE_SECONDS = 10.0
GRANT_SECONDS = 15.0


@dataclass(slots=True)
class Runtime:
    """What a running service is given. All parts are connected when `build` is called."""

    name: str
    settings: RuntimeSettings
    clock: Clock
    publisher: Publisher
    mongo_client: Any
    database: Any
    content: MongoContentStore
    configurations: Configurations
    leases: LeaseStore
    door: Door
    tokens: AccessTokens
    """Access tokens of mail accounts that log in by OAuth."""
    secrets: StoredSecrets
    consumers: list[BatchConsumer] = field(default_factory=list)
    failed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when this process cannot go on by itself and has to be started again."""
    _broker: KafkaBroker | None = None
    _subscribers: list[tuple[Any, BatchConsumer]] = field(default_factory=list)
    _looks: list[Callable[[], Awaitable[bool]]] = field(default_factory=list)
    _background: list[tuple[str, Callable[[], Awaitable[None]]]] = field(default_factory=list)
    _closers: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    _connections: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _retention_faults: list[str] | None = None
    draining: bool = False
    started: bool = False

    async def consume(
        self, group: str | Group, handler: BatchHandler, *, ignored_types: frozenset[bytes] = frozenset()
    ) -> BatchConsumer:
        """Subscribe `handler` to the topics of `group` and to its replay topic, by one consumer.

        Raises LookupError naming topics that do not exist; `build` is then tried again.
        """
        declared = GROUP_BY_NAME[group] if isinstance(group, str) else group
        topics = [self.settings.topic(t.name) for t in (*declared.topics, replay_topic(declared.name))]
        group_id = f"{self.settings.topic_prefix}{declared.name}"
        consumer = BatchConsumer(
            group=declared.name,
            handler=handler,
            parking=Parking(declared.name, self.database, self.publisher, self.clock),
            probe=self.probe,
            settings=self.settings,
            topic_ids=await read_topic_ids(client_options(self.settings), topics),
            ignored_types=ignored_types,
        )
        counts = {topic: await self.publisher.partitions(topic) for topic in topics}
        if len(set(counts.values())) > 1:
            raise LookupError(f"topics of one group need equal partition counts: {counts}")
        assert self._broker is not None
        subscriber = subscribe(self._broker, self.settings, topics, group_id, consumer)
        self._subscribers.append((subscriber, consumer))
        reporter = LagReporter(self.settings, self.name)
        self._looks.append(lambda: reporter.turn(consumer.lag, subscriber.consumer, group_id, counts))
        self.on_stop(reporter.close)
        self.consumers.append(consumer)
        return consumer

    async def _report_lag(self) -> None:
        while True:
            for turn in self._looks:
                await turn()
            await asyncio.sleep(LOOK_SECONDS)

    async def _watch(self) -> None:
        """End when a consumer's loop has died, does not poll or has lost its topic: whoever started us starts us again."""
        bad_since: float | None = None
        while True:
            bad = not all(self._polling(subscriber, consumer) for subscriber, consumer in self._subscribers)
            bad_since = None if not bad else bad_since or monotonic()
            given_up = bad_since is not None and monotonic() - bad_since > GIVE_UP_SECONDS
            if given_up or any(consumer.outdated for consumer in self.consumers):
                log.error("a consumer cannot go on, ending", service=self.name)
                self.failed.set()
            await asyncio.sleep(1)

    async def _forget_registrations(self) -> None:
        """Begin anew: a `build` that failed half-way is called again, and must not leave two of anything."""
        for close in reversed(self._closers):
            await _closed(close)
        self.consumers.clear()
        self._subscribers.clear()
        self._looks.clear()
        self._background.clear()
        self._closers.clear()
        self.door.inner = None
        self.door.before_scrape.clear()
        self.configurations.on_change.clear()
        self._broker = make_broker(self.settings)

    async def open(self, definition: "ServiceDefinition") -> None:
        """Connect to Kafka and MongoDB, read the configuration, let the service register itself."""
        self._connections.append(lambda: mongo.close(self.mongo_client))
        self._connections.append(self.publisher.stop)
        await _until_up("kafka", self.publisher.start)
        if definition.needs_configuration:
            feed = ConfigurationFeed(self.settings, self.configurations)
            self._connections.append(feed.stop)
            await _until_up("configuration", feed.start)
        await _until_up("mongodb", self.probe)
        if definition.needs_configuration:
            await _until_up("secrets", lambda: self.secrets.refresh(self.configurations.latest))

        async def build() -> None:
            await self._forget_registrations()
            await definition.prepare(Stores(self.clock, self.mongo_client, self.database, self.content))
            await definition.build(self)

        await _until_up("build", build)

    def background(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        """Run `loop` for as long as the service runs; when it raises, it is started again after a pause."""
        self._background.append((name, loop))

    def on_stop(self, close: Callable[[], Awaitable[None]]) -> None:
        """Close `close` at the end, last registered first."""
        self._closers.append(close)

    def serve(self, application: Application) -> None:
        """Serve an ASGI application behind the probes."""
        self.door.inner = application

    async def probe(self) -> None:
        """Return when Kafka and MongoDB answer; raise InfrastructureError otherwise."""
        await self.publisher.probe()
        async with translated("mongodb"), asyncio.timeout(5):
            await mongo.ping(self.mongo_client)

    def lag_seconds(self) -> float:
        return max((consumer.lag_seconds() for consumer in self.consumers), default=0.0)

    def readiness(self) -> dict[str, bool]:
        """Return the named conditions of `/readyz`."""
        return {
            "started": self.started,
            "not_draining": not self.draining,
            "consumers": all(c.healthy for c in self.consumers),
            "polling": self.started and all(self._polling(*both) for both in self._subscribers),
            "retention": not self._retention_faults,
        }

    @staticmethod
    def _polling(subscriber: Any, consumer: BatchConsumer) -> bool:
        return polls(subscriber) and consumer.seconds_since_poll() < STALLED_SECONDS

    async def check_retention(self) -> None:
        """Look whether the broker would delete what must stay; readiness is red while it would."""
        faults = await retention_faults(self.settings)
        for fault in faults:
            log.error("not ready: the broker would delete the truth", fault=fault)
        self._retention_faults = faults

    async def _measure_loop(self) -> None:
        await loop_delay.measure(self.name)

    async def _recheck_retention(self) -> None:
        while True:
            await asyncio.sleep(RETENTION_SECONDS)
            await self.check_retention()

    async def start(self) -> None:
        """Join the groups and start the background loops; when this returns, the first assignment has come."""
        assert self._broker is not None
        await _until_up("retention", self.check_retention)
        for consumer in self.consumers:
            consumer.last_poll_at = monotonic()
        if self._subscribers:
            await self._broker.start()
        async with asyncio.timeout(START_SECONDS):
            for consumer in self.consumers:
                await consumer.joined.wait()
        own = ("lag", self._report_lag), ("loop delay", self._measure_loop), ("retention", self._recheck_retention)
        loops = [*self._background, *self._secret_loop(), *own]
        if self._subscribers:
            loops.append(("watch", self._watch))
        self._tasks = [asyncio.create_task(_forever(name, loop), name=name) for name, loop in loops]
        self.started = True

    def _secret_loop(self) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        if not self.configurations.latest_version:
            return []
        return [
            ("secrets", lambda: self.secrets.run(lambda: self.configurations.latest)),
            ("grants", self._watch_grants),
        ]

    async def _watch_grants(self) -> None:
        while True:
            await asyncio.sleep(GRANT_SECONDS)
            accounts = self.configurations.latest.accounts
            await self.tokens.look_again({a.id for a in accounts if getattr(a, "oauth", None) is not None})

    async def stop(self) -> None:
        """Drain, then close."""
        await self.drain()
        await self.close()

    async def drain(self) -> None:
        """Take no new batches; return when the one in flight and the background loops have ended, however that was."""
        self.draining = True
        await asyncio.gather(self._end_loops(), self._end_consumers())

    async def _end_loops(self) -> None:
        """Let the background loops end what they have in hand: a mail that is being sent would be sent again if not marked."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            longest = self.settings.graceful_timeout_seconds + CLOSE_SECONDS
            _, late = await asyncio.wait(self._tasks, timeout=longest)
            for task in late:
                log.error("a background loop does not end", loop=task.get_name())

    async def _end_consumers(self) -> None:
        for consumer in self.consumers:
            await consumer.stop()
        if self._subscribers and self._broker is not None:
            try:
                await asyncio.wait_for(self._broker.stop(), self.settings.graceful_timeout_seconds + CLOSE_SECONDS)
            except (KafkaError, TimeoutError) as error:
                log.warning("consumers not stopped in order", error=type(error).__name__)
        for consumer in self.consumers:
            await consumer.ended()

    async def close(self) -> None:
        """Close what was registered, then the connections, the last opened first."""
        for close in reversed([*self._connections, *self._closers]):
            await _closed(close)


async def _closed(close: Callable[[], Awaitable[None]]) -> None:
    """Close in bounded time, whatever it says: the others are closed all the same."""
    try:
        await asyncio.wait_for(close(), CLOSE_SECONDS)
    except Exception as error:  # noqa: BLE001
        log.warning("not closed in order", error=type(error).__name__)


class ServiceFailedError(RuntimeError):
    """The service cannot go on and has to be started again."""


class ServiceDefinition(Protocol):
    """What `app.py` of a service gives: its name and how it is put together."""

    name: str
    needs_configuration: bool

    def settings(self) -> RuntimeSettings: ...

    async def prepare(self, stores: Stores) -> None:
        """Make collections and indexes; a second call changes nothing. Called before `build`, and by `postroom migrate`."""
        ...

    async def build(self, runtime: Runtime) -> None:
        """Register consumers, background loops and the HTTP application."""
        ...


async def _forever(name: str, loop: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await loop()
            return
        except asyncio.CancelledError:
            raise
        except Exception as error:
            if is_infrastructure(error):
                log.warning("background loop waits", loop=name, error=str(error))
            else:
                log.exception("background loop failed", loop=name)
            await asyncio.sleep(1)


async def _until_up(what: str, connect: Callable[[], Awaitable[Any]]) -> Any:
    """Wait for a server to come up, at most two minutes, saying what is missing."""
    started = monotonic()
    while True:
        try:
            return await connect()
        except (InfrastructureError, KafkaError, OSError, LookupError) as error:
            if monotonic() - started > START_SECONDS:
                raise
            log.warning("waiting to start", what=what, error=str(error) or type(error).__name__)
            await asyncio.sleep(1)


async def connect(definition: ServiceDefinition, settings: RuntimeSettings, clock: Clock | None = None) -> Runtime:
    """Return a connected Runtime, not yet consuming; `build` has been called.

    Waits for servers, topics and configuration, at most two minutes; what was opened is closed again when it fails.
    """
    clock = clock or SystemClock(settings.clock_offset_seconds)
    client = mongo.connect(settings, definition.name)
    publisher = Publisher(settings)
    stores = open_stores(client, settings, definition.name, clock)
    runtime = Runtime(
        name=definition.name,
        settings=settings,
        clock=clock,
        publisher=publisher,
        mongo_client=client,
        database=stores.database,
        content=stores.content,
        configurations=Configurations(),
        leases=LeaseStore(stores.database["leases"], clock, own_name()),
        door=Door(lambda: {"started": False}, definition.name),
        tokens=AccessTokens(lambda: open_grants(client, settings, clock), refreshed, clock),
        secrets=open_secrets(client, settings, clock),
    )
    runtime.door = Door(runtime.readiness, definition.name)
    try:
        await runtime.open(definition)
    except BaseException:
        await runtime.close()
        raise
    return runtime


async def run_service(definition: ServiceDefinition, settings: RuntimeSettings) -> None:
    """Run a service until SIGTERM or SIGINT; a second signal ends the process at once.

    Raises what kept it from starting, and ServiceFailedError when it has to be started again.
    """
    configure(settings, definition.name)
    trail.configure(settings, definition.name)
    stop = _stop_on_signals()
    door = Door(lambda: {"started": False}, definition.name)
    server = HttpServer(door, settings)
    await server.start()
    connecting = asyncio.create_task(connect(definition, settings))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({connecting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not connecting.done():
            connecting.cancel()
            await asyncio.wait({connecting})
            return
        runtime = connecting.result()
        door.stand_for(runtime.door)
        try:
            await _serve(runtime, server, stopping)
        finally:
            log.info("draining")
            await runtime.drain()
            await server.stop()  # requests in flight still publish and read: the connections close after them
            await runtime.close()
        if runtime.failed.is_set():
            raise ServiceFailedError(f"{definition.name}: a consumer cannot go on")
    finally:
        stopping.cancel()
        await server.stop()
        await asyncio.to_thread(trail.close)
    log.info("stopped")


async def _serve(runtime: Runtime, server: HttpServer, stopping: "asyncio.Task[Any]") -> None:
    """Return when the service is to stop or has failed."""
    starting = asyncio.create_task(runtime.start())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.wait({starting})
        return
    starting.result()
    collect_less_often()
    log.info("started", port=server.port, configuration=runtime.configurations.latest_version)
    failed = asyncio.create_task(runtime.failed.wait())
    await asyncio.wait({stopping, failed}, return_when=asyncio.FIRST_COMPLETED)
    failed.cancel()


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    return stop
