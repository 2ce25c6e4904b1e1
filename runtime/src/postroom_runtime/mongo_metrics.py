# ruff: noqa: ARG002 - the driver's hooks have a fixed form
"""The MongoDB client's health: does the server answer, how fast, and how busy are the connections.

Commands are not counted one by one: the driver would copy each of them for a listener.
"""

from contextlib import suppress
from typing import Any

from prometheus_client import Counter, Gauge
from pymongo import monitoring

UP = Gauge("postroom_mongo_up", "1 when the last heartbeat of a MongoDB server was answered.", ["service", "server"])
ROUND_TRIP = Gauge(
    "postroom_mongo_heartbeat_seconds", "How long the last answered heartbeat took.", ["service", "server"]
)
WRITABLE = Gauge("postroom_mongo_writable", "1 while a MongoDB server is known that takes writes.", ["service"])
CONNECTIONS = Gauge("postroom_mongo_connections", "Connections to MongoDB: open, and in use.", ["service", "state"])
CHECKOUT_FAILURES = Counter(
    "postroom_mongo_checkout_failures", "Times that no connection was to be had in time.", ["service"]
)


class Heartbeats(monitoring.ServerHeartbeatListener):
    """Tells of each server of the deployment; the driver calls it from its own threads or tasks."""

    def __init__(self, service: str, gone: set[str]) -> None:
        self._service = service
        self._gone = gone

    def started(self, event: Any) -> None:
        """A heartbeat that begins says nothing."""

    def succeeded(self, event: monitoring.ServerHeartbeatSucceededEvent) -> None:
        name = _name(event.connection_id)
        self._show(name, 1)
        if not event.awaited and name not in self._gone:  # the server answers an awaited one when something changes
            ROUND_TRIP.labels(self._service, name).set(event.duration)

    def failed(self, event: monitoring.ServerHeartbeatFailedEvent) -> None:
        self._show(_name(event.connection_id), 0)

    def _show(self, name: str, up: int) -> None:
        if name not in self._gone:
            UP.labels(self._service, name).set(up)


class Members(monitoring.ServerListener):
    """Drops the series of a server that belongs to the deployment no more: a member that was removed, a seed that is none.

    `gone` is shared with the heartbeats: one that was under way must not bring such a server back.
    """

    def __init__(self, service: str, gone: set[str]) -> None:
        self._service = service
        self._gone = gone

    def opened(self, event: monitoring.ServerOpeningEvent) -> None:
        self._gone.discard(_name(event.server_address))

    def description_changed(self, event: Any) -> None:
        """Heartbeats and the topology tell of it."""

    def closed(self, event: monitoring.ServerClosedEvent) -> None:
        name = _name(event.server_address)
        self._gone.add(name)
        for gauge in (UP, ROUND_TRIP):
            with suppress(KeyError):
                gauge.remove(self._service, name)


class Writes(monitoring.TopologyListener):
    """Tells whether the driver knows a server that takes writes: with a majority of its members a deployment has one."""

    def __init__(self, service: str) -> None:
        self._writable = WRITABLE.labels(service)

    def opened(self, event: Any) -> None:
        self._writable.set(0)

    def description_changed(self, event: monitoring.TopologyDescriptionChangedEvent) -> None:
        self._writable.set(event.new_description.has_writable_server())

    def closed(self, event: Any) -> None:
        """The process ends."""


class Pool(monitoring.ConnectionPoolListener):
    """Counts connections that are open and that are in use."""

    def __init__(self, service: str) -> None:
        self._open = CONNECTIONS.labels(service, "open")
        self._used = CONNECTIONS.labels(service, "in_use")
        self._failures = CHECKOUT_FAILURES.labels(service)

    def connection_created(self, event: Any) -> None:
        self._open.inc()

    def connection_closed(self, event: Any) -> None:
        self._open.dec()

    def connection_checked_out(self, event: Any) -> None:
        self._used.inc()

    def connection_checked_in(self, event: Any) -> None:
        self._used.dec()

    def connection_check_out_failed(self, event: Any) -> None:
        self._failures.inc()

    def pool_created(self, event: Any) -> None: ...
    def pool_ready(self, event: Any) -> None: ...
    def pool_cleared(self, event: Any) -> None: ...
    def pool_closed(self, event: Any) -> None: ...
    def connection_ready(self, event: Any) -> None: ...
    def connection_check_out_started(self, event: Any) -> None: ...


def _name(address: tuple[str, int | None]) -> str:
    return f"{address[0]}:{address[1]}"


def listeners(service: str) -> list[Any]:
    """Return what a client of this service is given as `event_listeners`."""
    gone: set[str] = set()
    return [Heartbeats(service, gone), Members(service, gone), Writes(service), Pool(service)]
