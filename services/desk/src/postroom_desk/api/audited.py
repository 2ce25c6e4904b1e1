"""Every request that names an operation has its entry in the audit: written before a change is answered, noted for a read."""

import contextlib

import structlog
from fastapi import Request
from postroom_runtime.errors import InfrastructureError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from postroom_desk.api.problems import unavailable
from postroom_desk.audit.trace import Trace
from postroom_desk.parts import parts_of

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_FAILED = 500


class Audited:
    """Middleware. What cannot be recorded is answered with 503: a change may be repeated with its Idempotency-Key."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request, unrecorded = Request(scope), False

        async def recorded(message: Message) -> None:
            nonlocal unrecorded
            if message["type"] == "http.response.start":
                try:
                    await _record(request, message["status"])
                except InfrastructureError:
                    unrecorded = True
                    await unavailable(request, "the audit cannot be written; ask again")(scope, receive, send)
                    raise
            await send(message)

        try:
            await self._app(scope, receive, recorded)
        except Exception:
            if unrecorded:
                return
            with contextlib.suppress(InfrastructureError):
                await _record(request, _FAILED)
            raise


async def _record(request: Request, status: int) -> None:
    """Raises InfrastructureError when the request must not be answered, because nobody would know of it."""
    trace = getattr(request.state, "audit", None)
    if not isinstance(trace, Trace):
        return
    entry = trace.entry(
        status,
        ip=request.client.host if request.client else "",
        user_agent=request.headers.get("user-agent", ""),
        request_id=str(structlog.contextvars.get_contextvars().get("request_id", "")),
    )
    audit = parts_of(request).audit
    if request.method in _READS or trace.principal is None:  # whoever is not known must not make us write each time
        audit.note(entry)
    else:
        await audit.record(entry)
