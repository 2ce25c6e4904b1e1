"""Fetches pictures from strangers' servers: to public addresses alone, without cookie, referrer or anything of who asks."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urljoin

import httpcore
import structlog
from postroom_runtime.clock import monotonic
from postroom_runtime.outbound import ForbiddenAddressError, Network, guarded_pool

from postroom_desk.domain.pictures import (
    MAX_ALL_BYTES,
    MAX_BYTES,
    MOST,
    NoPicture,
    Picture,
    judged,
    picture_address,
)

log = structlog.get_logger(__name__)
SECONDS = 8.0
"""For all pictures of one mail: somebody waits for them."""
AT_ONCE = 8
REDIRECTS = 3
CACHE_SECONDS = 600.0
CACHE_BYTES = 32 * 1024 * 1024
_MOVED = frozenset({301, 302, 303, 307, 308})
_HEADERS = [
    (b"user-agent", b"Mozilla/5.0 (compatible; mail pictures)"),
    (b"accept", b"image/png,image/jpeg,image/gif,image/webp"),
    (b"accept-encoding", b"identity"),
]
"""The same for everybody; `identity`, so that a small answer does not grow large here."""


class HttpPictures:
    """Port Pictures. `allowed`: networks that are not public and may be asked all the same, then at any port."""

    def __init__(self, allowed: Sequence[Network] = (), seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self.any_port = bool(allowed)
        self._pool = guarded_pool(allowed, max_connections=64, max_keepalive_connections=0)
        self._kept: OrderedDict[str, tuple[float, Picture]] = OrderedDict()
        self._kept_bytes = 0

    async def fetch(self, addresses: Iterable[str]) -> dict[str, Picture | NoPicture]:
        """Return what came of each address, at most `MOST` of them, within the time for all."""
        wanted = list(dict.fromkeys(addresses))
        found: dict[str, Picture | NoPicture] = dict.fromkeys(wanted[MOST:], NoPicture("count"))
        places, left = asyncio.Semaphore(AT_ONCE), [MAX_ALL_BYTES]

        async def one(address: str) -> None:
            async with places:
                found[address] = await self._known_or_fetched(address, left)

        tasks = [asyncio.create_task(one(address)) for address in wanted[:MOST]]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self._seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return {address: found.get(address, NoPicture("timeout")) for address in wanted}

    async def _known_or_fetched(self, address: str, left: list[int]) -> Picture | NoPicture:
        kept = self._kept.get(address)
        result: Picture | NoPicture
        if kept is not None and kept[0] > monotonic():
            result = kept[1]
        else:
            result = await self._fetched(address)
            if isinstance(result, Picture):
                self._keep(address, result)
        if isinstance(result, Picture):
            left[0] -= len(result.body)
            if left[0] < 0:
                return NoPicture("size")
        return result

    async def _fetched(self, address: str) -> Picture | NoPicture:
        try:
            for _ in range(REDIRECTS + 1):
                found = await self._asked(address)
                if not isinstance(found, str):
                    return found
                following = picture_address(urljoin(address, found), any_port=self.any_port)
                if following is None:
                    return NoPicture("address")
                address = following
        except ForbiddenAddressError:
            return NoPicture("address")
        except (TimeoutError, httpcore.TimeoutException):
            return NoPicture("timeout")
        except (
            httpcore.NetworkError,
            httpcore.ProtocolError,
            httpcore.UnsupportedProtocol,
            OSError,
            ValueError,
        ) as error:
            log.info("picture failed", error=type(error).__name__)
            return NoPicture("unreachable")
        return NoPicture("status")

    async def _asked(self, address: str) -> Picture | NoPicture | str:
        """Return the picture, or where it has moved to."""
        times = dict.fromkeys(("connect", "read", "write", "pool"), self._seconds)
        extensions: dict[str, Any] = {"timeout": times}
        async with self._pool.stream("GET", address, headers=_HEADERS, extensions=extensions) as answer:
            headers = {name.lower(): value for name, value in answer.headers}
            if answer.status in _MOVED and b"location" in headers:
                return headers[b"location"].decode("latin-1")
            if answer.status != 200:  # noqa: PLR2004 - HTTP
                return NoPicture("status")
            body = bytearray()
            async for piece in answer.aiter_stream():
                body += piece
                if len(body) > MAX_BYTES:
                    return NoPicture("size")
            return judged(bytes(body))

    def _keep(self, address: str, picture: Picture) -> None:
        self._forget(address)
        self._kept[address] = monotonic() + CACHE_SECONDS, picture
        self._kept_bytes += len(picture.body)
        while self._kept_bytes > CACHE_BYTES:
            self._forget(next(iter(self._kept)))

    def _forget(self, address: str) -> None:
        if (kept := self._kept.pop(address, None)) is not None:
            self._kept_bytes -= len(kept[1].body)

    async def close(self) -> None:
        await self._pool.aclose()
