"""How many requests somebody may make: in memory, of this replica. Log-ins have limits of their own, over all replicas.

Counted by session or token, by address for those who have none. Who guesses tokens from one address is stopped there, and
those who are known at that address are not. Tokens of the deployment, which programs of the house use, have no limit.
Source: draft-ietf-httpapi-ratelimit-headers-10; RFC 6585 section 4 (429).
"""

import hashlib
import json
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from postroom_runtime.clock import monotonic
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from postroom_desk.api import cookies
from postroom_desk.identity.tries import address_key
from postroom_desk.parts import Parts, parts_of
from postroom_desk.tokens import authenticate

WINDOW_SECONDS = 60
FAILURES = 60
"""Requests without a known token that an address may make in a window before all such are refused."""
MAX_KNOWN = 10_000
"""Of which replicas remember how much they have asked; the longest silent is forgotten first."""
_FREE = ("/static/",)


@dataclass(slots=True)
class Bucket:
    """Holds at most `size`, and fills up within a window."""

    size: int
    left: float
    at: float

    def refresh(self, now: float) -> float:
        self.left = min(self.size, self.left + (now - self.at) * self.size / WINDOW_SECONDS)
        self.at = now
        return self.left

    def take(self, now: float) -> bool:
        """Take one if there is one."""
        if self.refresh(now) < 1:
            return False
        self.left -= 1
        return True

    def seconds_to_next(self) -> int:
        """Return in how many whole seconds there is one again."""
        return max(1, math.ceil((1 - self.left) * WINDOW_SECONDS / self.size))


@dataclass(slots=True)
class Buckets:
    """One bucket for each key, made full when it is first asked for."""

    size: int
    _buckets: OrderedDict[str, Bucket] = field(default_factory=OrderedDict)

    def of(self, key: str, now: float) -> Bucket:
        found = self._buckets.get(key)
        if found is None:
            found = self._buckets[key] = Bucket(self.size, self.size, now)
            if len(self._buckets) > MAX_KNOWN:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        return found


class RateLimit:
    """Middleware: 429 with Retry-After over the limit; `RateLimit` and `RateLimit-Policy` on every answer."""

    def __init__(self, app: ASGIApp, per_minute: int) -> None:
        self._app = app
        self._now: Callable[[], float] = monotonic
        self._asked = Buckets(per_minute)
        self._failed = Buckets(FAILURES)
        self._known: OrderedDict[str, None] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_FREE):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        parts = parts_of(request)
        credential = _credential(request, parts)
        if credential is None:
            await self._app(scope, receive, send)
            return
        address = address_key(request.client.host if request.client else "")
        key, now = credential or f"address {address}", self._now()
        bucket, failed = self._asked.of(key, now), self._failed.of(address, now)
        if failed.refresh(now) < 1 and credential and key not in self._known:
            await _refuse(send, failed, FAILURES)
        elif not bucket.take(now):
            await _refuse(send, bucket, self._asked.size)
        else:
            await self._app(scope, receive, self._watching(send, key if credential else "", bucket, failed))

    def _watching(self, send: Send, key: str, bucket: Bucket, failed: Bucket) -> Send:
        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                if message["status"] == 401:  # noqa: PLR2004 - not signed in
                    failed.take(self._now())
                elif key:
                    self._known[key] = None
                    if len(self._known) > MAX_KNOWN:
                        self._known.popitem(last=False)
                message["headers"] = [*message["headers"], *_headers(bucket, self._asked.size)]
            await send(message)

        return watched


def _credential(request: Request, parts: Parts) -> str | None:
    """Return a digest of what somebody shows; empty when they show nothing, None for who has no limit."""
    if parts.settings.desk_open:  # everybody there is on this machine
        return None
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        if authenticate(token.strip(), parts.settings.tokens()) is not None:
            return None
    else:
        token = cookies.read(request, parts.settings) or ""
    return hashlib.sha256(token.strip().encode("utf-8", "surrogatepass")).hexdigest() if token.strip() else ""


def _headers(bucket: Bucket, size: int) -> list[tuple[bytes, bytes]]:
    left = max(0, int(bucket.left))
    return [
        (b"ratelimit-policy", f'"requests";q={size};w={WINDOW_SECONDS}'.encode()),
        (b"ratelimit", f'"requests";r={left};t={bucket.seconds_to_next() if left < 1 else 0}'.encode()),
    ]


async def _refuse(send: Send, bucket: Bucket, size: int) -> None:
    wait = bucket.seconds_to_next()
    body = {
        "type": "urn:postroom:problem:too-many-requests",
        "title": "Too many requests",
        "status": 429,
        "detail": f"at most {size} in {WINDOW_SECONDS} s; the next one is free in {wait} s",
    }
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"retry-after", str(wait).encode()),
        (b"cache-control", b"no-store"),
        *_headers(bucket, size),
    ]
    await send({"type": "http.response.start", "status": 429, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})
