"""A share of `make check-api`, always the same: generated requests, right and wrong ones, over real MongoDB."""

import pytest
from fastapi import FastAPI

from tests.api_check.run import Asked, check

pytestmark = pytest.mark.connected
SEED = 7


async def test_generated_requests_to_every_operation_find_no_fault(mongo_uri: str, database_prefix: str) -> None:
    report = await check(mongo_uri, database_prefix, Asked("agent", 3, SEED, ("--phases", "fuzzing"), 100))
    assert report.passed, report.text[-8000:]
    assert report.cases >= 250, report.text[-2000:]
    assert report.operations > 70


async def test_the_check_finds_a_fault(mongo_uri: str, database_prefix: str) -> None:
    def planted(app: FastAPI) -> None:
        @app.get("/api/v1/planted", openapi_extra={"responses": {"200": {"description": "a list"}}})
        def fails() -> list[str]:
            return [1]  # type: ignore[list-item]  # the answer breaks its schema: 500

    only = ("--include-path", "/api/v1/planted", "--phases", "fuzzing")
    report = await check(mongo_uri, database_prefix, Asked("agent", 1, SEED, only, 100), planted)
    assert not report.passed
    assert "Server error" in report.text
