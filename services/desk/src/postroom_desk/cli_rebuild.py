"""`postroom desk rebuild` and `reindex`: the read model anew from offset 0, the search index anew from the read model."""

import asyncio

import typer
from aiokafka.errors import KafkaError
from postroom_runtime.cli import fail
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.settings import RuntimeSettings
from rich.console import Console

from postroom_desk.rebuild import RebuildRunningError, rebuild
from postroom_desk.reindex import reindex

desk_app = typer.Typer(help="The desk's read model and search index.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add `desk` to the program."""
    app.add_typer(desk_app, name="desk")


@desk_app.callback()
def desk() -> None:
    """The desk's read model and search index."""


@desk_app.command("rebuild")
def rebuild_command() -> None:
    """Fold every conversation anew from the log's first record. The desk may run meanwhile; run again, it is the same."""
    console = Console(stderr=True)
    try:
        with console.status("reading the log") as status:
            done = asyncio.run(rebuild(RuntimeSettings(), lambda what, n: status.update(f"{what}: {n}")))
    except (KafkaError, InfrastructureError, RebuildRunningError, OSError, LookupError, TimeoutError) as error:
        raise fail(str(error) or type(error).__name__) from error
    typer.echo(
        f"{done.facts} facts read, {done.conversations} conversations folded, {len(done.failed)} left as they were"
    )
    if done.failed:
        raise typer.Exit(1)


@desk_app.command("reindex")
def reindex_command() -> None:
    """Make the search index anew. Search finds little at first; a desk that runs does the work, else this command."""
    console = Console(stderr=True)
    try:
        with console.status("indexing") as status:
            count = asyncio.run(reindex(RuntimeSettings(), lambda n: status.update(f"indexing: {n} facts")))
    except (KafkaError, InfrastructureError, OSError, LookupError, TimeoutError) as error:
        raise fail(str(error) or type(error).__name__) from error
    typer.echo(f"{count} facts indexed" if count is not None else "the index is marked; a running desk makes it anew")
