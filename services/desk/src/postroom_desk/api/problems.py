"""Problem details for every error of the API. Source: RFC 9457."""

import re
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from postroom_runtime.errors import InfrastructureError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from postroom_desk.api.document import allowed_methods
from postroom_desk.reading import NotYetError, UnknownConversationError

log = structlog.get_logger(__name__)
RETRY_SECONDS = 2
_TITLES = {400: "Bad request", 401: "Not signed in", 403: "Not allowed", 404: "Not found", 405: "Method not allowed"}
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,100}")


class Problem(Exception):  # noqa: N818 - it is RFC 9457's name
    """Answers a request with problem details; `extra` are further members."""

    def __init__(
        self,
        status: int,
        kind: str,
        title: str,
        detail: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(title)
        self.status = status
        self.kind = kind
        self.title = title
        self.detail = detail
        self.headers = dict(headers or {})
        self.extra = extra


def not_found(what: str) -> Problem:
    return Problem(404, "not-found", "Not found", what)


def _answer(request: Request, problem: Problem) -> JSONResponse:
    body: dict[str, Any] = {
        "type": f"urn:postroom:problem:{problem.kind}",
        "title": problem.title,
        "status": problem.status,
        "instance": request.url.path,
    }
    if problem.detail:
        body["detail"] = problem.detail
    return JSONResponse(
        body | problem.extra, problem.status, headers=problem.headers, media_type="application/problem+json"
    )


def _unavailable(detail: str) -> Problem:
    return Problem(
        503, "unavailable", "Not available at the moment", detail, headers={"Retry-After": str(RETRY_SECONDS)}
    )


def unavailable(request: Request, detail: str) -> JSONResponse:
    """Return the answer of what cannot be done at the moment."""
    return _answer(request, _unavailable(detail))


async def _on_problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    return _answer(request, error)


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    title = _TITLES.get(error.status_code, "Request refused")
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED and (
        allowed := allowed_methods(request.app, request.url.path)
    ):
        headers["Allow"] = ", ".join(allowed)
    problem = Problem(error.status_code, "http", title, str(error.detail), headers=headers)
    return _answer(request, problem)


async def _on_validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = [
        {"in": str(e["loc"][0]), "pointer": "/" + "/".join(map(str, e["loc"][1:])), "detail": e["msg"]}
        for e in error.errors()
    ]
    return _answer(request, Problem(422, "invalid", "The request does not fit", errors=errors))


async def _on_infrastructure(request: Request, error: Exception) -> JSONResponse:
    log.warning("request waits for infrastructure", path=_route(request), error=str(error) or type(error).__name__)
    return _answer(request, _unavailable("Kafka or MongoDB does not answer; ask again, with the same Idempotency-Key"))


async def _on_not_yet(request: Request, _: Exception) -> JSONResponse:
    return _answer(request, _unavailable("the read model has not reached min_position yet"))


async def _on_unknown(request: Request, _: Exception) -> JSONResponse:
    return _answer(request, not_found("there is no such conversation"))


async def _on_bug(request: Request, error: Exception) -> JSONResponse:
    log.error("request failed", path=_route(request), exc_info=error)
    return _answer(request, Problem(500, "failed", "This failed", "the failure has been logged"))


def _route(request: Request) -> str:
    """Return the route's template: a path may hold what belongs in no log."""
    return str(getattr(request.scope.get("route"), "path", "?"))


def install(app: FastAPI) -> None:
    """Make `app` answer every error with problem details."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(InfrastructureError, _on_infrastructure)
    app.add_exception_handler(TimeoutError, _on_infrastructure)
    app.add_exception_handler(NotYetError, _on_not_yet)
    app.add_exception_handler(UnknownConversationError, _on_unknown)
    app.add_exception_handler(Exception, _on_bug)


class RequestId:
    """Middleware: every answer carries `X-Request-Id`, the caller's own if it is harmless. Streams pass untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"x-request-id", b"")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex.encode()

        async def with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id.decode()):
            await self._app(scope, receive, with_id)
