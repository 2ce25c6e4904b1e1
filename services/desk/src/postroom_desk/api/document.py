"""The OpenAPI document: what FastAPI says of the routes, and the problem details with which each of them may answer.

Which problems a route can have follows from what stands in the document already: who asks, what is in its path, what it takes.
What else a route refuses with, such as 409 or 413, it declares itself; here it gets its body. FastAPI's own body of 422 goes.
"""

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field

_PROBLEM = "application/problem+json"
_PARAMETER = re.compile(r"\{[^}]+\}")
_METHODS = frozenset({"get", "put", "post", "delete", "patch"})
_READ_BY_US = frozenset({"cursor", "min_position", "after", "last-event-id", "idempotency-key", "if-match"})
"""Parameters that are read further than their schema says: 400 tells what is wrong with them."""
_FIRST_ERROR = 400
_FASTAPIS = ("HTTPValidationError", "ValidationError")
_SAID: Mapping[int, str] = {
    400: "A cursor, position, key or body that cannot be read",
    401: "Nobody is signed in",
    403: "Not allowed",
    404: "Unknown, or not for you",
    413: "Too large",
    422: "The request does not fit: `errors` say where",
    429: "Too many requests: `Retry-After` says when to come again",
    503: "Kafka, MongoDB or another service does not answer: come again after `Retry-After`",
}


class ProblemError(BaseModel):
    """One fault of a request."""

    where: str = Field(alias="in")
    """`body`, `query`, `path` or `header`."""
    pointer: str
    detail: str


class ProblemDetails(BaseModel):
    """Why a request was refused (RFC 9457). Some kinds have further members."""

    model_config = ConfigDict(extra="allow")

    type: str
    """`urn:postroom:problem:` and the kind, which does not change."""
    title: str
    status: int
    detail: str = ""
    instance: str = ""
    errors: list[ProblemError] = []


def install(app: FastAPI) -> None:
    """Make `app` describe itself so."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = completed(plain())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend the document


def allowed_methods(app: FastAPI, path: str) -> list[str]:
    """Return the methods of an address of the API, sorted; none for any other. The framework knows those of one route alone."""
    found = [pattern[1] for pattern in _patterns(app) if pattern[0].fullmatch(path)]
    return sorted({method for methods in found for method in methods})


def _patterns(app: FastAPI) -> list[tuple[re.Pattern[str], list[str]]]:
    known: list[tuple[re.Pattern[str], list[str]]] | None = getattr(app.state, "allowed_methods", None)
    if known is None:
        known = app.state.allowed_methods = [
            (re.compile(_PARAMETER.sub("[^/]+", path)), [m.upper() for m in methods if m in _METHODS])
            for path, methods in app.openapi()["paths"].items()
        ]
    return known


def completed(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with the problems of every operation."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in _FASTAPIS:
        schemas.pop(name, None)
    problem = ProblemDetails.model_json_schema(by_alias=True, ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs")
    schemas["ProblemDetails"] = problem
    for operation in _operations(document):
        _describe(operation)
    return document


def _operations(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in document["paths"].values():
        yield from (operation for method, operation in methods.items() if method in _METHODS)


def _describe(operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    responses.pop("422", None) if _is_fastapis(responses.get("422", {})) else None
    for status in _problems(operation):
        responses.setdefault(str(status), {"description": _SAID[status]})
    for status, response in responses.items():
        if int(status) >= _FIRST_ERROR:
            response.setdefault("description", HTTPStatus(int(status)).phrase)
            response["content"] = {_PROBLEM: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}


def _is_fastapis(response: Mapping[str, Any]) -> bool:
    schema = response.get("content", {}).get("application/json", {}).get("schema", {})
    return str(schema.get("$ref", "")).endswith(_FASTAPIS[0])


def _problems(operation: Mapping[str, Any]) -> set[int]:
    """Return the statuses that anything of this form may be refused with."""
    parameters = operation.get("parameters", [])
    body = operation.get("requestBody")
    found = {429, 503}
    found |= {401, 403} if operation.get("security") else set()
    found |= {404} if any(p["in"] == "path" for p in parameters) else set()
    found |= {422} if parameters or body else set()
    found |= {413} if body else set()
    found |= {400} if body or any(p["name"].lower() in _READ_BY_US for p in parameters) else set()
    return found
