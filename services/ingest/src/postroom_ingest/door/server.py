"""The door's listeners: bound when the service is put together, open once it has started, closed when it drains."""

import asyncio
import ssl
from collections.abc import Callable, Sequence

import structlog
from postroom_runtime.clock import Clock, monotonic
from postroom_runtime.configuration_feed import Configurations

from postroom_ingest.door.guard import Guard
from postroom_ingest.door.hooks import House
from postroom_ingest.door.session import DoorSession, LmtpSession
from postroom_ingest.door.settings import DoorSettings
from postroom_ingest.door.take import MailTaker
from postroom_ingest.intake import IntakeStore

log = structlog.get_logger(__name__)
BACKLOG = 100
_LOOK_SECONDS = 0.05


class MailDoor:
    """SMTP and LMTP for one process. `bind`, then `run` until it is cancelled; `close` may be called at any time."""

    def __init__(
        self,
        settings: DoorSettings,
        configurations: Configurations,
        intake: IntakeStore,
        clock: Clock,
        probe_keys: Sequence[bytes] = (),
    ) -> None:
        self._settings = settings
        self._tls: ssl.SSLContext | None = settings.tls()
        taker = MailTaker(configurations, intake, clock, settings.store_seconds, probe_keys)
        self._house = House(settings, Guard(settings), taker, self._tls, set())
        self._servers: dict[str, asyncio.Server] = {}

    @property
    def is_wanted(self) -> bool:
        return self._settings.smtp_port is not None or self._settings.lmtp_port is not None

    @property
    def ports(self) -> dict[str, int]:
        return {name: server.sockets[0].getsockname()[1] for name, server in self._servers.items()}

    @property
    def is_open(self) -> bool:
        return bool(self._servers) and all(server.is_serving() for server in self._servers.values())

    async def bind(self) -> None:
        """Take the ports; who connects is not answered yet. Raises OSError when a port is taken."""
        settings = self._settings
        wanted: list[tuple[str, int | None, Callable[[House], DoorSession]]] = [
            ("smtp", settings.smtp_port, DoorSession),
            ("lmtp", settings.lmtp_port, LmtpSession),
        ]
        for name, port, session in wanted:
            if port is not None:
                self._servers[name] = await asyncio.get_running_loop().create_server(
                    lambda session=session: session(self._house),  # type: ignore[misc]
                    settings.host,
                    port,
                    start_serving=False,
                    backlog=BACKLOG,
                )

    async def run(self) -> None:
        """Take mail until cancelled; then no new connection, and a moment for what is being stored."""
        for server in self._servers.values():
            await server.start_serving()
        log.info("the mail door is open", **self.ports)
        if self._settings.ports_file is not None:
            text = " ".join(f"{name}={port}" for name, port in self.ports.items())
            self._settings.ports_file.write_text(text)
        try:
            await asyncio.Event().wait()
        finally:
            await self._leave()

    async def _leave(self) -> None:
        """Close; senders that were not answered keep their mail and come again, to another replica."""
        for server in self._servers.values():
            server.close()
        sessions = self._house.sessions
        for session in [s for s in sessions if not s.storing]:
            session.dismiss("421 4.3.2 closing, come again")
        deadline = monotonic() + self._settings.stop_seconds
        while any(s.storing for s in sessions) and monotonic() < deadline:
            await asyncio.sleep(_LOOK_SECONDS)
        await asyncio.sleep(0)  # the answer of the one that has just been stored goes out
        for session in list(sessions):
            session.dismiss("421 4.3.2 closing, come again")

    async def close(self) -> None:
        for server in self._servers.values():
            server.close()
        self._servers.clear()
