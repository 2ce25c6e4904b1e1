"""Debian's Dovecot as an ordinary process: IMAP over Maildirs on disk, with the quirks of a server in real use."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from postroom_local.dovecot_config import render_config, render_users
from postroom_local.errors import LocalServerError, MissingProgramError
from postroom_local.mail import MailUser, greets
from postroom_local.maildir import drop_into_maildir, make_maildir
from postroom_local.ports import LOOPBACK, free_port, require_free
from postroom_local.process import ManagedProcess, spawn

_START_DEADLINE_SECONDS = 20.0
_STOP_DEADLINE_SECONDS = 10.0
_SYSTEM_DIRECTORIES = "/usr/sbin:/usr/local/sbin:/sbin"
# The configuration language changed in 2.4; only 2.3 was ever run here.
_SUPPORTED_VERSION = "2.3."


class DovecotServer:
    """One IMAP server on loopback with the given users, whose mail outlives it in `data_dir`.

    It runs as the user who starts it, as root too; then the mail belongs to `nobody`, because Dovecot refuses root as
    owner of mail, and `data_dir` must be reachable for others. `data_dir` None makes a temporary directory, removed by
    `close`. `port` None takes a free one, kept over restarts.
    """

    def __init__(self, users: Sequence[MailUser], data_dir: Path | None = None, port: int | None = None) -> None:
        self._temporary = data_dir is None
        self.data_dir = data_dir.absolute() if data_dir else Path(tempfile.mkdtemp(prefix="postroom-dovecot-"))
        self.users = tuple(users)
        self.host = LOOPBACK
        self.port = port or free_port()
        self._owner = _mail_owner()
        self._process: ManagedProcess | None = None

    @property
    def log_path(self) -> Path:
        return self.data_dir / "dovecot.log"

    @property
    def pid(self) -> int | None:
        """The process id of the master process while it runs, else None."""
        return self._process.pid if self._process and self._process.running else None

    def maildir(self, address: str) -> Path:
        """Return the Maildir of a user, whether the server runs or not."""
        return self.data_dir / "mail" / address

    def start(self, deadline_seconds: float = _START_DEADLINE_SECONDS) -> None:
        """Start and return when IMAP greets; no effect while it runs.

        Raises MissingProgramError, PortTakenError, StartFailedError, or LocalServerError when `data_dir` cannot be
        reached by the owner of the mail.
        """
        if self.pid is not None:
            return
        program = dovecot_program()
        require_free(self.port, "Dovecot", "the `port` argument")
        self._prepare()
        command = [str(program), "-F", "-c", str(self.data_dir / "dovecot.conf")]
        self._process = spawn("Dovecot", command, self.log_path)
        self._process.wait_ready(lambda: greets(self.port, b"* OK"), deadline_seconds, "Check its configuration there.")

    def stop(self, deadline_seconds: float = _STOP_DEADLINE_SECONDS) -> None:
        """Stop by SIGTERM, after the deadline by SIGKILL; sessions end with it. No effect when it does not run."""
        if self._process:
            self._process.stop(deadline_seconds)

    def kill(self) -> None:
        """Stop by SIGKILL with all sessions, as a crash of the machine does; delivered mail stays."""
        if self._process:
            self._process.kill()

    def restart(self) -> None:
        """Stop in order and start again on the same port and mail."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop, and remove the data if it is a temporary directory."""
        self.stop()
        if self._temporary:
            shutil.rmtree(self.data_dir, ignore_errors=True)

    def deliver(self, address: str, content: bytes, delivered_at: datetime | None = None) -> Path:
        """Put one mail into a user's INBOX in one step, whether the server runs or not; returns its file.

        `delivered_at` (aware) becomes its INTERNALDATE, to the second. Raises KeyError for an unknown address.
        """
        if address not in {user.address for user in self.users}:
            raise KeyError(address)
        make_maildir(self.maildir(address), self._chown_to)
        return drop_into_maildir(self.maildir(address), content, delivered_at=delivered_at, owner=self._chown_to)

    @property
    def _chown_to(self) -> tuple[int, int] | None:
        return (self._owner.pw_uid, self._owner.pw_gid) if os.getuid() == 0 else None

    def _prepare(self) -> None:
        (self.data_dir / "mail").mkdir(parents=True, exist_ok=True)
        if self._chown_to:
            if self._temporary:
                self.data_dir.chmod(0o755)
            _require_reachable(self.data_dir, self._owner.pw_name)
        for user in self.users:
            make_maildir(self.maildir(user.address), self._chown_to)
        group = grp.getgrgid(self._owner.pw_gid).gr_name
        me = None if self._chown_to else self._owner.pw_name
        config = render_config(self.data_dir, self.port, owner=self._owner.pw_name, group=group, run_as=me)
        (self.data_dir / "dovecot.conf").write_text(config, encoding="utf-8")
        users = self.data_dir / "users"
        users.touch(mode=0o600)
        if self._chown_to:
            shutil.chown(users, "dovecot", "dovecot")  # whom the authentication process runs as
        users.write_text(render_users(self.users), encoding="utf-8")


def dovecot_program() -> Path:
    """Return the path of the installed Dovecot; raises MissingProgramError when there is none of version 2.3."""
    found = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:{_SYSTEM_DIRECTORIES}")
    if not found or not _imap_installed():
        raise MissingProgramError("Dovecot with IMAP is not installed; `apt-get install dovecot-imapd` brings it")
    done = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=10.0, check=False)
    if not done.stdout.startswith(_SUPPORTED_VERSION):
        version = done.stdout.strip() or done.stderr.strip()
        raise MissingProgramError(
            f"Dovecot 2.3 is needed, found {version!r}; Debian 12 and Ubuntu 22.04 to 24.04 have it"
        )
    return Path(found)


def _imap_installed() -> bool:
    return Path("/usr/lib/dovecot/imap").exists() or Path("/usr/libexec/dovecot/imap").exists()


def _mail_owner() -> pwd.struct_passwd:
    return pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())


def _require_reachable(directory: Path, user: str) -> None:
    for path in (directory, *directory.parents):
        if not path.stat().st_mode & 0o001:
            raise LocalServerError(
                f"Dovecot keeps the mail as user {user} when started by root, and {path} is closed to others; "
                f"choose a data directory elsewhere or run `chmod o+x {path}`"
            )
