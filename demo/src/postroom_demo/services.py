"""The six services, each a process of its own: started, watched, started again when one ends, stopped in order."""

import asyncio
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from postroom_local.process import ManagedProcess, spawn

from postroom_demo.place import DemoError

SERVICES = ("ingest", "router", "assigner", "notifier", "analytics", "desk")
RESTART_SECONDS = 3.0
"""A killed service stays away for so long, so that its lag is seen to rise."""
READY_SECONDS = 90.0
_STOP_SECONDS = 30.0
_TAIL_LINES = 15


@dataclass(slots=True)
class Service:
    """One service: how it is started, and how it is."""

    name: str
    port: int
    log_path: Path
    process: ManagedProcess | None = None
    restarts: int = 0
    ready: bool = False
    down_since: float | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def state(self) -> str:
        """`ready`, `starting` or `down`."""
        running = self.process is not None and self.process.running
        return "down" if not running else "ready" if self.ready else "starting"

    def log_tail(self) -> str:
        try:
            lines = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return "(no log)"
        return "\n".join(lines[-_TAIL_LINES:]) or "(its log is empty)"


@dataclass(slots=True)
class Supervisor:
    """Runs `postroom run NAME` for each service with `environment`; `spawned` children die with this process."""

    services: Mapping[str, Service]
    environment: Mapping[str, str]
    say: Callable[[str], None]
    stopping: bool = False
    _client: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(timeout=2.0, trust_env=False))

    def start(self) -> None:
        for service in self.services.values():
            service.log_path.unlink(missing_ok=True)
            self._spawn(service)

    def _spawn(self, service: Service) -> None:
        command = [sys.executable, "-m", "postroom_runtime.cli", "run", service.name]
        environment = {**self.environment, "POSTROOM_HTTP_PORT": str(service.port)}
        service.process = spawn(service.name, command, service.log_path, env=environment)
        service.ready = False
        service.down_since = None

    async def wait_ready(self) -> None:
        """Return when every /readyz says so. Raises DemoError with the end of the log of the one that does not."""
        give_up_at = time.monotonic() + READY_SECONDS
        waiting = dict(self.services)
        while waiting:
            for name, service in list(waiting.items()):
                if service.process is not None and not service.process.running:
                    raise self._failure(service, "ended while it was starting")
                if await self._is_ready(service):
                    service.ready = True
                    del waiting[name]
            if waiting and time.monotonic() > give_up_at:
                raise self._failure(next(iter(waiting.values())), f"was not ready within {READY_SECONDS:.0f} s")
            await asyncio.sleep(0.1)

    @staticmethod
    def _failure(service: Service, what: str) -> DemoError:
        return DemoError(
            f"the service {service.name} {what}. Its log is {service.log_path}; `make clean-demo` starts from nothing. "
            f"The end of its log:\n{service.log_tail()}"
        )

    async def _is_ready(self, service: Service) -> bool:
        try:
            return (await self._client.get(f"{service.url}/readyz")).status_code == 200
        except httpx.HTTPError:
            return False

    async def metrics(self, name: str) -> str:
        """Return the text of a service's /metrics, empty when it does not answer."""
        try:
            return (await self._client.get(f"{self.services[name].url}/metrics")).text
        except httpx.HTTPError:
            return ""

    async def watch(self) -> None:
        """Start again whatever ended, after RESTART_SECONDS, and keep `ready` true to /readyz, until cancelled."""
        while True:
            for service in self.services.values():
                await self._look_after(service)
            await asyncio.sleep(0.5)

    async def _look_after(self, service: Service) -> None:
        assert service.process is not None
        if service.process.running:
            service.ready = await self._is_ready(service)
            return
        now = time.monotonic()
        if service.down_since is None:
            service.down_since, service.ready = now, False
            self.say(f"{service.name} is down; it is started again in {RESTART_SECONDS:.0f} s")
        elif now - service.down_since >= RESTART_SECONDS and not self.stopping:
            service.restarts += 1
            self._spawn(service)

    def kill(self, name: str) -> None:
        """End a service by SIGKILL. Raises KeyError for an unknown name."""
        process = self.services[name].process
        if process is not None and process.running:
            process.kill()

    async def stop(self) -> None:
        """Stop all by SIGTERM at once and wait for them; what does not end in time is killed."""
        self.stopping = True
        running = [s.process for s in self.services.values() if s.process is not None]
        await asyncio.gather(*(asyncio.to_thread(process.stop, _STOP_SECONDS) for process in running))
        await self._client.aclose()
