"""A service as a process: connections, consumers, background loops, probes, graceful stop.

`app.py` of a service describes it as a `ServiceDefinition`; `run_service` runs it.
"""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog
from aiokafka import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaMessage
from faststream.params import NoCast
from postroom_contracts.topics import GROUP_BY_NAME, Group, replay_topic

from postroom_runtime import mongo
from postroom_runtime.clock import Clock, SystemClock, monotonic
from postroom_runtime.configuration_feed import ConfigurationFeed, Configurations
from postroom_runtime.consumer import BatchConsumer, BatchHandler
from postroom_runtime.content_store import MongoContentStore
from postroom_runtime.errors import InfrastructureError, is_infrastructure, translated
from postroom_runtime.http import Application, Door, HttpServer
from postroom_runtime.kafka import Publisher, client_options
from postroom_runtime.leases import LeaseStore
from postroom_runtime.logging import configure
from postroom_runtime.parking import Parking
from postroom_runtime.security import faststream_security
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.topic_ids import read_topic_ids

log = structlog.get_logger(__name__)
START_SECONDS = 120.0
STALLED_SECONDS = 120.0


class RawMessage(KafkaMessage):
    """FastStream's message without its acknowledgements: a bare commit would commit past a failed batch."""

    async def ack(self) -> None:
        raise RuntimeError("commits name offsets; see consumer.py")

    nack = reject = ack


async def _parse_batch(records: Any) -> RawMessage:
    """Wrap the records untouched. Must not be able to raise: a parser that does loses the batch."""
    return RawMessage(body=b"", headers={}, batch_headers=[], raw_message=records, consumer=None)  # type: ignore[arg-type]


async def _decode_batch(message: Any) -> Any:
    return message.raw_message


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
    consumers: list[BatchConsumer] = field(default_factory=list)
    _broker: KafkaBroker | None = None
    _subscribers: list[tuple[Any, BatchConsumer]] = field(default_factory=list)
    _background: list[tuple[str, Callable[[], Awaitable[None]]]] = field(default_factory=list)
    _closers: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    draining: bool = False
    started: bool = False

    async def consume(
        self, group: str | Group, handler: BatchHandler, *, ignored_types: frozenset[bytes] = frozenset()
    ) -> BatchConsumer:
        """Subscribe `handler` to the topics of `group` and to its replay topic, by one consumer."""
        declared = GROUP_BY_NAME[group] if isinstance(group, str) else group
        topics = [self.settings.topic(t.name) for t in (*declared.topics, replay_topic(declared.name))]
        group_id = f"{self.settings.topic_prefix}{declared.name}"
        consumer = BatchConsumer(
            group=declared.name,
            handler=handler,
            parking=Parking(declared.name, self.database, self.publisher, self.clock),
            probe=self.probe,
            settings=self.settings,
            clock=self.clock,
            topic_ids=await read_topic_ids(client_options(self.settings), topics),
            ignored_types=ignored_types,
        )
        self._subscribe(topics, group_id, consumer)
        self.consumers.append(consumer)
        return consumer

    def _subscribe(self, topics: list[str], group_id: str, consumer: BatchConsumer) -> None:
        assert self._broker is not None
        subscriber = self._broker.subscriber(
            *topics,
            batch=True,
            group_id=group_id,
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
            parser=_parse_batch,
            decoder=_decode_batch,
            max_records=self.settings.max_records,
            batch_timeout_ms=self.settings.batch_timeout_ms,
            auto_offset_reset="earliest",
            partition_assignment_strategy=(RangePartitionAssignor,),
            rebalance_timeout_ms=self.settings.rebalance_timeout_ms,
            session_timeout_ms=self.settings.session_timeout_ms,
            heartbeat_interval_ms=self.settings.heartbeat_interval_ms,
            listener=_Listener(consumer, lambda: subscriber.consumer),
        )

        async def on_batch(records: NoCast[Any]) -> None:
            await consumer(records)

        subscriber(on_batch)
        self._subscribers.append((subscriber, consumer))

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
            "polling": all(self._polls(subscriber) for subscriber, _ in self._subscribers) if self.started else False,
        }

    @staticmethod
    def _polls(subscriber: Any) -> bool:
        """A cancelled consume task ends silently: look at it."""
        tasks = list(getattr(subscriber, "tasks", []))
        return bool(tasks) and not any(task.done() for task in tasks)

    async def start(self) -> None:
        assert self._broker is not None
        if self._subscribers:
            await self._broker.start()
        self._tasks = [asyncio.create_task(_forever(name, loop), name=name) for name, loop in self._background]
        self.started = True

    async def stop(self) -> None:
        """Drain: no new batches, the one in flight ends, then everything is closed."""
        self.draining = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for consumer in self.consumers:
            await consumer.stop()
        assert self._broker is not None
        with contextlib.suppress(KafkaError, TimeoutError):
            await asyncio.wait_for(self._broker.stop(), self.settings.graceful_timeout_seconds + 10)
        for close in reversed(self._closers):
            with contextlib.suppress(Exception):
                await asyncio.wait_for(close(), 10)


