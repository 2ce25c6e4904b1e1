"""`postroom analytics rebuild`: all figures anew from offset 0."""

import asyncio
from typing import Annotated

import typer
from aiokafka.errors import KafkaError
from postroom_runtime.cli import fail
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.settings import RuntimeSettings
from rich.console import Console

from postroom_analytics.cli import analytics_app
from postroom_analytics.rebuild import RebuildRunningError, rebuild


def register(app: typer.Typer) -> None:
    """The command hangs under `analytics`, which is registered by `cli.py`."""
    del app


@analytics_app.command("rebuild")
def rebuild_command(
    check: Annotated[
        bool, typer.Option("--check", help="Only compare with the figures in use; exit 1 if they differ.")
    ] = False,
) -> None:
    """Fold the whole event log again beside the figures in use, then put the new ones in their place."""
    console = Console(stderr=True)
    try:
        with console.status("folding") as status:
            found = asyncio.run(
                rebuild(RuntimeSettings(), switch=not check, progress=lambda n: status.update(f"folding: {n} events"))
            )
    except (KafkaError, InfrastructureError, RebuildRunningError, OSError, LookupError, TimeoutError) as error:
        raise fail(str(error) or type(error).__name__) from error
    for name in found.differences:
        typer.echo(f"differs: {name}")
    for place in found.failed:
        typer.echo(f"could not be folded: {place}")
    done = "compared" if check else f"in use as generation {found.generation}"
    typer.echo(f"{found.events} events folded, {len(found.differences)} figures differ, {done}")
    if found.failed or (check and found.differences):
        raise typer.Exit(1)
