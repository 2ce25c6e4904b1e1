"""Publishes a version of the configuration, compressed: a snapshot may be larger than any other record."""

import asyncio

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from postroom_contracts.configuration import KEY, ConfigurationApplied
from postroom_contracts.events import encode_body, encode_headers, new_event
from postroom_contracts.registry import source_of
from postroom_contracts.topics import CONFIGURATION
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.kafka import client_options
from postroom_runtime.settings import RuntimeSettings

_MAX_BYTES = 32 * 1024 * 1024
"""Of the uncompressed record; the checks hold the compressed one below the broker's limit."""


class KafkaConfigurationPublisher:
    """Port ConfigurationPublisher. Opens a producer for the one record: this happens a few times a day."""

    def __init__(self, settings: RuntimeSettings) -> None:
        self._settings = settings

    async def __call__(self, applied: ConfigurationApplied) -> None:
        """Return when all in-sync replicas have it. Raises InfrastructureError when Kafka does not take it."""
        event = new_event(
            applied,
            source=source_of("desk"),
            cause_id=f"configuration-{applied.configuration_version}",
            subject=KEY,
            time=applied.applied_at,
            key=KEY,
        )
        producer = AIOKafkaProducer(
            **client_options(self._settings),
            acks="all",
            enable_idempotence=True,
            compression_type="gzip",
            max_request_size=_MAX_BYTES,
        )
        try:
            async with asyncio.timeout(self._settings.publish_timeout_seconds):
                await producer.start()
                await producer.send_and_wait(
                    self._settings.topic(CONFIGURATION.name),
                    value=encode_body(event.data),
                    key=event.key.encode(),
                    headers=encode_headers(event),
                )
        except (TimeoutError, KafkaError) as error:
            raise InfrastructureError(f"publish configuration: {type(error).__name__}") from error
        finally:
            await producer.stop()
