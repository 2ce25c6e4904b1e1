"""The small HTTP door of every service: `/livez`, `/readyz`, `/metrics`, and behind them the service's own application.

Neither probe asks Kafka or MongoDB: a probe that does takes every door down when they blink.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from postroom_runtime.http_metrics import measured
from postroom_runtime.metrics import READY
from postroom_runtime.settings import RuntimeSettings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Readiness = Callable[[], dict[str, bool]]
"""Returns named conditions; ready when all are true."""


class Door:
    """ASGI application of the probes; everything else goes to `inner` (404 while there is none)."""

    def __init__(self, readiness: Readiness, service: str = "") -> None:
        self._readiness = readiness
        self._service = service
        self.inner: Application | None = None
        self.before_scrape: list[Callable[[], Awaitable[None]]] = []
        """Awaited before `/metrics` answers, for series that are read from stored rollups."""

    def stand_for(self, other: "Door") -> None:
        """Answer from now on as `other` would: this one was open before the service stood."""
        self._readiness, self._service = other._readiness, other._service  # noqa: SLF001 - of the same class
        self.inner, self.before_scrape = other.inner, other.before_scrape

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "http" and path in ("/livez", "/readyz", "/metrics"):
            await self._probe(path, send)
        elif self.inner is not None and scope["type"] == "http":
            await measured(self._service, self.inner, scope, receive, send)
        elif self.inner is not None and scope["type"] == "websocket":
            await self.inner(scope, receive, send)
        elif scope["type"] == "http":
            await _answer(send, 404, b"not found\n", "text/plain")

    async def _probe(self, path: str, send: Send) -> None:
        if path == "/livez":
            await _answer(send, 200, b"ok\n", "text/plain")
        elif path == "/readyz":
            conditions = self._readiness()
            body = json.dumps(conditions).encode() + b"\n"
            await _answer(send, 200 if all(conditions.values()) else 503, body, "application/json")
        else:
            for condition, met in self._readiness().items():
                READY.labels(self._service, condition).set(met)
            for refresh in self.before_scrape:
                with contextlib.suppress(Exception):  # a scrape shows what is known even when MongoDB is away
                    async with asyncio.timeout(5):
                        await refresh()
            await _answer(send, 200, generate_latest(), CONTENT_TYPE_LATEST)


async def _answer(send: Send, status: int, body: bytes, content_type: str) -> None:
    headers = [(b"content-type", content_type.encode()), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class HttpServer:
    """Serves a Door with uvicorn inside our own loop; signals stay ours."""

    def __init__(self, door: Door, settings: RuntimeSettings) -> None:
        self._settings = settings
        config = uvicorn.Config(
            door,
            host=settings.http_host,
            port=settings.http_port,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=5,
            server_header=False,
        )
        self._server = uvicorn.Server(config)
        self._server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
        self._task: asyncio.Task[None] | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen. Raises OSError naming the port when it is taken."""
        self._task = asyncio.create_task(self._server.serve(), name="http")
        while not self._server.started:
            if self._task.done():
                raise OSError(
                    f"port {self._settings.http_port} on {self._settings.http_host} is taken; set POSTROOM_HTTP_PORT"
                )
            await asyncio.sleep(0.01)
        self.port = self._server.servers[0].sockets[0].getsockname()[1]
        if self._settings.http_port_file is not None:
            partial = self._settings.http_port_file.with_suffix(".partial")
            partial.write_text(str(self.port))
            partial.replace(self._settings.http_port_file)

    async def stop(self) -> None:
        self._server.should_exit = True
        if self._task is not None:
            with contextlib.suppress(SystemExit):
                await asyncio.wait({self._task}, timeout=8)
