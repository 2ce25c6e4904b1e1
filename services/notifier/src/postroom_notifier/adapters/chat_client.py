"""Requests to chat tools: public addresses alone, a time limit, no redirect, no proxy."""

import asyncio
from collections.abc import Sequence

import httpcore
import structlog
from postroom_contracts.configuration import ChatDestination
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.outbound import ForbiddenAddressError, Network, guarded_pool
from postroom_runtime.secrets import resolve

from postroom_notifier.domain.outcomes import Accepted, Rejected, SendOutcome, TryAgain

log = structlog.get_logger(__name__)
_HEADERS = [(b"content-type", b"application/json; charset=utf-8"), (b"user-agent", b"Postroom-Chat/1")]
_GONE = frozenset({400, 401, 403, 404, 410})
"""What chat tools answer for an address that is none (any more), or a body that they will never take."""


class HttpChat:
    """Port ChatClient. `allowed`: networks that are not public and may be reached all the same."""

    def __init__(self, seconds: float, allowed: Sequence[Network] = ()) -> None:
        self._seconds = seconds
        self._pool = guarded_pool(allowed, max_connections=64, max_keepalive_connections=8, keepalive_expiry=30)

    async def post(self, destination: ChatDestination, body: bytes) -> SendOutcome:
        try:
            url = resolve(destination.url).strip()
        except (ValueError, LookupError, OSError, InfrastructureError) as error:
            log.error("chat has no address", destination=destination.id, error=type(error).__name__)  # noqa: TRY400
            return TryAgain("secret", unreachable=True)
        try:
            async with asyncio.timeout(self._seconds):
                status = await self._request(url, body)
        except ForbiddenAddressError:
            return Rejected("forbidden_address")
        except (httpcore.UnsupportedProtocol, ValueError):
            return Rejected("bad_address")
        except (
            TimeoutError,
            httpcore.TimeoutException,
            httpcore.NetworkError,
            httpcore.ProtocolError,
            OSError,
        ) as error:
            log.info("chat failed", destination=destination.id, error=type(error).__name__)
            return TryAgain("unreachable", unreachable=True)
        if status // 100 == 2:  # noqa: PLR2004 - the class of statuses that say yes
            return Accepted()
        return Rejected(f"http_{status}") if status in _GONE else TryAgain(f"http_{status}")

    async def _request(self, url: str, body: bytes) -> int:
        limits = dict.fromkeys(("connect", "read", "write", "pool"), self._seconds)
        sent = [*_HEADERS, (b"content-length", str(len(body)).encode())]
        async with self._pool.stream("POST", url, headers=sent, content=body, extensions={"timeout": limits}) as answer:
            return int(answer.status)

    async def close(self) -> None:
        await self._pool.aclose()
