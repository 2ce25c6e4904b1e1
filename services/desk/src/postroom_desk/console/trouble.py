"""What somebody sees whose address leads nowhere, or whose page could not be made: a page, where programs get problem details."""

from collections.abc import Awaitable, Callable

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import Response

from postroom_desk.console.pages import render_bare
from postroom_desk.console.viewer import stranger

Handler = Callable[[Request, Exception], Awaitable[Response]]
_KINDS = {401: "not_allowed", 403: "not_allowed", 404: "not_found", 503: "away", 429: "away"}
_KEPT = ("retry-after", "allow", "ratelimit", "ratelimit-policy")


def install(app: FastAPI) -> None:
    """Answer people with pages: every handler of errors that there is, is asked first."""
    for kind, handler in list(app.exception_handlers.items()):
        app.add_exception_handler(kind, _for_people(handler))  # type: ignore[arg-type]


def _for_people(handler: Handler) -> Handler:
    async def answer(request: Request, error: Exception) -> Response:
        response = await handler(request, error)
        if not _is_page(request) or response.media_type != "application/problem+json":
            return response
        kind = _KINDS.get(response.status_code, "failed" if response.status_code >= 500 else "refused")  # noqa: PLR2004
        viewer = stranger(request)
        page = render_bare(
            request,
            "problem.html",
            response.status_code,
            title=viewer.texts(f"problem.{kind}.title"),
            kind=kind,
            request_id=structlog.contextvars.get_contextvars().get("request_id", ""),
        )
        page.headers.update({n: v for n, v in response.headers.items() if n in _KEPT})
        return page

    return answer


def _is_page(request: Request) -> bool:
    """Say whether a browser goes there by itself: not a script's request, nor one for the API."""
    asked = request.headers.get("accept", "")
    return "text/html" in asked and not request.url.path.startswith("/api/") and "hx-request" not in request.headers
