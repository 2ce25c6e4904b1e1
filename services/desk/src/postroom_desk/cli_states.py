"""`postroom states check`: does `conversation-states` say what the log comes to?"""

import asyncio
from contextlib import suppress

import typer
from aiokafka.errors import KafkaError
from postroom_contracts.events import EnvelopeError, decode
from postroom_contracts.registry import models_of
from postroom_contracts.states import ConversationState
from postroom_contracts.topics import CONVERSATION_EVENTS, CONVERSATION_STATES
from postroom_runtime.cli import fail
from postroom_runtime.records import header_map
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.tail import read_to_end
from pydantic import ValidationError

from postroom_desk.domain.positions import LogPosition
from postroom_desk.domain.states import LogFold

_SHOWN = 10
states_app = typer.Typer(no_args_is_help=True, help="The compacted topic of conversations' present states.")


def register(app: typer.Typer) -> None:
    app.add_typer(states_app, name="states")


@states_app.command("check")
def check() -> None:
    """Fold the whole log and compare; exits 1 and names conversations when a state differs. Wait until all is quiet."""
    settings = RuntimeSettings()
    try:
        count, differing = asyncio.run(differences(settings))
    except (KafkaError, OSError, LookupError) as error:
        raise fail(f"Kafka at {settings.kafka_bootstrap}: {error or type(error).__name__}") from error
    typer.echo(f"{count} conversations, {len(differing)} states differ")
    for conversation_id in differing[:_SHOWN]:
        typer.echo(f"  {conversation_id}")
    if differing:
        raise typer.Exit(1)


async def differences(settings: RuntimeSettings) -> tuple[int, list[str]]:
    """Return how many conversations the log holds, and those whose published state is not what the log comes to."""
    fold = LogFold()
    models = models_of(CONVERSATION_EVENTS)
    async for record in read_to_end(settings, settings.topic(CONVERSATION_EVENTS.name)):
        with suppress(EnvelopeError, ValidationError):  # parked by every service, and part of no state
            event = decode(header_map(record), record.value, models)
            fold.add(event, LogPosition(record.partition, record.offset))
    folded, published = fold.states(), await _published(settings)
    different = {key for key in folded.keys() | published.keys() if folded.get(key) != published.get(key)}
    return len(folded), sorted(different)


async def _published(settings: RuntimeSettings) -> dict[str, ConversationState]:
    """Return the newest state of each conversation, as a subscriber keeps it."""
    found: dict[str, ConversationState] = {}
    async for record in read_to_end(settings, settings.topic(CONVERSATION_STATES.name)):
        event = decode(header_map(record), record.value, models_of(CONVERSATION_STATES))
        state = event.data
        assert isinstance(state, ConversationState)
        if event.subject not in found or found[event.subject].folded_to <= state.folded_to:
            found[event.subject] = state
    return found