class _Listener(ConsumerRebalanceListener):
    """Gives the consumer its handle before the first assignment, which comes before the first batch."""

    def __init__(self, consumer: BatchConsumer, handle: Callable[[], Any]) -> None:
        self._consumer = consumer
        self._handle = handle

    async def on_partitions_revoked(self, revoked: Any) -> None:
        if self._handle() is not None:
            self._consumer.bind(self._handle())
        await self._consumer.on_partitions_revoked(list(revoked))

    async def on_partitions_assigned(self, assigned: Any) -> None:
        while self._handle() is None:
            await asyncio.sleep(0.005)
        self._consumer.bind(self._handle())
        await self._consumer.on_partitions_assigned(list(assigned))


class ServiceDefinition(Protocol):
    """What `app.py` of a service gives: its name and how it is put together."""

    name: str
    needs_configuration: bool

    def settings(self) -> RuntimeSettings: ...

    async def build(self, runtime: Runtime) -> None:
        """Register consumers, background loops and the HTTP application; create indexes."""
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
    """Return a connected Runtime, not yet consuming; `build` has been called."""
    clock = clock or SystemClock(settings.clock_offset_seconds)
    client = mongo.connect(settings)
    publisher = Publisher(settings)
    await _until_up("kafka", publisher.start)
    configurations = Configurations()
    runtime = Runtime(
        name=definition.name,
        settings=settings,
        clock=clock,
        publisher=publisher,
        mongo_client=client,
        database=mongo.database(client, settings, definition.name),
        content=MongoContentStore(mongo.database(client, settings, "content")),
        configurations=configurations,
        leases=LeaseStore(
            mongo.database(client, settings, definition.name)["leases"], clock, f"{socket.gethostname()}-{os.getpid()}"
        ),
        door=Door(lambda: {"started": False}),
    )
    runtime.door = Door(runtime.readiness)
    runtime._broker = _broker(settings)  # noqa: SLF001 - built here, used there
    runtime.on_stop(lambda: mongo.close(client))
    runtime.on_stop(publisher.stop)
    if definition.needs_configuration:
        feed = ConfigurationFeed(settings, configurations)
        runtime.on_stop(feed.stop)
        await _until_up("configuration", feed.start)
    await _until_up("mongodb", runtime.probe)
    await _until_up("build", lambda: definition.build(runtime))
    return runtime


def _broker(settings: RuntimeSettings) -> KafkaBroker:
    return KafkaBroker(
        settings.kafka_bootstrap,
        client_id="postroom",
        security=faststream_security(settings),
        consumer_only=True,
        allow_auto_create_topics=False,
        graceful_timeout=settings.graceful_timeout_seconds,
        apply_types=True,
        logger=None,
    )


async def run_service(definition: ServiceDefinition, settings: RuntimeSettings) -> None:
    """Run a service until SIGTERM or SIGINT; a second signal ends the process at once."""
    configure(settings, definition.name)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    conditions: Mapping[str, bool] = {"started": False}
    door = Door(lambda: dict(conditions))
    server = HttpServer(door, settings)
    await server.start()
    connecting = asyncio.create_task(connect(definition, settings))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({connecting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not connecting.done():
            connecting.cancel()
            return
        runtime = connecting.result()
        door._readiness = runtime.readiness  # noqa: SLF001 - the door was open before the runtime stood
        door.inner, door.before_scrape = runtime.door.inner, runtime.door.before_scrape
        await runtime.start()
        log.info("started", port=server.port, configuration=runtime.configurations.latest_version)
        await stop.wait()
        log.info("draining")
        await runtime.stop()
    finally:
        stopping.cancel()
        await server.stop()
    log.info("stopped")
