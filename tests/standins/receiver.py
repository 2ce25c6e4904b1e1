"""A receiver of webhooks on loopback: keeps what it was sent, answers as told, and verifies with the published library."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from standardwebhooks import Webhook

Answering = Callable[["Received"], int | None]
"""The status to answer with; None: never."""


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    def verified(self, secret: str) -> bool:
        Webhook(secret).verify(self.body, self.headers)
        return True


@dataclass
class Receiver:
    """Use as `async with Receiver() as receiver`. `answer` may be changed while it runs."""

    answer: Answering = field(default=lambda _: 204)
    location: str = ""
    received: list[Received] = field(default_factory=list)
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    def url(self, path: str = "/hooks", host: str = "127.0.0.1") -> str:
        assert self._server is not None
        return f"http://{host}:{self._server.sockets[0].getsockname()[1]}{path}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                request = await self._read(line, reader)
                self.received.append(request)
                status = self.answer(request)
                if status is None:
                    await asyncio.sleep(3600)
                extra = f"location: {self.location}\r\n" if self.location else ""
                writer.write(f"HTTP/1.1 {status} Said\r\n{extra}content-length: 0\r\n\r\n".encode())
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _read(self, line: bytes, reader: asyncio.StreamReader) -> Received:
        headers = {}
        while (header := await reader.readline()).strip():
            name, _, value = header.decode().partition(":")
            headers[name.strip().lower()] = value.strip()
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        return Received(line.decode().split()[1], headers, body)
