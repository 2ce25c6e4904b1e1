"""`postroom run SERVICE...`: one service in this process, several as children."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, Self

import typer

from postroom_runtime.cli import fail
from postroom_runtime.clock import monotonic
from postroom_runtime.metrics import announce
from postroom_runtime.service import ServiceDefinition, run_service
from postroom_runtime.settings import RuntimeSettings

SERVICES = "postroom.services"
LOCAL_RUN = "postroom.local_run"
"""What starts everything on servers of its own; the runtime does not know the embedded servers."""
LOOK_SECONDS = 0.2
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
WELL_SECONDS = 60.0
"""Who lived for so long is started again at once, as at first."""
CLOSING_SECONDS = 80.0
"""For what a service closes after its batch in flight: as long as the chart gives a pod."""


def installed() -> dict[str, Callable[[], ServiceDefinition]]:
    """Return service name to what loads it, of every installed package."""
    return {found.name: found.load for found in entry_points(group=SERVICES)}


def register(app: typer.Typer) -> None:
    app.command("run")(run)


def run(
    services: Annotated[list[str], typer.Argument(help="Service names, or `all`.")],
    restart: Annotated[bool, typer.Option(help="With several: start a child that ended again.")] = True,
    local: Annotated[
        bool, typer.Option("--local", help="With `all`: on Kafka and MongoDB of its own, started on this machine.")
    ] = False,
    config: Annotated[Path, typer.Option(help="With --local: the configuration file.")] = Path("company.yaml"),
    data: Annotated[Path, typer.Option(help="With --local: where everything is kept.")] = Path(".postroom"),
    live: Annotated[
        bool, typer.Option("--live", help="With --local: send, mark and move mail. Without, it is only said.")
    ] = False,
    port: Annotated[int | None, typer.Option(min=1024, max=65535, help="With --local: port of the page.")] = None,
) -> None:
    """Run a service until it is told to stop; several names start a child process for each."""
    if local:
        raise typer.Exit(_run_local(services, config=config, data=data, live=live, port=port))
    known = installed()
    names = sorted(known) if services == ["all"] else services
    unknown = [name for name in names if name not in known]
    if unknown:
        raise fail(f"no service {', '.join(unknown)}; installed: {', '.join(sorted(known))}", 2)
    if len(names) > 1:
        if os.environ.get("POSTROOM_HTTP_PORT", "0") != "0":
            raise fail(
                "POSTROOM_HTTP_PORT is one port; for several services leave it out, each then takes a free one", 2
            )
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


def _run_local(services: list[str], **options: Any) -> int:
    if services != ["all"]:
        raise fail("--local runs everything: say `postroom run --local all`", 2)
    found = next(iter(entry_points(group=LOCAL_RUN)), None)
    if found is None:
        raise fail("the embedded servers are not installed (package postroom-demo)", 2)
    return int(found.load()(**options))


@dataclass(slots=True)
class _Child:
    """One service as a process, started again when it ends: after 1 s, then 2, 4, ... 30 s until it lives for a minute."""

    name: str
    process: subprocess.Popen[bytes]
    began_at: float
    pause: float = FIRST_PAUSE_SECONDS
    due_at: float | None = None

    @classmethod
    def start(cls, name: str) -> Self:
        return cls(name, _start(name), monotonic())

    def look(self, *, restart: bool) -> bool:
        """Return False when it has ended and is not to be started again. Never waits."""
        now = monotonic()
        if self.due_at is not None:
            if now >= self.due_at:
                self.process, self.began_at, self.due_at = _start(self.name), now, None
            return True
        if self.process.poll() is None:
            return True
        again = f", started again in {self._next_pause(now):g} s" if restart else ""
        typer.echo(f"{self.name} ended with {self.process.returncode}{again}", err=True)
        self.due_at = now + self.pause
        self.pause = min(self.pause * 2, LONGEST_PAUSE_SECONDS)
        return restart

    def _next_pause(self, now: float) -> float:
        if now - self.began_at > WELL_SECONDS:
            self.pause = FIRST_PAUSE_SECONDS
        return self.pause


def _run_children(names: list[str], *, restart: bool) -> int:
    """Run children until a signal, or until one ends that is not to be started again; return the exit code."""
    stopping = False
    children: list[_Child] = []

    def stop(*_: object) -> None:
        """The second signal ends them at once, as it does with one service."""
        nonlocal stopping
        if stopping:
            for child in children:
                child.process.kill()
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    children += [_Child.start(name) for name in names]
    while not stopping and all(child.look(restart=restart) for child in children):
        time.sleep(LOOK_SECONDS)
    return _stop_children([child.process for child in children], expected=stopping, seconds=_stop_seconds())


def _stop_seconds() -> float:
    """Return how long a service may take to drain and close, with the settings that the children have."""
    return RuntimeSettings().graceful_timeout_seconds + CLOSING_SECONDS


def _start(name: str) -> subprocess.Popen[bytes]:
    # The program itself, not a user's text; each child is a session of its own so that Ctrl-C reaches it through us.
    return subprocess.Popen([sys.executable, "-m", "postroom_runtime.cli", "run", name], start_new_session=True)  # noqa: S603


def _stop_children(children: list[subprocess.Popen[bytes]], *, expected: bool, seconds: float) -> int:
    """End what runs, within so long; return 0 when all ended in order, 1 when one did not or had ended by itself."""
    running = [child for child in children if child.poll() is None]
    code = 0 if expected or len(running) == len(children) else 1
    deadline = monotonic() + seconds
    for child in running:
        child.terminate()
    for child in running:
        try:
            child.wait(max(0.1, deadline - monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        code |= child.returncode not in (0, -signal.SIGTERM)
    return code
