"""`postroom recover`: after a loss, before the services start again."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from importlib.metadata import entry_points
from typing import Annotated

import typer
from aiokafka.errors import KafkaError
from postroom_contracts.registry import source_of
from postroom_contracts.topics import GROUPS
from pymongo.errors import PyMongoError

from postroom_runtime import mongo
from postroom_runtime.cli import fail
from postroom_runtime.clock import SystemClock
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.kafka import Publisher
from postroom_runtime.recovery import RECOVERY, Recovery, ServiceRecovery, Stream
from postroom_runtime.recovery_steps import (
    ServicesRunningError,
    forget_positions,
    lost_numbers,
    pass_over,
    read_ends,
    require_stopped,
    reset_offsets,
)
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.tail import parse_place

_SHOWN = 10


def register(app: typer.Typer) -> None:
    app.command("recover")(recover)


def recover(
    since: Annotated[
        str, typer.Option(help="A time before the older of the two backups, such as 2026-03-06T14:00:00Z.")
    ],
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit 1 when log and documents disagree.")
    ] = False,
) -> None:
    """Bring Kafka and MongoDB together again after one of them, or both, were restored. All services must be stopped."""
    moment = _moment(since)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it complains of is said here in other words
    try:
        lines, wrong = asyncio.run(_run(moment, check=check))
    except (InfrastructureError, KafkaError, PyMongoError, OSError, LookupError, ServicesRunningError) as error:
        raise fail(str(error) or type(error).__name__) from error
    for line in lines:
        typer.echo(line)
    if check and wrong:
        raise typer.Exit(1)


def _moment(text: str) -> datetime:
    try:
        found = parse_place(text)
    except ValueError as error:
        raise fail(f"--since: {error}", 2) from error
    if not isinstance(found, datetime):
        raise fail("--since takes a time with zone, such as 2026-03-06T14:00:00Z", 2)
    return found


def parts() -> list[ServiceRecovery]:
    """Return the parts of the services, in the order in which they are carried out. Raises LookupError when one is missing."""
    found: list[ServiceRecovery] = [entry.load() for entry in entry_points(group=RECOVERY)]
    if missing := {group.service for group in GROUPS} - {part.service for part in found}:
        raise LookupError(
            f"not installed here: {', '.join(sorted(missing))}; the image `postroom-ingest` holds all services"
        )
    return sorted(found, key=lambda part: (part.rank, part.service))


@asynccontextmanager
async def opened(since: datetime) -> AsyncIterator[Recovery]:
    """Connect to both servers."""
    settings = RuntimeSettings()
    clock = SystemClock(settings.clock_offset_seconds)
    client, publisher = mongo.connect(settings), Publisher(settings)
    try:
        await publisher.start()
        yield Recovery(settings, clock, client, publisher, since)
    finally:
        await publisher.stop()
        await mongo.close(client)


async def _run(since: datetime, *, check: bool) -> tuple[list[str], bool]:
    async with opened(since) as recovery:
        services = parts()
        if check:
            return await checked(recovery, services)
        await require_stopped(recovery)
        return await recovered(recovery, services), False


async def recovered(recovery: Recovery, services: list[ServiceRecovery]) -> list[str]:
    """Carry all steps out and return what they say."""
    recovery.ends = await read_ends(recovery.settings)
    lines = [f"{await recovery.read_log()} facts stand on the log"]
    for service in services:
        if service.follows_commands is not None:
            collection = recovery.database(service.service)[service.follows_commands]
            lines += [f"{service.service}: {line}" for line in await forget_positions(recovery, collection)]
    for part in ("to_log", "from_log"):
        for service in services:
            lines += [f"{service.service}: {line}" for line in await getattr(service, part)(recovery)]
    lost = await lost_numbers(recovery, services)
    if lost:
        told = await pass_over(recovery, services, lost)
        lines += [*_lost(lost), f"{told} times a reader was told not to wait for one"]
    lines += await reset_offsets(recovery)
    for service in services:
        lines += [f"{service.service}: {line}" for line in await service.afterwards(recovery)]
    return lines


async def checked(recovery: Recovery, services: list[ServiceRecovery]) -> tuple[list[str], bool]:
    """Compare the numbers that each service would go on from with the log; return lines and whether something is wrong."""
    lines = [f"{await recovery.read_log()} facts stand on the log"]
    lost = await lost_numbers(recovery, services)
    behind = await _behind(recovery, services)
    lines += _lost(lost)
    lines += [f"{len(behind)} streams go on from a number that the log has already", *behind[:_SHOWN]] if behind else []
    return lines if len(lines) > 1 else [*lines, "log and documents agree"], bool(lost or behind)


async def _behind(recovery: Recovery, services: list[ServiceRecovery]) -> list[str]:
    known: dict[Stream, int] = {}
    sources = set()
    for service in services:
        if service.numbered is not None:
            source = source_of(service.service)
            sources.add(source)
            numbered = recovery.database(service.service)[service.numbered]
            cursor = numbered.find({"sequence": {"$gt": 0}}, {"sequence": 1})
            known |= {(d["_id"], source): d["sequence"] async for d in cursor}
    return [
        f"  {conversation} {source}: the log has {numbers.last}, the document {known.get((conversation, source), 0)}"
        for (conversation, source), numbers in sorted(recovery.log.numbers.items())
        if source in sources and numbers.last > known.get((conversation, source), 0)
    ]


def _lost(lost: dict[Stream, list[int]]) -> list[str]:
    if not lost:
        return []
    count = sum(map(len, lost.values()))
    first = [
        f"  {conversation} {source}: {numbers}" for (conversation, source), numbers in sorted(lost.items())[:_SHOWN]
    ]
    return [f"{count} facts of {len(lost)} streams are nowhere any more", *first]
