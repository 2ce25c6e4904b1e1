"""What the desk tells everybody: schemas and the AsyncAPI document, the same as are committed."""

import json
from pathlib import Path

from tests.component.desk.doubles import DeskBench

CONTRACTS = Path(__file__).resolve().parents[3] / "contracts"


async def test_schemas_and_asyncapi_are_the_committed_ones_without_a_token() -> None:
    async with DeskBench().client(token=None) as client:
        names = (await client.get("/api/v1/schemas")).json()
        assert sorted(names) == sorted(p.stem for p in (CONTRACTS / "schemas").glob("*.json"))
        for name in names:
            served = (await client.get(f"/api/v1/schemas/{name}.json")).json()
            assert served == json.loads((CONTRACTS / "schemas" / f"{name}.json").read_text())
        served = (await client.get("/api/v1/asyncapi.json")).json()
        assert served == json.loads((CONTRACTS / "asyncapi.json").read_text())


async def test_an_unknown_schema_is_not_found() -> None:
    async with DeskBench().client(token=None) as client:
        answer = await client.get("/api/v1/schemas/message-received.v9.json")
    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:postroom:problem:not-found"
