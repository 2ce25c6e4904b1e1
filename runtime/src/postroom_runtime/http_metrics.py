"""Requests by route, as the application's own router names it: ids in paths make no series."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

from postroom_runtime.clock import monotonic

Message = MutableMapping[str, Any]
Application = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
REQUESTS = Counter("postroom_http_requests", "Requests by route and status.", ["service", "method", "route", "status"])
SECONDS = Histogram(
    "postroom_http_seconds",
    "Time from a request to the beginning of its answer; of live streams, too.",
    ["service", "route"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
OPEN = Gauge("postroom_http_requests_open", "Requests that are being answered, live streams among them.", ["service"])


async def measured(
    service: str,
    application: Application,
    scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Let `application` answer one HTTP request and count it. A request that ends without an answer counts as 500."""
    started = monotonic()
    status = "500"
    begun: float | None = None

    async def noted(message: Message) -> None:
        nonlocal status, begun
        if message["type"] == "http.response.start" and begun is None:
            status, begun = str(message["status"]), monotonic()
        await send(message)

    OPEN.labels(service).inc()
    try:
        await application(scope, receive, noted)
    finally:
        OPEN.labels(service).dec()
        route, method = _route(scope), scope.get("method", "")
        REQUESTS.labels(service, method if method in METHODS else "other", route, status).inc()
        SECONDS.labels(service, route).observe((monotonic() if begun is None else begun) - started)


def _route(scope: Message) -> str:
    """Return the pattern of the route that answered, `other` where none did (static files, unknown paths)."""
    return str(getattr(scope.get("route"), "path", None) or "other")
