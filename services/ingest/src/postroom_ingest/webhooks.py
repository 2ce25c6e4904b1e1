"""The HTTP door of the generic webhook channel. Signatures: Standard Webhooks, verified over the raw bytes.

A bad signature gets 401 and leaves nothing behind. A redelivery is answered 200 and changes nothing. Kinds that we do
not know are kept and counted, never refused: a 4xx makes providers retry or unsubscribe.
"""

import asyncio
import json
import re
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from postroom_contracts import ids
from postroom_contracts.configuration import SecretReference, WebhookAccount
from postroom_runtime.clock import Clock
from postroom_runtime.configuration_feed import Configurations
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.secrets import MissingSecretError, named, resolve
from pydantic import ValidationError
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook, WebhookVerificationError

from postroom_ingest.domain.inbound import Intake
from postroom_ingest.domain.webhook import (
    KNOWN_TYPE,
    MAX_BODY_BYTES,
    UnknownInboxError,
    WebhookBody,
    kept_only,
    webhook_intake,
)
from postroom_ingest.intake import IntakeStore
from postroom_ingest.metrics import WEBHOOKS

log = structlog.get_logger(__name__)
_SIGNATURE = re.compile(r"v1,[A-Za-z0-9+/]{43}=")
"""Base64 of an HMAC-SHA256, as Standard Webhooks writes it."""


def _problem(status: int, title: str, detail: str, **headers: str) -> JSONResponse:
    """RFC 9457 problem details."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(body, status, headers=headers or None, media_type="application/problem+json")


class WebhookDoor:
    """Takes webhooks of all configured webhook accounts; any replica takes any."""

    def __init__(self, configurations: Configurations, intake: IntakeStore, clock: Clock) -> None:
        self._configurations = configurations
        self._intake = intake
        self._clock = clock
        self._publishing: set[asyncio.Task[None]] = set()

    def application(self) -> FastAPI:
        app = FastAPI(title="Postroom ingest", version="0.1.0", docs_url=None, redoc_url=None)
        app.add_api_route(
            "/webhooks/{account_id}",
            self.receive,
            methods=["POST"],
            response_model=None,
            summary="Take a signed message of a webhook account.",
        )
        return app

    async def receive(self, account_id: str, request: Request) -> JSONResponse:
        account = next((a for a in self._configurations.latest.accounts if a.id == account_id), None)
        if not isinstance(account, WebhookAccount):
            WEBHOOKS.labels("unknown", "unknown_account").inc()
            return _problem(404, "Not found", "there is no such webhook account")
        raw = await _bounded_body(request)
        if raw is None:
            WEBHOOKS.labels(account_id, "too_large").inc()
            return _problem(413, "Too large", f"a body may have at most {MAX_BODY_BYTES} bytes")
        try:
            self._verify(account, raw, dict(request.headers))
        except WebhookVerificationError:
            WEBHOOKS.labels(account_id, "bad_signature").inc()
            return _problem(401, "Unauthorized", "the signature does not fit")
        except MissingSecretError as error:
            log.error("secret missing", account=account_id, error=str(error))  # noqa: TRY400 - no trace needed
            return _problem(503, "Unavailable", "try again later", **{"Retry-After": "60"})
        return await self._take(account, raw, request.headers["webhook-id"])

    def _verify(self, account: WebhookAccount, raw: bytes, headers: dict[str, str]) -> None:
        """Return when one of the account's secrets (two while a key is rotated) signed the body.

        Else raises WebhookVerificationError, and MissingSecretError for a secret that is none. Signatures of another form
        are passed over: the library stops at them with a ValueError, also with a good one behind.
        """
        given = (one for one in headers.get("webhook-signature", "").split() if _SIGNATURE.fullmatch(one))
        readable = headers | {"webhook-signature": " ".join(given)}
        last = WebhookVerificationError("no secret")
        for secret in account.secrets:
            webhook = _webhook(secret)
            try:
                webhook.verify(raw, readable, json_parse=False)
            except WebhookVerificationError as error:
                last = error
            except ValueError as error:  # a body that is not UTF-8
                last = WebhookVerificationError(type(error).__name__)
            else:
                return
        raise last

    async def _take(self, account: WebhookAccount, raw: bytes, webhook_id: str) -> JSONResponse:
        try:
            intake = self._read(account, raw, webhook_id)
        except (ValidationError, UnknownInboxError) as error:
            WEBHOOKS.labels(account.id, "invalid").inc()
            return _problem(422, "Unprocessable", _short(error))
        try:
            new = await self._intake.store(account.id, [(intake, None)])
        except InfrastructureError:
            WEBHOOKS.labels(account.id, "unavailable").inc()
            return _problem(503, "Unavailable", "the message was not stored; send it again", **{"Retry-After": "5"})
        fresh = new[intake.ledger_id]
        WEBHOOKS.labels(account.id, "ignored" if intake.ignored else "stored" if fresh else "duplicate").inc()
        if fresh and not intake.ignored:
            self._publish(account.id)
        status = "ignored" if intake.ignored else "accepted" if fresh else "duplicate"
        message_ids = [ids.message_id(intake.ledger_id, event.subject) for event in intake.events]
        return JSONResponse({"status": status, "message_id": next(iter(message_ids), None)})

    def _read(self, account: WebhookAccount, raw: bytes, webhook_id: str) -> Intake:
        try:
            parsed: Any = json.loads(raw)
        except (ValueError, RecursionError):
            return kept_only(raw, webhook_id, account.id, "not_json")
        if not isinstance(parsed, dict) or parsed.get("type") != KNOWN_TYPE:
            return kept_only(raw, webhook_id, account.id, "unknown_type")
        return webhook_intake(
            WebhookBody.model_validate(parsed),
            raw,
            webhook_id=webhook_id,
            account=account,
            configuration=self._configurations.latest,
            now=self._clock.now(),
        )

    def _publish(self, account_id: str) -> None:
        """Publish beside the answer: Kafka away means lag, not refusals. At most one task waits per account and process."""
        task = asyncio.create_task(self._intake.publish_soon(account_id))
        self._publishing.add(task)
        task.add_done_callback(self._publishing.discard)


def _webhook(secret: SecretReference) -> Webhook:
    try:
        return Webhook(resolve(secret))
    except (ValueError, EmptyWebhookSecretError) as error:
        raise MissingSecretError(f"the secret {named(secret)} is not base64, or empty") from error


async def _bounded_body(request: Request) -> bytes | None:
    """Return the body, None when it is larger than allowed; nothing more is read then."""
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > MAX_BODY_BYTES:
            return None
        pieces.append(piece)
    return b"".join(pieces)


def _short(error: ValidationError | UnknownInboxError) -> str:
    if isinstance(error, UnknownInboxError):
        return str(error)
    return "; ".join(
        f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False, include_url=False)[:5]
    )
