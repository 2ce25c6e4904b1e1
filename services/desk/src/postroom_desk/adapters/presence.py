"""`agent-presence`: published and tailed, in every replica."""

import asyncio
from collections.abc import Callable

from aiokafka import ConsumerRecord, TopicPartition
from postroom_contracts.events import EnvelopeError, Event, decode
from postroom_contracts.registry import models_of
from postroom_contracts.topics import AGENT_PRESENCE
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.kafka import Publisher
from postroom_runtime.records import header_map
from postroom_runtime.settings import RuntimeSettings

from postroom_desk.adapters.tail import TopicTail

PUBLISH_SECONDS = 2.0
_MODELS = models_of(AGENT_PRESENCE)


class KafkaPresence:
    """Port PresenceLog."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def publish(self, event: Event) -> None:
        try:
            async with asyncio.timeout(PUBLISH_SECONDS):
                await self._publisher.publish_events(AGENT_PRESENCE, [event])
        except TimeoutError as error:
            raise InfrastructureError("publish: Kafka does not answer") from error


class PresenceTail(TopicTail):
    """Hands each record of the topic to `taken`, from the present end on; what cannot be read is passed over."""

    topic = AGENT_PRESENCE

    def __init__(self, settings: RuntimeSettings, taken: Callable[[Event], None]) -> None:
        super().__init__(settings)
        self._taken = taken

    def _begun(self, partition: TopicPartition, end: int) -> None:
        """Nothing is resumed: no position is kept."""

    def _take(self, record: ConsumerRecord) -> None:
        try:
            event = decode(header_map(record), record.value, _MODELS)
        except (EnvelopeError, ValueError, KeyError):
            return
        self._taken(event)
