"""`postroom events tail`: the event stream, readably or as JSON."""

import asyncio
import json
from typing import Annotated, Any

import typer
from aiokafka.errors import KafkaError
from postroom_contracts.events import TYPE_PREFIX, EnvelopeError, as_dict, decode
from postroom_contracts.registry import MODELS
from postroom_contracts.topics import CONVERSATION_EVENTS, TOPICS
from pydantic import ValidationError

from postroom_runtime.cli import fail
from postroom_runtime.records import header_map
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.tail import follow, read_to_end

events_app = typer.Typer(no_args_is_help=True, help="The stream of conversation events.")


def register(app: typer.Typer) -> None:
    app.add_typer(events_app, name="events")


@events_app.command("tail")
def tail(
    type_: Annotated[str, typer.Option("--type", help="Only this type, such as message-received.")] = "",
    conversation: Annotated[str, typer.Option(help="Only this conversation.")] = "",
    from_: Annotated[str, typer.Option("--from", help="`beginning` or `end`.")] = "end",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line (CloudEvents).")] = False,
    once: Annotated[bool, typer.Option("--once", help="End at the present end instead of waiting.")] = False,
    topic: Annotated[str, typer.Option(help="Another topic of ours, without prefix.")] = CONVERSATION_EVENTS.name,
) -> None:
    """Follow the events as they are published; Ctrl-C ends it."""
    if from_ not in ("beginning", "end"):
        raise fail("--from takes `beginning` or `end`", 2)
    if topic not in {t.name for t in TOPICS}:
        raise fail(f"--topic takes one of {', '.join(t.name for t in TOPICS)}", 2)
    settings = RuntimeSettings()
    try:
        asyncio.run(_tail(settings, topic, type_, conversation, from_ == "beginning" or once, as_json, once))
    except KeyboardInterrupt:
        return
    except (KafkaError, OSError, LookupError) as error:
        raise fail(f"Kafka at {settings.kafka_bootstrap}: {error or type(error).__name__}") from error


async def _tail(
    settings: RuntimeSettings,
    topic: str,
    type_: str,
    conversation: str,
    from_beginning: bool,
    as_json: bool,
    once: bool,
) -> None:
    name = settings.topic(topic)
    records = read_to_end(settings, name) if once else follow(settings, name, from_beginning=from_beginning)
    async for record in records:
        line = _line(record, type_, conversation, as_json)
        if line:
            typer.echo(line)


def _line(record: Any, type_: str, conversation: str, as_json: bool) -> str:
    headers = header_map(record)
    kind = (headers.get("ce_type") or b"?").decode("utf-8", "replace").removeprefix(TYPE_PREFIX)
    subject = (headers.get("ce_subject") or b"?").decode("utf-8", "replace")
    if (type_ and not kind.startswith(type_)) or (conversation and subject != conversation):
        return ""
    where = f"{record.partition}:{record.offset}"
    try:
        event = decode(headers, record.value, MODELS)
    except (EnvelopeError, ValidationError) as error:
        return f"{where:>10}  unreadable: {str(error).splitlines()[0]}"
    if as_json:
        return json.dumps(as_dict(event), ensure_ascii=False)
    data = event.data.model_dump(mode="json", exclude_defaults=True)
    short = {k: v for k, v in data.items() if k not in ("record", "content", "href") and not isinstance(v, dict | list)}
    details = " ".join(f"{k}={v}" for k, v in short.items())
    number = f"#{event.sequence}" if event.sequence is not None else ""
    service = event.source.rsplit("/", 1)[-1]
    return f"{event.time:%H:%M:%S} {where:>8} {service:<9} {number:<4} {kind:<32} {subject[:8]} {details[:160]}"
