"""What holds for every request and answer, whatever route it goes to: no body without bound, no answer without its headers."""

import json
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 6 * 1024 * 1024
"""Of any request but a file: a text and its HTML at their longest, escaped. Bodies are read before anybody is known."""
_FILES = "/api/v1/uploads"
_HEADERS: Mapping[bytes, bytes] = {
    b"x-content-type-options": b"nosniff",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    b"referrer-policy": b"same-origin",
}
_PRIVATE = (b"cache-control", b"private, no-store")
_STATIC = "/static/"


class Doorway:
    """Middleware, the outermost but for the id of the request."""

    def __init__(self, app: ASGIApp, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._most = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        dressed = self._dressed(scope, send)
        if scope["path"] == _FILES:  # counted as it is stored
            await self._app(scope, receive, dressed)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > self._most:
            await _refuse(dressed, self._most)
            return
        await self._app(scope, self._counted(receive), dressed)

    def _counted(self, receive: Receive) -> Receive:
        got = 0

        async def counted() -> Message:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            if got > self._most:
                raise HTTPException(413, _said(self._most))
            return message

        return counted

    def _dressed(self, scope: Scope, send: Send) -> Send:
        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name.lower() for name, _ in message["headers"]}
                more = [pair for pair in _HEADERS.items() if pair[0] not in there]
                if _PRIVATE[0] not in there and not scope["path"].startswith(_STATIC):
                    more.append(_PRIVATE)
                message["headers"] = [*message["headers"], *more]
            await send(message)

        return dressed


def _said(most: int) -> str:
    return f"the body of a request has at most {most} bytes"


async def _refuse(send: Send, most: int) -> None:
    body = {
        "type": "urn:postroom:problem:too-large",
        "title": "Too large",
        "status": 413,
        "detail": _said(most),
    }
    headers = [(b"content-type", b"application/problem+json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})
