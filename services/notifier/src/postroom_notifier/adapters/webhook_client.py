"""Requests to receivers: Standard Webhooks headers, a time limit, public addresses alone, no redirect, no proxy."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import httpcore
import structlog
from postroom_contracts.configuration import WebhookSubscription
from postroom_runtime.clock import Clock, monotonic
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.outbound import ForbiddenAddressError, Network, guarded_pool
from postroom_runtime.secrets import resolve
from standardwebhooks import Webhook

from postroom_notifier.domain.webhooks import Answer, WebhookDelivery

log = structlog.get_logger(__name__)
CONNECT_SECONDS = 5.0
KEPT = 256
"""Receivers to which an idle connection is kept."""
KEPT_SECONDS = 30
READ_BYTES = 16_384
"""Of an answer's body, so that its connection can be used again; more is not waited for."""
_BODY_TYPE = "application/cloudevents+json; charset=UTF-8"


class HttpWebhookClient:
    """Port WebhookClient. `allowed`: networks that are not public and may be reached all the same."""

    def __init__(self, clock: Clock, seconds: float, allowed: Sequence[Network] = (), kept: int = KEPT) -> None:
        self._clock = clock
        self._seconds = seconds
        self._pools = Pools(allowed, kept)

    async def post(self, subscription: WebhookSubscription, delivery: WebhookDelivery) -> Answer:
        began = monotonic()
        status, error = await self._post(subscription, delivery)
        return Answer(status, error, int((monotonic() - began) * 1000))

    async def _post(
        self, subscription: WebhookSubscription, delivery: WebhookDelivery
    ) -> tuple[int | None, str | None]:
        try:
            headers = _headers(subscription, delivery, self._clock.now())
        except (ValueError, LookupError, OSError, InfrastructureError) as error:
            log.error("webhook cannot be signed", subscription=subscription.id, error=str(error))  # noqa: TRY400
            return None, "secret"
        try:
            async with asyncio.timeout(self._seconds):
                async with self._pools.of(subscription.id) as pool:
                    return await self._request(pool, subscription.url, headers, delivery.body.encode()), None
        except ForbiddenAddressError:
            return None, "forbidden_address"
        except (TimeoutError, httpcore.TimeoutException):
            return None, "timeout"
        except httpcore.ConnectError:
            return None, "unreachable"
        except (
            httpcore.NetworkError,
            httpcore.ProtocolError,
            httpcore.UnsupportedProtocol,
            OSError,
            ValueError,
        ) as error:
            log.info("webhook failed", subscription=subscription.id, error=type(error).__name__)
            return None, "connection"

    async def _request(self, pool: httpcore.AsyncConnectionPool, url: str, headers: dict[str, str], body: bytes) -> int:
        timeouts = {"connect": CONNECT_SECONDS, "read": self._seconds, "write": self._seconds, "pool": self._seconds}
        sent = [(name.encode(), value.encode()) for name, value in headers.items()]
        async with pool.stream("POST", url, headers=sent, content=body, extensions={"timeout": timeouts}) as answer:
            read = 0
            async for chunk in answer.aiter_stream():
                read += len(chunk)
                if read > READ_BYTES:
                    break
            return int(answer.status)

    async def close(self) -> None:
        await self._pools.close()


@dataclass
class _Pool:
    connections: httpcore.AsyncConnectionPool
    in_use: int = 0
    used_at: float = 0.0


class Pools:
    """A pool of connections for each receiver: one that hangs holds only its own, and none is looked for among a thousand.

    Of those that are not in use the `kept` last used ones stay, for half a minute.
    """

    def __init__(self, allowed: Sequence[Network], kept: int) -> None:
        self._allowed = allowed
        self._kept = kept
        self._pools: OrderedDict[str, _Pool] = OrderedDict()

    @asynccontextmanager
    async def of(self, name: str) -> AsyncIterator[httpcore.AsyncConnectionPool]:
        pool = self._pools.get(name)
        if pool is None:
            connections = guarded_pool(self._allowed, max_keepalive_connections=1, keepalive_expiry=KEPT_SECONDS)
            pool = self._pools[name] = _Pool(connections)
        self._pools.move_to_end(name)
        pool.in_use += 1
        try:
            yield pool.connections
        finally:
            pool.in_use -= 1
            pool.used_at = monotonic()
            await self._forget()

    @property
    def names(self) -> list[str]:
        """Receivers that have connections, the last used at the end."""
        return list(self._pools)

    async def _forget(self) -> None:
        """Close what is idle for too long, or idle and one too many; those used last stand at the end."""
        for name, pool in list(self._pools.items()):
            if len(self._pools) <= self._kept and (pool.in_use or monotonic() - pool.used_at < KEPT_SECONDS):
                return
            if not pool.in_use and self._pools.get(name) is pool:  # others tidy up, too, while a connection is closed
                del self._pools[name]
                await pool.connections.aclose()

    async def close(self) -> None:
        for pool in self._pools.values():
            await pool.connections.aclose()
        self._pools.clear()


def _headers(subscription: WebhookSubscription, delivery: WebhookDelivery, now: datetime) -> dict[str, str]:
    """Return the headers of one attempt. Source: Standard Webhooks 1.0, "Signature scheme"; several signatures: key rotation."""
    signatures = [
        Webhook(resolve(reference)).sign(delivery.webhook_id, now, delivery.body) for reference in subscription.secrets
    ]
    return {
        "content-type": _BODY_TYPE,
        "user-agent": "Postroom-Webhooks/1",
        "webhook-id": delivery.webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
