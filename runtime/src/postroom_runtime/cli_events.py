"""`postroom events tail|replay`: the event stream, readably or as JSON, and a range of it once more."""

import asyncio
import json
from collections.abc import Callable
from typing import Annotated, Any

import typer
from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.errors import KafkaError
from postroom_contracts.events import TYPE_PREFIX, EnvelopeError, as_dict, decode
from postroom_contracts.registry import MODELS
from postroom_contracts.topics import CONVERSATION_EVENTS, TOPICS, all_topics
from pydantic import ValidationError

from postroom_runtime.cli import fail
from postroom_runtime.kafka import client_options
from postroom_runtime.records import header_map
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.tail import Place, follow, parse_place, read_to_end

PROGRESS = 10_000
IN_FLIGHT = 500
"""Records that a replay has sent and not yet seen acknowledged."""
events_app = typer.Typer(no_args_is_help=True, help="The stream of conversation events.")

TypeOption = Annotated[str, typer.Option("--type", help="Only this type, such as message-received.")]
ConversationOption = Annotated[str, typer.Option(help="Only this conversation.")]
FROM = "`beginning`, `end`, a time such as 2026-03-06T14:00:00Z, or `partition:offset,...`."


def register(app: typer.Typer) -> None:
    app.add_typer(events_app, name="events")


@events_app.command("tail")
def tail(
    type_: TypeOption = "",
    conversation: ConversationOption = "",
    from_: Annotated[str, typer.Option("--from", help=FROM)] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line (CloudEvents).")] = False,
    once: Annotated[bool, typer.Option("--once", help="End at the present end instead of waiting.")] = False,
    topic: Annotated[str, typer.Option(help="Another topic of ours, without prefix.")] = CONVERSATION_EVENTS.name,
) -> None:
    """Follow the events as they are published; Ctrl-C ends it."""
    start = _place(from_ or ("beginning" if once else "end"), "--from")
    if topic not in {t.name for t in TOPICS}:
        raise fail(f"--topic takes one of {', '.join(t.name for t in TOPICS)}", 2)
    settings = RuntimeSettings()
    chosen = _chosen(type_, conversation)

    async def run() -> None:
        name = settings.topic(topic)
        records = read_to_end(settings, name, start=start) if once else follow(settings, name, start=start)
        async for record in records:
            if chosen(record):
                typer.echo(_line(record, as_json))

    _run(settings, run())


@events_app.command("replay")
def replay(
    to: Annotated[str, typer.Option("--to", help="The topic that gets them; it must exist, and be none of ours.")],
    from_: Annotated[str, typer.Option("--from", help=FROM)] = "beginning",
    until: Annotated[str, typer.Option("--until", help="Up to here, exclusive; written as `--from`.")] = "end",
    type_: TypeOption = "",
    conversation: ConversationOption = "",
) -> None:
    """Publish a range of `conversation-events` again, unchanged, to a topic of yours.

    Key, headers and body stay as they are, so that order per conversation and the rule about repeats hold there too.
    """
    start, end = _place(from_, "--from"), _place(until, "--until")
    settings = RuntimeSettings()
    if to in {settings.topic(t.name) for t in all_topics()}:
        raise fail(f"{to} is a topic of Postroom: its services would take the events for new ones", 2)
    source = settings.topic(CONVERSATION_EVENTS.name)

    async def run() -> int:
        records = read_to_end(settings, source, start=start, until=end)
        return await _publish_again(settings, records, to, _chosen(type_, conversation))

    typer.echo(f"{_run(settings, run())} events of {source} published again to {to}")


async def _publish_again(
    settings: RuntimeSettings, records: Any, to: str, chosen: Callable[[ConsumerRecord], bool]
) -> int:
    """Return how many were published. Raises LookupError when `to` does not exist, KafkaError."""
    producer = AIOKafkaProducer(**client_options(settings), acks="all", enable_idempotence=True)
    await producer.start()
    try:
        if to not in (await producer.client.fetch_all_metadata()).topics():
            raise LookupError(f"topic {to} does not exist; create it first, with as many partitions as you want")
        count, waiting = 0, []
        async for record in records:
            if chosen(record):
                waiting.append(await producer.send(to, record.value, record.key, headers=list(record.headers)))
                count += 1
            if len(waiting) >= IN_FLIGHT:
                await asyncio.gather(*waiting)
                waiting.clear()
                if count % PROGRESS < IN_FLIGHT:
                    typer.echo(f"{count} ...", err=True)
        await asyncio.gather(*waiting)
        return count
    finally:
        await producer.stop()


def _place(text: str, option: str) -> Place:
    try:
        return parse_place(text)
    except ValueError as error:
        raise fail(f"{option}: {error}", 2) from error


def _run(settings: RuntimeSettings, work: Any) -> Any:
    """Carry out `work`; Ctrl-C ends it quietly, an unreachable Kafka or unknown topic is named."""
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except (KafkaError, OSError, LookupError) as error:
        raise fail(f"Kafka at {settings.kafka_bootstrap}: {error or type(error).__name__}") from error


def _chosen(type_: str, conversation: str) -> Callable[[ConsumerRecord], bool]:
    """Return the filter by type (its beginning is enough) and conversation; it reads headers alone."""

    def is_chosen(record: ConsumerRecord) -> bool:
        headers = header_map(record)
        kind = (headers.get("ce_type") or b"?").decode("utf-8", "replace").removeprefix(TYPE_PREFIX)
        subject = (headers.get("ce_subject") or b"?").decode("utf-8", "replace")
        return kind.startswith(type_) and (not conversation or subject == conversation)

    return is_chosen


def _line(record: ConsumerRecord, as_json: bool) -> str:
    where = f"{record.partition}:{record.offset}"
    try:
        event = decode(header_map(record), record.value, MODELS)
    except (EnvelopeError, ValidationError) as error:
        return f"{where:>10}  unreadable: {str(error).splitlines()[0]}"
    if as_json:
        return json.dumps(as_dict(event), ensure_ascii=False)
    data = event.data.model_dump(mode="json", exclude_defaults=True)
    short = {k: v for k, v in data.items() if k not in ("record", "content", "href") and not isinstance(v, dict | list)}
    details = " ".join(f"{k}={v}" for k, v in short.items())
    number = f"#{event.sequence}" if event.sequence is not None else ""
    service = event.source.rsplit("/", 1)[-1]
    kind = event.type.removeprefix(TYPE_PREFIX)
    return f"{event.time:%H:%M:%S} {where:>8} {service:<9} {number:<4} {kind:<32} {event.subject[:8]} {details[:160]}"
