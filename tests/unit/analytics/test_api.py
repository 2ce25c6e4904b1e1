"""The API over doubles: what it refuses, and what it says when the database is away."""

from typing import Any, cast

import httpx
import pytest
from postroom_analytics.api import application
from postroom_analytics.reads import MetricsReads
from postroom_runtime.errors import InfrastructureError


class AwayReads:
    """Reads of a database that does not answer."""

    async def total(self, places: Any) -> dict[str, Any]:
        raise InfrastructureError("read rollups: away")

    totals = find_rows = conversation = days = total


async def get(path: str) -> httpx.Response:
    app = application(cast("MetricsReads", AwayReads()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://analytics.test") as client:
        return await client.get(f"/api/v1/metrics/{path}")


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("rows?kind=first_response&cursor=nonsense", id="cursor-of-nobody"),
        pytest.param("rows?kind=first_response&cursor=OTk5OTk5OTk5OTk5OTk5OTk5IHg=", id="cursor-beyond-time"),
        pytest.param("rows?kind=first_response&cut=agent", id="rows-without-value"),
        pytest.param("rows?kind=first_response&limit=1000", id="limit-too-large"),
        pytest.param("summary?cut=agent", id="cut-without-value"),
        pytest.param("summary?value=ann", id="value-without-cut"),
        pytest.param("summary?cut=colour&value=red", id="unknown-cut"),
        pytest.param("summary?from=yesterday", id="no-date"),
        pytest.param("summary?cut=team&value=care&inboxes=support", id="cut-that-cannot-be-bounded"),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused_as_a_problem(path: str) -> None:
    answer = await get(path)
    assert (answer.status_code, answer.json()["status"]) == (422, 422)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_database_that_is_away_is_said_so() -> None:
    answer = await get("summary")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.headers["content-type"] == "application/problem+json"
