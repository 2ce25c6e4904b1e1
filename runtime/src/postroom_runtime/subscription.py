"""How a batch consumer hangs on FastStream: subscriber, raw batches, rebalance listener. Why so: docs/decisions/0001."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from aiokafka import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaMessage

from postroom_runtime.consumer import BatchConsumer
from postroom_runtime.security import faststream_options, faststream_security
from postroom_runtime.settings import RuntimeSettings


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


def make_broker(settings: RuntimeSettings) -> KafkaBroker:
    """Return the process's FastStream broker, which only consumes."""
    return KafkaBroker(
        settings.kafka_bootstrap,
        client_id="postroom",
        security=faststream_security(settings),
        **faststream_options(settings),
        consumer_only=True,
        allow_auto_create_topics=False,
        graceful_timeout=settings.graceful_timeout_seconds,
        apply_types=False,  # else every batch goes by a thread of anyio's, to inject nothing
        logger=None,
    )


def subscribe(
    broker: KafkaBroker, settings: RuntimeSettings, topics: Sequence[str], group_id: str, consumer: BatchConsumer
) -> Any:
    """Give `consumer` the batches of `topics`; returns FastStream's subscriber, which `broker.start` starts."""
    subscriber = broker.subscriber(
        *topics,
        batch=True,
        group_id=group_id,
        ack_policy=AckPolicy.MANUAL,
        no_reply=True,
        parser=_parse_batch,
        decoder=_decode_batch,
        max_records=settings.max_records,
        batch_timeout_ms=1,  # how long it sleeps after an empty poll; how long a poll waits: BatchConsumer.bind
        auto_offset_reset="earliest",
        partition_assignment_strategy=(RangePartitionAssignor,),
        rebalance_timeout_ms=settings.rebalance_timeout_ms,
        session_timeout_ms=settings.session_timeout_ms,
        heartbeat_interval_ms=settings.heartbeat_interval_ms,
        listener=_Listener(consumer, lambda: subscriber.consumer),
    )

    async def on_batch(records: Any) -> None:
        await consumer(records)

    subscriber(on_batch)
    return subscriber


def polls(subscriber: Any) -> bool:
    """Say whether the subscriber's loop still turns: one that was cancelled ends silently and is not started again."""
    return any(not task.done() for task in getattr(subscriber, "tasks", ()))


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
