"""Connections to Kafka: options from the settings, the one producer of a process, topic creation."""

import asyncio
import itertools
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, KafkaError, MessageSizeTooLargeError, for_code
from aiokafka.partitioner import murmur2
from postroom_contracts.events import Event, Headers, encode
from postroom_contracts.topics import DAY_MS, Topic

from postroom_runtime.clock import monotonic
from postroom_runtime.errors import InfrastructureError, PermanentError, is_infrastructure
from postroom_runtime.header_names import tolerate
from postroom_runtime.publish_metrics import failed, published
from postroom_runtime.security import security_options
from postroom_runtime.settings import RuntimeSettings

log = structlog.get_logger(__name__)
tolerate()
MAX_RECORD_BYTES = 1_000_000
"""The largest record that we publish: below Kafka's default `max.message.bytes` of 1,048,588 with its own overhead."""
MAX_LETTER_BYTES = 2_200_000
"""The largest dead letter. Whatever Kafka took as a record must fit with the headers that parking adds, or it would
stop its partition for ever; the topics of dead letters and replays are made for that."""
RETIRE_SECONDS = 10.0
FEW = 10
"""So many records go one by one: aiokafka puts what several callers send at a time into one batch, as requests of agents
come. More of them fill batches of their own, which costs a fifth."""


