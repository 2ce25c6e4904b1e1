"""The OpenAPI document says how each operation is refused; what it says of a time or a method holds."""

from typing import Any

import pytest

from tests.component.desk.doubles import TOKEN, DeskBench

PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}


@pytest.fixture
def document() -> dict[str, Any]:
    return DeskBench().app.openapi()


def test_every_operation_says_how_it_is_refused(document: dict[str, Any]) -> None:
    operations = [o for methods in document["paths"].values() for o in methods.values()]
    assert len(operations) > 70
    for operation in operations:
        refusals = {status: r for status, r in operation["responses"].items() if int(status) >= 400}
        assert {"429", "503"} <= set(refusals), operation["operationId"]
        assert all(r["content"] == PROBLEM and r["description"] for r in refusals.values()), operation["operationId"]
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_what_an_operation_takes_decides_how_it_is_refused(document: dict[str, Any]) -> None:
    def refusals(path: str, method: str) -> set[str]:
        return {s for s in document["paths"][f"/api/v1{path}"][method]["responses"] if s >= "400"}

    assert refusals("/schemas", "get") == {"429", "503"}
    assert refusals("/company", "get") == {"401", "403", "429", "503"}
    assert refusals("/conversations/{conversation_id}", "get") == {"400", "401", "403", "404", "422", "429", "503"}
    assert refusals("/conversations/{conversation}/draft/send", "post") >= {"400", "404", "409", "422"}


async def test_a_method_that_an_address_has_not_is_refused_with_those_that_it_has() -> None:
    async with DeskBench().client(TOKEN) as client:
        answer = await client.patch("/api/v1/conversations/c1/draft")
        assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, GET, PUT")
        assert (await client.delete("/api/v1/company")).headers["allow"] == "GET"


@pytest.mark.parametrize("time", [0, 1.5, "0.5", "2026-03-02", "yesterday"])
async def test_a_number_is_no_time(time: Any) -> None:
    async with DeskBench().client(TOKEN) as client:
        snooze = await client.post("/api/v1/conversations/c1/snooze", json={"agent": "ana", "until": time})
        audit = await client.get("/api/v1/audit", params={"from": time})
    for answer in (snooze, audit):
        assert answer.status_code == 422
        assert "2026-03-02T09:00:00Z" in answer.json()["errors"][0]["detail"]
