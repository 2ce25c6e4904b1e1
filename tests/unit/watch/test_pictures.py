"""Pictures of dashboards: every panel is drawn, gaps and NaN break nothing, text is escaped."""

from xml.etree import ElementTree as ET

from watch import pictures
from watch.boards import BOARDS
from watch.moving import looked_at
from watch.prometheus import Line


class Answers:
    """A Prometheus that gives the same lines to every question."""

    def __init__(self, *lines: Line) -> None:
        self.lines = list(lines)

    def range(self, expr: str, start: float, end: float, step: float) -> list[Line]:
        assert "$__" not in expr
        assert end > start
        assert step > 0
        return self.lines


LINES = (
    Line({"group": "<b>"}, [(0, 1.0), (5, float("nan")), (10, 3.0)]),
    Line({"group": "level"}, [(t, 2.0) for t in range(11)]),
)


def test_each_panel_is_drawn_whatever_its_lines_are_like() -> None:
    for board in BOARDS:
        svg = pictures.draw(board, Answers(*LINES), 0, 10)  # type: ignore[arg-type]
        root = ET.fromstring(svg)  # noqa: S314 - made by us
        texts = {"".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")}
        assert {panel.title for _, row in board.rows for panel in row} <= texts
        assert [line.get("points") for line in root.iter() if "nan" in (line.get("points") or "")] == []
        assert "<b>" not in svg
    empty = pictures.draw(BOARDS[0], Answers(), 0, 10)  # type: ignore[arg-type]
    assert "no value" in empty


def test_a_level_stretch_is_its_two_ends() -> None:
    box = pictures.Box(0, 0, 100, 10)
    assert pictures._points(LINES[1], box, 0, 10, 2.0) == "0,0 100,0"


def test_a_panel_without_a_value_or_without_a_change_is_found() -> None:
    def found(*lines: Line) -> set[tuple[bool, bool]]:
        return {(bool(one.empty), one.moved) for one in looked_at(Answers(*lines), 0, 10)}  # type: ignore[arg-type]

    assert found(*LINES) == {(False, True)}
    assert found(LINES[1]) == {(False, False)}
    assert found() == {(True, False)}
    assert found(Line({}, [(0, float("nan"))])) == {(True, False)}