def client_options(settings: RuntimeSettings) -> dict[str, Any]:
    """Return what every aiokafka client of this process is built with."""
    return {
        "bootstrap_servers": settings.kafka_bootstrap,
        "client_id": "postroom",
        **security_options(settings),
    }


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to publish: `topic` is the name with its prefix; `partition` None lets the key decide."""

    topic: str
    key: bytes | None
    body: bytes | None
    headers: Headers
    partition: int | None = None

    @property
    def size(self) -> int:
        """Bytes of key, body and headers; a header costs about four bytes beside its texts."""
        named = sum(len(name) + len(value or b"") + 4 for name, value in self.headers)
        return len(self.key or b"") + len(self.body or b"") + named

    def exceeds(self, limit: int) -> bool:
        """Say whether it has more than `limit` bytes; the headers are summed only where they could matter."""
        return len(self.body or b"") + _HEADERS_BYTES > limit and self.size > limit


_HEADERS_BYTES = 20_000
"""More than key and headers of ours ever have: they are ids, times and names."""


class Publisher:
    """Publishes keyed records in order and waits until the brokers have them (acks=all, idempotent).

    One producer serves events and dead letters alike: dead letters must keep headers byte for byte, which FastStream's
    publisher cannot (docs/decisions/0001).

    aiokafka's idempotent producer never gives a record up by itself, and after a refusal by the broker the numbers that
    it gave away are missing, so that all later records of that partition are refused. Therefore a producer of which
    anything failed is thrown away, with all that it still meant to send, and the next call makes a new one: what failed
    is sent again by those who wanted it sent, in order, and nothing older comes after it.
    """

    def __init__(self, settings: RuntimeSettings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._started = False
        self._connecting = asyncio.Lock()
        self._retiring: set[asyncio.Task[None]] = set()
        self._turns: defaultdict[tuple[str, int], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def start(self) -> None:
        """Connect. Raises KafkaError when no broker answers; call it again then."""
        self._producer = await self._connect()
        self._started = True

    async def _connect(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            **client_options(self._settings),
            acks="all",
            enable_idempotence=True,
            max_request_size=MAX_LETTER_BYTES,
            max_batch_size=131_072,
            request_timeout_ms=40_000,
            linger_ms=0,
        )
        try:
            await producer.start()
        except BaseException:
            await producer.client.close()
            raise
        return producer

    async def _ready(self) -> AIOKafkaProducer:
        """Return the producer, a new one if the last was thrown away. Raises InfrastructureError when there is none."""
        if self._producer is not None:
            return self._producer
        if not self._started:
            raise InfrastructureError("the producer is not started")
        async with self._connecting:
            if self._producer is None:
                try:
                    async with asyncio.timeout(RETIRE_SECONDS):
                        self._producer = await self._connect()
                except (TimeoutError, KafkaError, OSError) as error:
                    raise InfrastructureError(f"kafka: {type(error).__name__}") from error
            if self._producer is None or not self._started:
                raise InfrastructureError("the producer is stopped")
            return self._producer

    def _throw_away(self, producer: AIOKafkaProducer) -> None:
        """Never use `producer` again: its unsent records fail at once, those in flight may still be written."""
        if self._producer is producer:
            self._producer = None
            self._turns = defaultdict(asyncio.Lock)
            task = asyncio.create_task(_retire(producer), name="retire producer")
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    async def stop(self) -> None:
        """Send what is accepted, close. Ends within the publish timeout, with Kafka away too."""
        self._started = False
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                await asyncio.wait_for(producer.stop(), self._settings.publish_timeout_seconds)
            except (TimeoutError, KafkaError):
                await producer.client.close()
        if self._retiring:
            await asyncio.wait(self._retiring, timeout=RETIRE_SECONDS)

    def topic(self, topic: Topic) -> str:
        return self._settings.topic(topic.name)

    def outgoing(self, topic: Topic, event: Event) -> Outgoing:
        """Return the record of `event` for `topic`; on topics that others read, in the mode that the deployment wants."""
        headers, body = encode(event, self._settings.event_mode if topic.public else "binary")
        return Outgoing(self.topic(topic), event.key.encode(), body, headers)

    async def publish(self, records: Iterable[Outgoing], *, max_bytes: int = MAX_RECORD_BYTES) -> None:
        """Send all, in the given order per key; return when every one is acknowledged.

        Raises InfrastructureError when Kafka does not take them (some may have been written: repeats are recognised by
        their ids) and PermanentError when one has more than `max_bytes`: then none was sent.
        """
        wanted = list(records)
        if not wanted:
            return
        for record in wanted:
            if record.exceeds(max_bytes):
                raise PermanentError(f"a record of {record.size} bytes; {record.topic} takes {max_bytes}")
        producer = await self._ready()
        futures: list[asyncio.Future[Any]] = []
        started = monotonic()
        try:
            async with asyncio.timeout(self._settings.publish_timeout_seconds):
                await self._hand_over(producer, wanted, futures)
                await asyncio.gather(*futures)
            published(wanted, monotonic() - started)
        except Exception as error:
            failed(error)
            self._throw_away(producer)
            for future in futures:
                future.add_done_callback(_look_at)
            if is_infrastructure(error):
                raise InfrastructureError(f"publish: {type(error).__name__}") from error
            if isinstance(error, MessageSizeTooLargeError):
                raise PermanentError("a record is larger than its topic takes") from error
            raise

    async def _hand_over(
        self, producer: AIOKafkaProducer, records: Sequence[Outgoing], futures: list[asyncio.Future[Any]]
    ) -> None:
        """Give the records to the producer in order, adding what tells of their end to `futures`."""
        if len(records) <= FEW:
            for r in records:
                sent = await producer.send(r.topic, r.body, r.key, r.partition, headers=r.headers)
                futures.append(sent)  # at once: those before one that fails must be known
            return
        for topic, partition, batch in await _batches(producer, records):
            # One waits at a time: of several who wait for the same place, aiokafka counts the time of all but the first
            # again and again, and says after a second that it was forty.
            async with self._turns[topic, partition]:
                futures.append(await producer.send_batch(batch, topic, partition=partition))

    async def publish_events(self, topic: Topic, events: Iterable[Event]) -> None:
        await self.publish(self.outgoing(topic, event) for event in events)

    async def partitions(self, topic: str) -> int:
        """Return how many partitions `topic` has."""
        producer = await self._ready()
        return len(await producer.partitions_for(topic))

    async def probe(self) -> None:
        """Return when a broker answers; raise InfrastructureError within 5 s when none does."""
        try:
            async with asyncio.timeout(5):
                producer = await self._ready()
                if not await producer.client.force_metadata_update():  # it does not raise
                    raise InfrastructureError("kafka: no broker answers")
        except (TimeoutError, KafkaError) as error:
            raise InfrastructureError(f"kafka: {type(error).__name__}") from error


async def _batches(producer: AIOKafkaProducer, records: Sequence[Outgoing]) -> list[tuple[str, int, Any]]:
    """Return the records as batches of one partition each, in order; one future a batch is a fifth of one a record."""
    counts = {topic: len(await producer.partitions_for(topic)) for topic in {r.topic for r in records}}
    open_ones: dict[tuple[str, int], Any] = {}
    found: list[tuple[str, int, Any]] = []
    for record in records:
        place = record.topic, _partition(record, counts[record.topic])
        batch = open_ones.get(place)
        content = {"timestamp": None, "key": record.key, "value": record.body, "headers": record.headers}
        if batch is None or batch.append(**content) is None:
            batch = open_ones[place] = producer.create_batch()
            batch.append(**content)
            found.append((*place, batch))
    return found


def _partition(record: Outgoing, count: int) -> int:
    """Return the partition of a record: as every Kafka client does, by murmur2 of its key; any one without a key."""
    if record.partition is not None:
        return record.partition
    if record.key is None:
        return random.randrange(count)
    return _hash(record.key) % count


@lru_cache(maxsize=10_000)
def _hash(key: bytes) -> int:
    """Return Kafka's hash of a key; aiokafka's is slow, and a conversation's key comes again and again."""
    return int(murmur2(key) & 0x7FFFFFFF)


