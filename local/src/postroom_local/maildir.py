"""Drop a mail into a Maildir as a delivery agent does. Source: https://cr.yp.to/proto/maildir.html."""

from __future__ import annotations

import itertools
import os
import shutil
import time
from datetime import datetime
from pathlib import Path

_sequence = itertools.count()


def make_maildir(directory: Path, owner: tuple[int, int] | None = None) -> None:
    """Make an empty Maildir (`cur`, `new`, `tmp`), owned by (uid, gid) if given; a second call changes nothing."""
    for path in (directory, *(directory / part for part in ("cur", "new", "tmp"))):
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if owner:
            os.chown(path, *owner)


def drop_into_maildir(
    directory: Path, content: bytes, *, delivered_at: datetime | None = None, owner: tuple[int, int] | None = None
) -> Path:
    """Put one mail into `new` in one step and return its path: a reader sees all of it or nothing.

    `delivered_at` (aware; now if None) becomes the file's time, which is what IMAP gives as INTERNALDATE. Lines may end
    in CRLF or LF. Safe from several threads and processes.
    """
    name = f"{time.time_ns()}.{os.getpid()}_{next(_sequence)}.postroom"
    draft, target = directory / "tmp" / name, directory / "new" / name
    draft.write_bytes(content)
    if delivered_at is not None:
        os.utime(draft, (delivered_at.timestamp(), delivered_at.timestamp()))
    if owner:
        os.chown(draft, *owner)
    draft.rename(target)
    return target


def empty_maildir(directory: Path) -> None:
    """Remove a Maildir with all its mail; no effect when there is none."""
    shutil.rmtree(directory, ignore_errors=True)
