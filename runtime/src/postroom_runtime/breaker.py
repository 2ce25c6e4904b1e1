"""The breaker: a bad release must not empty a topic into dead letters."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

WINDOW = 50
KEYS = 10


@dataclass(slots=True)
class Breaker:
    """Opens when more than half of the last 50 records, over at least 10 keys, failed unexpectedly; never closes."""

    window: deque[tuple[str, bool]] = field(default_factory=lambda: deque(maxlen=WINDOW))
    open: bool = False

    def note(self, key: str, failed: bool) -> None:
        self.window.append((key, failed))
        if failed:
            keys = [key for key, bad in self.window if bad]
            self.open = self.open or (len(keys) * 2 > WINDOW and len(set(keys)) >= KEYS)

    def succeeded(self, keys: Sequence[str]) -> None:
        self.window.extend((key, False) for key in keys[-WINDOW:])
