"""An OAuth provider whose tokens live as long as a test wants: refresh, device and code flow, revocation."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

CLIENT_ID, CLIENT_SECRET = "client-1", "client-secret-1"


@dataclass
class OAuthStandIn:
    """Answers as RFC 6749 and 8628 say. `rotates`: a refresh gives a new refresh token and ends the old one."""

    life_seconds: float = 20.0
    grace_seconds: float = 0.0
    """For how much longer a token is good than is told, so that a machine that stalls makes nobody late."""
    rotates: bool = True
    port: int = 0
    refreshes: int = 0
    asked: list[dict[str, str]] = field(default_factory=list)
    answers: list[tuple[int, dict[str, Any] | bytes]] = field(default_factory=list)
    """What the next token requests are answered with, instead of the truth."""
    pending_polls: int = 0
    denied: bool = False
    delay_seconds: float = 0.0
    revoked: set[str] = field(default_factory=set)
    _grants: dict[str, str] = field(default_factory=dict)
    _access: dict[str, tuple[str, float]] = field(default_factory=dict)
    _count: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def config(self, **changes: Any) -> dict[str, Any]:
        urls = {
            name: f"{self.url}/{name.removesuffix('_url')}" for name in ("token_url", "device_url", "authorize_url")
        }
        return {"provider": "custom", "client_id": CLIENT_ID, **urls, "scopes": ["mail"]} | changes

    def grant(self, user: str) -> str:
        """Return a refresh token for a mailbox, as if its owner had just agreed."""
        self._count += 1
        token = f"refresh-{user}-{self._count}"
        self._grants[token] = user
        return token

    def revoke(self, user: str) -> None:
        """The owner takes it back: refresh tokens and access tokens end at once."""
        self._grants = {token: u for token, u in self._grants.items() if u != user}
        self._access = {token: a for token, a in self._access.items() if a[0] != user}

    def accepts(self, user: str, token: str) -> bool:
        owner, end = self._access.get(token, ("", 0.0))
        return owner == user and time.monotonic() < end

    def ends_at(self, token: str) -> float:
        return self._access.get(token, ("", 0.0))[1]

    def expire(self) -> None:
        """End all access tokens before their time; the grants stay."""
        self._access.clear()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["OAuthStandIn"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next((int(x[15:]) for x in head.lower().split("\r\n") if x.startswith("content-length:")), 0)
            form = {k: v[0] for k, v in parse_qs((await reader.readexactly(length)).decode()).items()}
            status, body = await self._answer(head.split(" ")[1], form)
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(raw)}\r\n"
            writer.write(f"{head}Connection: close\r\n\r\n".encode() + raw)
            await writer.drain()
        writer.close()

    async def _answer(self, path: str, form: dict[str, str]) -> tuple[int, dict[str, Any] | bytes]:
        self.asked.append({"path": path, **form})
        await asyncio.sleep(self.delay_seconds)
        if path == "/device":
            return 200, {
                "device_code": "device-1",
                "user_code": "ABCD-EFGH",
                "verification_uri": f"{self.url}/login",
                "interval": 0.05,
                "expires_in": 60,
            }
        if self.answers:
            return self.answers.pop(0)
        if form.get("client_id") != CLIENT_ID:
            return 401, {"error": "invalid_client"}
        return getattr(self, "_" + form["grant_type"].rsplit(":", 1)[-1])(form)  # type: ignore[no-any-return]

    def _refresh_token(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        user = self._grants.get(form["refresh_token"])
        if user is None:
            said = "AADSTS50173: The provided grant has expired due to it being revoked. Trace ID: 1"
            return 400, {"error": "invalid_grant", "error_description": said}
        self.refreshes += 1
        if not self.rotates:
            return 200, self._token(user)
        del self._grants[form["refresh_token"]]
        return 200, self._token(user) | {"refresh_token": self.grant(user)}

    def _device_code(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if self.denied:
            return 400, {"error": "access_denied"}
        if self.pending_polls > 0:
            self.pending_polls -= 1
            return 400, {"error": "authorization_pending"}
        return 200, self._token("support@acme.test") | {"refresh_token": self.grant("support@acme.test")}

    def _authorization_code(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if form.get("code") != "code-1" or not form.get("code_verifier"):
            return 400, {"error": "invalid_grant"}
        return 200, self._token("support@acme.test") | {"refresh_token": self.grant("support@acme.test")}

    def _token(self, user: str) -> dict[str, Any]:
        self._count += 1
        token = f"access-{self._count}"
        self._access[token] = (user, time.monotonic() + self.life_seconds + self.grace_seconds)
        return {"access_token": token, "token_type": "Bearer", "expires_in": self.life_seconds}
