"""Where the demo keeps its data, what it remembers between runs, and the lock that keeps two demos apart."""

import fcntl
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any


class DemoError(Exception):
    """The demo cannot go on; the text names what failed and the remedy."""


@dataclass(slots=True)
class Place:
    """The demo's directory. `lock` must be called before anything is written."""

    root: Path
    _lock: IO[str] | None = None

    def lock(self) -> None:
        """Take the directory for this process, until it ends. Raises DemoError when another demo has it."""
        self.root.mkdir(parents=True, exist_ok=True)
        handle = (self.root / "lock").open("a+")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            handle.seek(0)
            pid = handle.read().strip() or "?"
            handle.close()
            raise DemoError(
                f"another demo (process {pid}) uses {self.root}; stop it with Ctrl-C, or start this one with "
                "`--data ANOTHER_DIRECTORY`"
            ) from error
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        self._lock = handle

    def unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def directory(self, name: str) -> Path:
        path = self.root / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    @property
    def logs(self) -> Path:
        return self.directory("logs")

    def secret(self, name: str) -> str:
        """Return a secret of this directory, made at its first use; readable by its owner alone."""
        path = self.secret_file(name)
        if not path.exists():
            write_private(path, secrets.token_hex(24))
        return path.read_text(encoding="ascii").strip()

    def secret_file(self, name: str) -> Path:
        return self.directory("secrets") / name

    def write_state(self, state: Mapping[str, Any]) -> None:
        """Write what other commands (`postroom demo send`) need to find the running demo."""
        write_private(self.root / "state.json", json.dumps(state, indent=2))

    def forget_state(self) -> None:
        (self.root / "state.json").unlink(missing_ok=True)

    def read_state(self) -> dict[str, Any]:
        """Return the state of the running demo. Raises DemoError when none runs."""
        try:
            found: dict[str, Any] = json.loads((self.root / "state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DemoError(f"no demo runs on {self.root}; start one with `make demo` (or name its --data)") from error
        return found


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, in one step."""
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)  # one that is there would keep its rights, or lead elsewhere
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(text)
    partial.replace(path)
