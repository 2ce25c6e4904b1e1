"""One topic, read on from where it was read last: what a test that waits for records asks again and again."""

from contextlib import suppress

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from postroom_contracts.events import Event, decode
from postroom_contracts.registry import MODELS
from postroom_runtime.kafka import client_options
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.tail import partitions_of

from tests.validation import validate_record


class TopicLog:
    """The events of one topic, repeats (same source and id) dropped, in order per key; every record validated once."""

    def __init__(self, settings: RuntimeSettings, topic: str) -> None:
        self._settings = settings
        self._topic = topic
        self._consumer: AIOKafkaConsumer | None = None
        self._partitions: list[TopicPartition] = []
        self._events: dict[tuple[str, str], Event] = {}

    async def read(self) -> list[Event]:
        """Read on to the present end; return the events so far."""
        consumer = await self._opened()
        ends = await consumer.end_offsets(self._partitions)
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    validate_record(record)
                    event = decode(dict(record.headers), record.value, MODELS)
                    self._events.setdefault((event.source, event.id), event)
        return list(self._events.values())

    async def close(self) -> None:
        if self._consumer is not None:
            with suppress(KafkaError):
                await self._consumer.stop()

    async def _opened(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(
                **client_options(self._settings), enable_auto_commit=False, auto_offset_reset="earliest"
            )
            await consumer.start()
            self._consumer = consumer
            self._partitions = await partitions_of(consumer, self._topic)
            consumer.assign(self._partitions)
        return self._consumer
