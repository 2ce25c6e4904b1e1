"""Response times and their cases, as analytics counts them."""

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from postroom_desk.api.figures import inboxes_of, of_the_house
from postroom_desk.api.guard import Asker
from postroom_desk.parts import Parts


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of analytics: seconds of the wall clock, from how many cases; None when there is no case yet."""

    kind: str
    p50_seconds: float | None
    mean_seconds: float | None
    count: int


FIGURES = ("first_response", "next_response", "resolution")


async def response_figures(parts: Parts, asker: Asker) -> list[Figure] | None:
    """Return response times and resolution as analytics counts them; None when it does not answer."""
    answer = await parts.figures.get("/api/v1/metrics/summary", of_the_house(parts, asker))
    if answer is None or answer[0] != HTTPStatus.OK or not isinstance(answer[1], dict):
        return None
    return [_figure(kind, answer[1].get(kind)) for kind in FIGURES]


def _figure(kind: str, summary: Any) -> Figure:
    wall = (summary.get("wall") if isinstance(summary, dict) else None) or {}
    return Figure(kind, wall.get("p50"), wall.get("mean"), int(wall.get("count") or 0))


@dataclass(frozen=True, slots=True)
class Case:
    """One row behind a figure."""

    conversation_id: str
    closed_at: datetime
    wall_seconds: float | None
    business_seconds: float | None
    agent_id: str | None


async def cases(parts: Parts, asker: Asker, kind: str, cursor: str | None) -> tuple[list[Case], str | None] | None:
    """Return the cases behind a figure, the newest first, and the cursor of the next; None: analytics does not answer."""
    query = {"kind": kind, "inboxes": inboxes_of(asker)} | ({"cursor": cursor} if cursor else {})
    answer = await parts.figures.get("/api/v1/metrics/rows", query)
    if answer is None or answer[0] != HTTPStatus.OK or not isinstance(answer[1], dict):
        return None
    return [_case(row) for row in answer[1].get("rows", [])], answer[1].get("next")


def _case(row: dict[str, Any]) -> Case:
    wall, business = row.get("wall_ms"), row.get("business_ms")
    return Case(
        conversation_id=str(row["conversation_id"]),
        closed_at=datetime.fromisoformat(row["closed_at"]),
        wall_seconds=None if wall is None else wall / 1000,
        business_seconds=None if business is None else business / 1000,
        agent_id=row.get("agent"),
    )
