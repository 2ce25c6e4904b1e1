"""`postroom audit`: checks the hash chain, and exports it."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import typer
from postroom_runtime import mongo
from postroom_runtime.cli import fail
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.settings import RuntimeSettings

from postroom_desk.audit.chain import Verification
from postroom_desk.audit.store import MongoAuditStore

T = TypeVar("T")
MOST_FAULTS = 20
audit = typer.Typer(no_args_is_help=True, help="Check and export who read, answered and changed what.")


@asynccontextmanager
async def opened(settings: RuntimeSettings) -> AsyncIterator[MongoAuditStore]:
    client = mongo.connect(settings)
    try:
        yield MongoAuditStore(mongo.database(client, settings, "desk"))
    finally:
        await mongo.close(client)


@audit.command()
def verify(
    head: Annotated[
        str | None, typer.Option(help="A head that was noted before: it must still be in the chain.")
    ] = None,
) -> None:
    """Check every entry against its hash and the one before, and exit 1 if one was changed, left out or put in."""
    faults, verification = _run(_verified(RuntimeSettings(), head))
    for fault in faults:
        typer.echo(fault, err=True)
    typer.echo(f"{verification.head.sequence} entries, head {verification.head}")
    if faults:
        raise typer.Exit(1)


async def _verified(settings: RuntimeSettings, head: str | None) -> tuple[list[str], Verification]:
    verification, faults = Verification(wanted=head), list[str]()
    async with opened(settings) as store:
        async for link in store.all():
            faults += verification.check([link])
            if len(faults) >= MOST_FAULTS:
                return [*faults[:MOST_FAULTS], "... and perhaps more"], verification
    return [*faults, *verification.end()], verification


@audit.command()
def export(
    begin: Annotated[str | None, typer.Option("--from", help="First day or instant (ISO 8601, UTC).")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Day or instant before which it ends.")] = None,
) -> None:
    """Write the entries as JSON lines, with their hashes, in order."""
    _run(_export(RuntimeSettings(), _instant(begin, "--from"), _instant(end, "--to")))


async def _export(settings: RuntimeSettings, begin: datetime | None, end: datetime | None) -> None:
    async with opened(settings) as store:
        async for link in store.all(begin, end):
            typer.echo(json.dumps(link, sort_keys=True, ensure_ascii=False))


def _instant(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise fail(f"{option}: {text!r} is no day or instant such as 2026-03-06 or 2026-03-06T12:00:00Z") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except InfrastructureError as error:
        raise fail(f"{error} (POSTROOM_MONGO_URI)") from error
