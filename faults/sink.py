"""The mail server of a run, a process of its own: takes mail by SMTP, delivers the company's into Maildirs, keeps the rest.

`python -m faults.sink PORT DOVECOT_DIR FILE`. Mail to customers and agents becomes one line of FILE, on disk before the
sender gets its 250: after a SIGKILL nothing that was accepted is missing. These lines are their mailboxes.
"""

import base64
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from postroom_local.dovecot import DovecotServer
from postroom_local.smtp_sink import SmtpSink

from faults.company import MAIL_USERS, mailbox_of


@dataclass(frozen=True, slots=True)
class Delivered:
    """One mail in somebody's mailbox."""

    recipient: str
    content: bytes
    at: float
    """Seconds since 1970."""


class MailFile:
    """Appends mails to a file, each with one write and on disk when `append` returns."""

    def __init__(self, path: Path) -> None:
        torn = path.exists() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._lock = threading.Lock()
        if torn:  # we were killed within a write: that mail was not accepted
            os.write(self._file, b"\n")

    def append(self, recipient: str, content: bytes) -> None:
        line = {"to": recipient.lower(), "at": time.time(), "content": base64.b64encode(content).decode()}
        with self._lock:
            os.write(self._file, json.dumps(line).encode() + b"\n")
            os.fdatasync(self._file)


class MailFileReader:
    """Reads what was added since the last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0

    def new(self) -> Iterator[Delivered]:
        """Yield mails whose line is complete; a line that a kill tore apart is passed over."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._position)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._position += len(line)
                try:
                    found = json.loads(line)
                    yield Delivered(found["to"], base64.b64decode(found["content"]), found["at"])
                except ValueError:
                    continue


def main() -> None:
    port, folder, file = int(sys.argv[1]), Path(sys.argv[2]), MailFile(Path(sys.argv[3]))
    dovecot = DovecotServer(MAIL_USERS, folder, port=1)  # it is not started here: only its Maildirs are written to

    def deliver(recipient: str, content: bytes) -> None:
        box = mailbox_of(recipient)
        if box is None:
            file.append(recipient, content)
        else:
            dovecot.deliver(box, content)

    SmtpSink(port=port, deliver=deliver, keep=False).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
