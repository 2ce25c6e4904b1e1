"""Where downloaded server programs are kept between runs."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_dir() -> Path:
    """Return `$POSTROOM_CACHE_DIR`, else `$XDG_CACHE_HOME/postroom`, else `~/.cache/postroom`; it may not exist yet."""
    if own := os.environ.get("POSTROOM_CACHE_DIR"):
        return Path(own)
    if xdg := os.environ.get("XDG_CACHE_HOME"):
        return Path(xdg) / "postroom"
    return Path.home() / ".cache" / "postroom"


@contextmanager
def cache_lock(directory: Path) -> Iterator[None]:
    """Hold the one lock of a cache directory, so that of several processes one downloads and the others wait."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
