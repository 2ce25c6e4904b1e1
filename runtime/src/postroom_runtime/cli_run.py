"""`postroom run SERVICE...`: one service in this process, several as children."""

import asyncio
import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Annotated

import typer

from postroom_runtime.cli import fail
from postroom_runtime.metrics import announce
from postroom_runtime.service import ServiceDefinition, run_service

SERVICES = "postroom.services"


def installed() -> dict[str, Callable[[], ServiceDefinition]]:
    """Return service name to what loads it, of every installed package."""
    return {found.name: found.load for found in entry_points(group=SERVICES)}


def register(app: typer.Typer) -> None:
    app.command("run")(run)


def run(
    services: Annotated[list[str], typer.Argument(help="Service names, or `all`.")],
    restart: Annotated[bool, typer.Option(help="With several: start a child that ended again.")] = True,
) -> None:
    """Run a service until it is told to stop; several names start a child process for each."""
    known = installed()
    names = sorted(known) if services == ["all"] else services
    unknown = [name for name in names if name not in known]
    if unknown:
        raise fail(f"no service {', '.join(unknown)}; installed: {', '.join(sorted(known))}", 2)
    if len(names) > 1:
        raise typer.Exit(_run_children(names, restart=restart))
    with contextlib.suppress(ImportError):
        import uvloop  # noqa: PLC0415 - taken where it is installed

        uvloop.install()
    announce(names[0])
    definition: ServiceDefinition = known[names[0]]()()  # type: ignore[operator]
    try:
        asyncio.run(run_service(definition, definition.settings()))
    except (OSError, LookupError, TimeoutError) as error:
        raise fail(f"{names[0]}: {error}") from error


def _run_children(names: list[str], *, restart: bool) -> int:
    """Run children until a signal; a child that ended by itself is started again with growing pauses."""
    children = {name: _start(name) for name in names}
    pauses = dict.fromkeys(names, 1.0)
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    while not stopping:
        time.sleep(0.2)
        for name, child in children.items():
            if child.poll() is not None and not stopping:
                typer.echo(f"{name} ended with {child.returncode}", err=True)
                if not restart:
                    stopping = True
                    break
                time.sleep(min(pauses[name], 30))
                pauses[name] *= 2
                children[name] = _start(name)
    return _stop_children(children)


def _start(name: str) -> subprocess.Popen[bytes]:
    # The program itself, not a user's text; each child is a session of its own so that Ctrl-C reaches it through us.
    return subprocess.Popen([sys.executable, "-m", "postroom_runtime.cli", "run", name], start_new_session=True)  # noqa: S603


def _stop_children(children: dict[str, subprocess.Popen[bytes]]) -> int:
    for child in children.values():
        if child.poll() is None:
            child.terminate()
    worst = 0
    for child in children.values():
        try:
            worst = max(worst, child.wait(40))
        except subprocess.TimeoutExpired:
            child.kill()
            worst = 1
    return worst
