"""GreenMail 2.1: SMTP and IMAP in memory, for trial; mail is gone when it stops."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from postroom_local.jars import Progress, jars_of
from postroom_local.java import java_command
from postroom_local.platform_check import check_platform
from postroom_local.ports import LOOPBACK, free_port, require_free
from postroom_local.process import ManagedProcess, spawn

_START_DEADLINE_SECONDS = 60.0
_STOP_DEADLINE_SECONDS = 10.0
_MAIN_CLASS = "com.icegreen.greenmail.standalone.GreenMailStandaloneRunner"
# What separates the parts of GreenMail's `greenmail.users` setting.
_SEPARATORS = frozenset(":,@ ")


@dataclass(frozen=True)
class MailUser:
    """A mailbox and its password; the address is also the login name."""

    address: str
    password: str


class GreenMailServer:
    """One mail server on loopback with the given users; more can be delivered to, but not logged in to.

    `smtp_port` and `imap_port` None take free ones, kept over restarts of this object. Logs go to `data_dir`.
    """

    def __init__(
        self,
        data_dir: Path,
        users: Sequence[MailUser],
        *,
        smtp_port: int | None = None,
        imap_port: int | None = None,
        heap_mib: int = 128,
        progress: Progress | None = None,
    ) -> None:
        for user in users:
            _require_expressible(user)
        self.data_dir = data_dir.absolute()
        self.users = tuple(users)
        self.host = LOOPBACK
        self.smtp_port = smtp_port or free_port()
        self.imap_port = imap_port or free_port()
        self._heap_mib = heap_mib
        self._progress = progress
        self._process: ManagedProcess | None = None

    @property
    def log_path(self) -> Path:
        return self.data_dir / "greenmail.log"

    @property
    def pid(self) -> int | None:
        """The process id while the server runs, else None."""
        return self._process.pid if self._process and self._process.running else None

    def start(self, deadline_seconds: float = _START_DEADLINE_SECONDS) -> None:
        """Start with empty mailboxes and return when both SMTP and IMAP greet; no effect while it runs.

        Raises UnsupportedPlatformError, DownloadFailedError, PortTakenError or StartFailedError.
        """
        if self.pid is not None:
            return
        check_platform()
        jars = jars_of("greenmail", self._progress)
        require_free(self.smtp_port, "GreenMail (SMTP)", "the `smtp_port` argument")
        require_free(self.imap_port, "GreenMail (IMAP)", "the `imap_port` argument")
        command = java_command(jars, [*self._options(), _MAIN_CLASS], heap_mib=self._heap_mib, full_jit=False)
        self._process = spawn("GreenMail", command, self.log_path)
        self._process.wait_ready(self._greets, deadline_seconds, "Give it more time or other ports.")

    def stop(self, deadline_seconds: float = _STOP_DEADLINE_SECONDS) -> None:
        """Stop by SIGTERM, after the deadline by SIGKILL; all mail is gone. No effect when it does not run."""
        if self._process:
            self._process.stop(deadline_seconds)

    def kill(self) -> None:
        """Stop by SIGKILL, as a crash does; all mail is gone."""
        if self._process:
            self._process.kill()

    def _options(self) -> list[str]:
        logins = ",".join(
            f"{local}:{user.password}@{domain}"
            for user in self.users
            for local, _, domain in [user.address.rpartition("@")]
        )
        return [
            f"-Dgreenmail.smtp.hostname={LOOPBACK}",
            f"-Dgreenmail.smtp.port={self.smtp_port}",
            f"-Dgreenmail.imap.hostname={LOOPBACK}",
            f"-Dgreenmail.imap.port={self.imap_port}",
            f"-Dgreenmail.users={logins}",
            "-Dgreenmail.users.login=email",
        ]

    def _greets(self) -> bool:
        return greets(self.smtp_port, b"220", b"QUIT\r\n") and greets(self.imap_port, b"* OK", b"a LOGOUT\r\n")


def greets(port: int, greeting: bytes, farewell: bytes = b"") -> bool:
    """Return whether the server at this loopback port opens a connection with `greeting`, within a second.

    `farewell` is said before the connection is closed: GreenMail 2.1.5 turns for ever, with a whole core, over an IMAP
    connection that ends without LOGOUT.
    """
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1.0) as connection:
            connection.settimeout(1.0)
            answered = connection.recv(4096).startswith(greeting)  # all of it: else the close is a reset
            if answered and farewell:
                connection.sendall(farewell)
                while connection.recv(4096):
                    pass
            return answered
    except OSError:
        return False


def _require_expressible(user: MailUser) -> None:
    local, at, domain = user.address.rpartition("@")
    if not at or any(_SEPARATORS & set(part) for part in (local, user.password, domain)):
        raise ValueError(
            f"{user.address} or its password holds one of ':', ',', '@' or a blank, which GreenMail splits at"
        )