def _look_at(future: asyncio.Future[Any]) -> None:
    """Take an exception that nobody will ask for, so that the loop does not complain."""
    if not future.cancelled():
        future.exception()


async def _retire(producer: AIOKafkaProducer) -> None:
    """Close a producer without sending what it holds; those who wait for it are told."""
    # There is no public way: `stop` flushes, and an idempotent producer flushes for ever while the broker is away.
    sender, accumulator = producer._sender.sender_task, producer._message_accumulator  # noqa: SLF001
    sender.cancel()
    try:
        await asyncio.wait_for(producer.client.close(), RETIRE_SECONDS)  # ends requests that are under way
        await asyncio.wait({sender}, timeout=1)
        sender.cancel()  # it may wait for metadata, which nobody reads any more
        await asyncio.wait({sender}, timeout=1)
    except Exception as error:  # noqa: BLE001 - it is not used any more, whatever it says
        log.info("producer closed by force", error=type(error).__name__)
    finally:
        for batch in itertools.chain(*accumulator._batches.values(), accumulator._pending_batches):  # noqa: SLF001
            batch._drain_waiter.add_done_callback(_look_at)  # noqa: SLF001 - whoever waited for its place has gone
        accumulator.fail_all(KafkaConnectionError("the producer was thrown away"))
        producer._closed = True  # noqa: SLF001 - else it complains when it is collected


async def create_topics(settings: RuntimeSettings, topics: Sequence[Topic]) -> tuple[list[str], list[str]]:
    """Create what is missing; return names (created, already there). Never changes an existing topic.

    Raises KafkaError for anything else, such as a replication factor that the cluster cannot give.
    """
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        existing = set(await admin.list_topics())
        missing = [topic for topic in topics if settings.topic(topic.name) not in existing]
        created = [_new_topic(settings, topic) for topic in missing]
        if created:
            response = await admin.create_topics(created, timeout_ms=30_000)
            for name, code, *_ in response.topic_errors:
                if code not in (0, 36):  # 36: exists, somebody else was faster
                    raise for_code(code)(f"creating topic {name}")
        await _wait_for_leaders(admin, [topic.name for topic in created])
        return [t.name for t in created], sorted(existing & {settings.topic(t.name) for t in topics})
    finally:
        await admin.close()


async def _wait_for_leaders(admin: AIOKafkaAdminClient, names: list[str]) -> None:
    """Creation is asynchronous: a topic is of use when each partition has a leader."""
    async with asyncio.timeout(30):
        while names:
            described = await admin.describe_topics(names)
            if all(
                t["error_code"] == 0 and t["partitions"] and all(p["leader"] >= 0 for p in t["partitions"])
                for t in described
            ):
                return
            await asyncio.sleep(0.05)


def topic_configs(settings: RuntimeSettings, topic: Topic) -> dict[str, str]:
    """Return the settings of a topic that differ from what a broker may be set to."""
    configs = {
        "retention.ms": str(topic.retention_ms),
        "cleanup.policy": "compact" if topic.compacted else "delete",
        "min.insync.replicas": "2" if settings.replication > 2 else "1",  # noqa: PLR2004 - a majority of three
        "unclean.leader.election.enable": "false",
    }
    if 0 < topic.retention_ms < DAY_MS:
        configs["segment.ms"] = str(topic.retention_ms)  # only whole segments are forgotten
    if topic.name.endswith(("-dlq", "-replay")):
        configs["max.message.bytes"] = str(MAX_LETTER_BYTES)
    return configs


def _new_topic(settings: RuntimeSettings, topic: Topic) -> NewTopic:
    return NewTopic(
        name=settings.topic(topic.name),
        num_partitions=topic.partitions(settings.partitions),
        replication_factor=settings.replication,
        topic_configs=topic_configs(settings, topic),
    )
