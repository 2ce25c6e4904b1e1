"""Pictures of the dashboards, drawn by us from a live Prometheus: SVG, no screenshots of Grafana."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

from watch.boards import BOARDS
from watch.dashboards import document
from watch.moving import asked
from watch.panels import Board, Panel
from watch.prometheus import Line, Prometheus

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "images"
COLUMN, ROW, GAP = 50, 24, 6
"""Pixels of a column and a row of Grafana's grid, and between panels."""
COLOURS = ("#3b7dd8", "#d8863b", "#4a9e5c", "#b8507a", "#7a5cc0", "#3aa6a6", "#a08a2e", "#777777")
MOST_LINES = len(COLOURS)
POINTS = 140


@dataclass(frozen=True, slots=True)
class Box:
    x: float
    y: float
    w: float
    h: float


def draw_all(prometheus: Prometheus, start: float, end: float) -> None:
    """Draw each dashboard over the time from `start` to `end` into docs/images/dashboard-NAME.svg."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for board in BOARDS:
        (FOLDER / f"dashboard-{board.name}.svg").write_text(draw(board, prometheus, start, end), "utf-8")


def draw(board: Board, prometheus: Prometheus, start: float, end: float) -> str:
    """Return one dashboard as SVG."""
    made = document(board)
    panels = {panel.title: panel for _, row in board.rows for panel in row}
    height = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in made["panels"]) * ROW + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {24 * COLUMN + 2 * GAP} {height}" font-family="sans-serif">',
        '<rect width="100%" height="100%" fill="#f4f5f7"/>',
        f'<text x="{GAP * 2}" y="26" font-size="18" font-weight="bold" fill="#222">{escape(made["title"])}</text>',
    ]
    for placed in made["panels"]:
        grid = placed["gridPos"]
        box = Box(grid["x"] * COLUMN + GAP, grid["y"] * ROW + 36, grid["w"] * COLUMN - GAP, grid["h"] * ROW - GAP)
        if placed["type"] == "row":
            parts.append(
                f'<text x="{box.x + GAP}" y="{box.y + 15}" font-size="13" fill="#555">{escape(placed["title"])}</text>'
            )
        else:
            parts += _panel(panels[placed["title"]], box, prometheus, start, end)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _write(x: float, y: float, size: int, text: str, fill: str = "#555", more: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" fill="{fill}"{more}>{escape(text)}</text>'


def _level(plot: Box, y: float) -> str:
    ends = f'x1="{plot.x:.0f}" y1="{y:.0f}" x2="{plot.x + plot.w:.0f}" y2="{y:.0f}"'
    return f'<line {ends} stroke="#e8eaee"/>'


def _panel(panel: Panel, box: Box, prometheus: Prometheus, start: float, end: float) -> Iterator[str]:
    place = f'x="{box.x:.0f}" y="{box.y:.0f}" width="{box.w:.0f}" height="{box.h:.0f}"'
    yield f'<rect {place} rx="3" fill="#fff" stroke="#d5d8dd"/>'
    yield _write(box.x + 8, box.y + 17, 12, panel.title, "#333", ' font-weight="bold"')
    lines = list(_lines(panel, prometheus, start, end))
    if panel.kind == "stat":
        value = lines[0][1].points[-1][1] if lines and lines[0][1].points else None
        yield _write(box.x + 8, box.y + box.h - 18, 26, _number(value, panel.unit), "#2c7a43")
        return
    yield from _curves(panel, box, lines, start, end)


def _lines(panel: Panel, prometheus: Prometheus, start: float, end: float) -> Iterator[tuple[str, Line]]:
    for query in panel.queries:
        found = prometheus.range(asked(query.expr, end - start), start, end, max(1.0, (end - start) / POINTS))
        for line in sorted(found, key=lambda one: -max((v for _, v in one.points if v == v), default=0)):  # noqa: PLR0124
            name = query.legend
            for label, value in line.labels.items():
                name = name.replace("{{" + label + "}}", value)
            yield name.replace("watch-", ""), line


def _curves(panel: Panel, box: Box, lines: list[tuple[str, Line]], start: float, end: float) -> Iterator[str]:
    shown = lines[:MOST_LINES]
    top = max((v for _, line in shown for _, v in line.points if v == v and v != float("inf")), default=0) or 1  # noqa: PLR0124
    legend_rows = -(-min(len(lines), MOST_LINES + 1) // 2)
    plot = Box(box.x + 44, box.y + 26, box.w - 54, box.h - 40 - legend_rows * 12)
    for part in (0, 0.5, 1):
        y = plot.y + plot.h * (1 - part)
        yield _level(plot, y)
        yield _write(plot.x - 4, y + 3, 9, _number(top * part, panel.unit), "#888", ' text-anchor="end"')
    for n, (name, line) in enumerate(shown):
        points = _points(line, plot, start, end, top)
        if points:
            yield f'<polyline points="{points}" fill="none" stroke="{COLOURS[n]}" stroke-width="1.3"/>'
        x, y = box.x + 8 + (n % 2) * (box.w / 2), plot.y + plot.h + 16 + (n // 2) * 12
        yield f'<rect x="{x:.0f}" y="{y - 7:.0f}" width="8" height="8" fill="{COLOURS[n]}"/>'
        yield _write(x + 12, y, 9, name[: int(box.w / 11)])
    if len(lines) > MOST_LINES:
        y = plot.y + plot.h + 16 + (MOST_LINES // 2) * 12
        yield _write(box.x + 8, y, 9, f"and {len(lines) - MOST_LINES} more", "#888")


def _points(line: Line, plot: Box, start: float, end: float, top: float) -> str:
    """Return the line's points; within a level stretch only its ends."""
    placed = [
        (round(plot.x + (t - start) / (end - start) * plot.w, 1), round(plot.y + plot.h * (1 - min(v / top, 1)), 1))
        for t, v in line.points
        if v == v  # noqa: PLR0124 - NaN is no value
    ]
    kept = [
        point
        for n, point in enumerate(placed)
        if n in (0, len(placed) - 1) or not placed[n - 1][1] == point[1] == placed[n + 1][1]
    ]
    return " ".join(f"{x:g},{y:g}" for x, y in kept)


def _number(value: float | None, unit: str) -> str:
    if value is None or value != value:  # noqa: PLR0124
        return "no value"
    if unit == "bytes":
        return f"{value / 1024 / 1024:.0f} MiB"
    if unit == "percentunit":
        return f"{value * 100:.1f} %"
    text = f"{value:.3g}" if value < 1000 else f"{value:.0f}"
    return f"{text} s" if unit == "s" else f"{text}/s" if unit in ("ops", "reqps") else text
