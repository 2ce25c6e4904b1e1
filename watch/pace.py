"""How fast the rules run: as they are shipped, or shortened so that every alert can fire and resolve within minutes.

Expressions are written for production. Windows stand in brackets (`[5m]`), ages that are compared with are marked
`$age(600)`, in seconds. Nothing else of a rule changes with the pace: names, labels and the form stay.
"""

import re
from dataclasses import dataclass

_WINDOW = re.compile(r"\[(\d+)([smhd])\]")
_AGE = re.compile(r"\$age\((\d+)\)")
UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds(duration: str) -> int:
    """Return the seconds of a Prometheus duration of one unit, such as `5m`."""
    return int(duration[:-1]) * UNIT_SECONDS[duration[-1]]


@dataclass(frozen=True, slots=True)
class Pace:
    """Durations are divided by `faster` and kept within the bounds (seconds)."""

    faster: int = 1
    least_window: int = 0
    most_window: int = 10**9
    least_age: int = 0
    interval: str = "15s"
    """How often the rules are looked at."""

    def duration(self, text: str) -> str:
        """Return a `for` of this pace."""
        return text if self.faster == 1 else f"{max(1, seconds(text) // self.faster)}s"

    def expression(self, text: str) -> str:
        """Return an expression of this pace, on one line for each line given."""

        def window(found: re.Match[str]) -> str:
            if self.faster == 1:
                return found[0]
            shortened = seconds(found[1] + found[2]) // self.faster
            return f"[{min(self.most_window, max(self.least_window, shortened))}s]"

        def age(found: re.Match[str]) -> str:
            return str(max(self.least_age, int(found[1]) // self.faster))

        return _AGE.sub(age, _WINDOW.sub(window, text))


SHIPPED = Pace()
HURRIED = Pace(faster=60, least_window=6, most_window=120, least_age=4, interval="1s")
"""For `make check-alerts`: an hour is a minute. Scraped every second, so that six seconds hold a rate; no window is longer
than two minutes, or the alerts over days would outlast the run."""
