"""Does each panel have values, and do they move?"""

from dataclasses import dataclass

from watch.boards import BOARDS
from watch.prometheus import Prometheus

STEP_SECONDS = 2.0
WINDOW = "10s"
"""What stands for $__rate_interval where Prometheus scrapes every second."""


@dataclass(frozen=True, slots=True)
class Moved:
    """One panel: queries that gave nothing in the whole run, and whether any line of it changed, came or went."""

    board: str
    panel: str
    empty: list[str]
    moved: bool


def asked(expr: str, seconds: float) -> str:
    """Return the expression with Grafana's variables filled in, for a run of so many seconds."""
    return expr.replace("$__rate_interval", WINDOW).replace("$__range", f"{max(30, int(seconds))}s")


def looked_at(prometheus: Prometheus, start: float, end: float) -> list[Moved]:
    """Ask for every panel over the whole run."""
    found = []
    for board in BOARDS:
        for panel in (panel for _, row in board.rows for panel in row):
            empty, moved = [], False
            for query in panel.queries:
                lines = prometheus.range(asked(query.expr, end - start), start, end, STEP_SECONDS)
                real = [[v for _, v in line.points if v == v] for line in lines]  # noqa: PLR0124 - NaN is no value
                if not any(real):
                    empty.append(query.expr)
                longest = max(map(len, real), default=0)
                moved = moved or any(len(set(values)) > 1 or 0 < len(values) < longest for values in real)
            found.append(Moved(board.name, panel.title, empty, moved))
    return found
