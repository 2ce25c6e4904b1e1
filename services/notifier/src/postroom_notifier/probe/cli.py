"""`postroom probe`: watch the whole way of a mail, from outside."""

import asyncio

import typer
from postroom_runtime.cli import fail
from postroom_runtime.metrics import announce
from postroom_runtime.service import run_service

from postroom_notifier.probe.app import Probe


def register(app: typer.Typer) -> None:
    app.command("probe")(probe)


def probe() -> None:
    """Send a marked mail through each account every minute, and show at /metrics how long it takes until the desk has it."""
    announce("probe")
    definition = Probe()
    try:
        asyncio.run(run_service(definition, definition.settings()))
    except (OSError, LookupError, TimeoutError, ValueError) as error:
        raise fail(f"probe: {error}") from error
