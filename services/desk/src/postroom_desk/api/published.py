"""What other systems may know without logging in: the JSON Schemas and the AsyncAPI document of the events.

They hold nothing of a company: the same for every deployment of this release.
"""

from functools import cache

from fastapi import APIRouter, Response
from postroom_contracts import asyncapi
from postroom_contracts.schemas import Schema, all_schemas

from postroom_desk.api.problems import not_found

router = APIRouter()
_FRESH = {"Cache-Control": "public, max-age=3600", "X-Content-Type-Options": "nosniff"}


@cache
def _schemas() -> dict[str, Schema]:
    return all_schemas()


@cache
def _document() -> dict[str, object]:
    return asyncapi.document()


@router.get("/schemas", summary="The event types that have a JSON Schema")
async def list_schemas() -> list[str]:
    return sorted(_schemas())


@router.get("/schemas/{name}.json", summary="The JSON Schema of an event type's body")
async def read_schema(name: str, response: Response) -> Schema:
    """`name` is the type without `org.postroom.`, such as `message-received.v1`; the end of the schema's `$id`."""
    schema = _schemas().get(name)
    if schema is None:
        raise not_found("there is no event type of this name")
    response.headers.update(_FRESH)
    return schema


@router.get("/asyncapi.json", summary="The AsyncAPI document of all topics")
async def read_asyncapi(response: Response) -> dict[str, object]:
    response.headers.update(_FRESH)
    return _document()
