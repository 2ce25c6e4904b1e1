"""Connections to Kafka: options from the settings, the one producer of a process, topic creation."""

import asyncio
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, for_code
from postroom_contracts.events import Event, Headers, encode_body, encode_headers
from postroom_contracts.topics import Topic

from postroom_runtime.errors import InfrastructureError, PermanentError, is_infrastructure
from postroom_runtime.settings import RuntimeSettings

MAX_REQUEST_BYTES = 1_000_000
"""Below the broker's default message.max.bytes of 1,048,588."""


def client_options(settings: RuntimeSettings) -> dict[str, Any]:
    """Return what every aiokafka client of this process is built with."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap,
        "client_id": "postroom",
        "security_protocol": settings.kafka_security,
    }
    if settings.kafka_security.startswith("SASL"):
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_user,
            "sasl_plain_password": settings.kafka_password.get_secret_value() if settings.kafka_password else None,
        }
    if settings.kafka_security.endswith("SSL"):
        options["ssl_context"] = ssl.create_default_context(cafile=settings.kafka_ca_file)
    return options


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to publish: `topic` is the name with its prefix."""

    topic: str
    key: bytes | None
    body: bytes | None
    headers: Headers


class Publisher:
    """Publishes keyed records in order and waits until the brokers have them (acks=all, idempotent).

    One producer serves events and dead letters alike: dead letters must keep headers byte for byte, which FastStream's
    publisher cannot (docs/decisions/0001).
    """

    def __init__(self, settings: RuntimeSettings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        producer = AIOKafkaProducer(
            **client_options(self._settings),
            acks="all",
            enable_idempotence=True,
            max_request_size=MAX_REQUEST_BYTES,
            max_batch_size=131_072,
            request_timeout_ms=40_000,
            linger_ms=0,
        )
        await producer.start()
        self._producer = producer

    async def stop(self) -> None:
        if self._producer is not None:
            producer, self._producer = self._producer, None
            try:
                await asyncio.wait_for(producer.stop(), self._settings.publish_timeout_seconds)
            except (TimeoutError, KafkaError):
                return

    def topic(self, topic: Topic) -> str:
        return self._settings.topic(topic.name)

    def outgoing(self, topic: Topic, event: Event) -> Outgoing:
        """Return the record of `event` for `topic`."""
        return Outgoing(self.topic(topic), event.key.encode(), encode_body(event.data), encode_headers(event))

    async def publish(self, records: Iterable[Outgoing]) -> None:
        """Send all, in the given order per key; return when every one is acknowledged.

        Raises InfrastructureError when Kafka does not take them (some may have been written: repeats are recognised by
        their ids) and PermanentError when one is larger than a topic takes.
        """
        if self._producer is None:
            raise InfrastructureError("the producer is not started")
        futures: list[Any] = []
        try:
            async with asyncio.timeout(self._settings.publish_timeout_seconds):
                for record in records:
                    futures.append(  # noqa: PERF401 - those sent before an error must be looked after
                        await self._producer.send(
                            record.topic, value=record.body, key=record.key, headers=record.headers
                        )
                    )
                if futures:
                    await asyncio.gather(*futures)
        except MessageSizeTooLargeError as error:
            await asyncio.gather(*futures, return_exceptions=True)
            raise PermanentError(f"a record is larger than {MAX_REQUEST_BYTES} bytes") from error
        except Exception as error:
            for future in futures:
                if future.done() and not future.cancelled():
                    future.exception()
            if is_infrastructure(error):
                raise InfrastructureError(f"publish: {type(error).__name__}") from error
            raise

    async def publish_events(self, topic: Topic, events: Iterable[Event]) -> None:
        await self.publish(self.outgoing(topic, event) for event in events)

    async def probe(self) -> None:
        """Return when a broker answers; raise InfrastructureError within 5 s when none does."""
        if self._producer is None:
            raise InfrastructureError("the producer is not started")
        try:
            async with asyncio.timeout(5):
                await self._producer.client.force_metadata_update()
        except (TimeoutError, KafkaError) as error:
            raise InfrastructureError(f"kafka: {type(error).__name__}") from error


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


def _new_topic(settings: RuntimeSettings, topic: Topic) -> NewTopic:
    configs = {
        "retention.ms": str(topic.retention_ms),
        "cleanup.policy": "compact" if topic.compacted else "delete",
        "min.insync.replicas": "2" if settings.replication > 2 else "1",  # noqa: PLR2004 - a majority of three
        "unclean.leader.election.enable": "false",
    }
    return NewTopic(
        name=settings.topic(topic.name),
        num_partitions=topic.partitions(settings.partitions),
        replication_factor=settings.replication,
        topic_configs=configs,
    )
