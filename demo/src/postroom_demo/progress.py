"""What is happening, on the terminal: a moving line while something is done, a lasting one when it is."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape


class Progress:
    """Writes to standard output; without a terminal only the lasting lines. Seconds count from its making."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def line(self, text: str) -> None:
        """Print text as it is (no markup) with the time since the start."""
        self.console.print(f"[dim]{self.seconds:5.1f} s[/dim]  {escape(text)}")

    @contextmanager
    def doing(self, what: str, done: str = "") -> Iterator[None]:
        """Show `what` while the block runs, and print `done` (else `what`) with its seconds when it ended well."""
        begun = time.monotonic()
        with self.console.status(escape(what)):
            yield
        self.line(f"{done or what} ({time.monotonic() - begun:.1f} s)")
