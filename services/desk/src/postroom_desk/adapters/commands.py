"""Puts commands on `conversation-commands`."""

import asyncio

from postroom_contracts.events import Event
from postroom_contracts.topics import CONVERSATION_COMMANDS
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.kafka import Publisher


class KafkaCommands:
    """Port Commands: keyed by conversation, acknowledged by all in-sync replicas."""

    def __init__(self, publisher: Publisher, timeout_seconds: float) -> None:
        self._publisher = publisher
        self._timeout_seconds = timeout_seconds

    async def publish(self, event: Event) -> None:
        """Raises InfrastructureError after the timeout; the command may then still arrive, so a repeat keeps its id."""
        sending = asyncio.create_task(self._publisher.publish_events(CONVERSATION_COMMANDS, [event]))
        sending.add_done_callback(_looked_at)
        try:
            await asyncio.wait_for(asyncio.shield(sending), self._timeout_seconds)
        except TimeoutError as error:
            raise InfrastructureError("publish: Kafka does not answer") from error


def _looked_at(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()
