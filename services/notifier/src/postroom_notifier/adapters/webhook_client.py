"""Requests to receivers: Standard Webhooks headers, a time limit, public addresses alone, no redirect, no proxy."""

import asyncio
from collections.abc import Sequence
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
READ_BYTES = 16_384
"""Of an answer's body, so that its connection can be used again; more is not waited for."""
_BODY_TYPE = "application/cloudevents+json; charset=UTF-8"


class HttpWebhookClient:
    """Port WebhookClient. `allowed`: networks that are not public and may be reached all the same."""

    def __init__(self, clock: Clock, seconds: float, allowed: Sequence[Network] = (), connections: int = 1024) -> None:
        self._clock = clock
        self._seconds = seconds
        self._pool = guarded_pool(
            allowed, max_connections=connections, max_keepalive_connections=64, keepalive_expiry=30
        )

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
                return await self._request(subscription.url, headers, delivery.body.encode()), None
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

    async def _request(self, url: str, headers: dict[str, str], body: bytes) -> int:
        timeouts = {"connect": CONNECT_SECONDS, "read": self._seconds, "write": self._seconds, "pool": self._seconds}
        sent = [(name.encode(), value.encode()) for name, value in headers.items()]
        async with self._pool.stream(
            "POST", url, headers=sent, content=body, extensions={"timeout": timeouts}
        ) as answer:
            read = 0
            async for chunk in answer.aiter_stream():
                read += len(chunk)
                if read > READ_BYTES:
                    break
            return int(answer.status)

    async def close(self) -> None:
        await self._pool.aclose()


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
