"""The smoke test: one signed webhook becomes a conversation with an owner, who is told by mail."""

import asyncio
import base64
import secrets
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import httpx
from postroom_local.smtp_sink import SmtpSink
from standardwebhooks.webhooks import Webhook

from tools.image_build import CheckError

_TOKEN = secrets.token_urlsafe(24)
_WEBHOOK = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
SECRETS = {
    "POSTROOM_SIGNING_KEYS": secrets.token_urlsafe(32),
    "POSTROOM_API_TOKENS": f"smoke={_TOKEN}",
    "SHOP_WEBHOOK_SECRET": _WEBHOOK,
}
COMPANY: dict[str, Any] = {
    "company": {"name": "Acme", "domain": "acme.example", "default_calendar": "always"},
    "calendars": [
        {
            "id": "always",
            "time_zone": "UTC",
            "hours": {day: ["00:00-24:00"] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")},
        }
    ],
    "accounts": [{"id": "shop", "channel": "webhook", "secrets": [{"env": "SHOP_WEBHOOK_SECRET"}]}],
    "inboxes": [
        {"id": "shop", "name": "Shop", "account": "shop", "address": "shop", "teams": ["care"]},
        {"id": "support", "name": "Support", "account": "mail", "address": "support@acme.example", "teams": ["care"]},
    ],
    "teams": [{"id": "care", "name": "Care", "members": ["ann"]}],
    "agents": [{"id": "ann", "first_name": "Ann", "email": "ann@acme.example"}],
    "notifications": {"sender": "support@acme.example"},
}
DEADLINE_SECONDS = 60.0


async def send_webhook(ingest: str) -> None:
    """Send a customer's message, signed as Standard Webhooks says. Raises CheckError when it is not accepted."""
    body = '{"type": "message.received", "data": {"from": {"address": "customer-7"}, "text": "Where is my order?"}}'
    now, identifier = datetime.now(UTC), f"msg_{uuid.uuid4().hex}"
    headers = {
        "webhook-id": identifier,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(_WEBHOOK).sign(identifier, now, body),
        "content-type": "application/json",
    }
    async with httpx.AsyncClient(timeout=10) as client:
        answer = await client.post(f"{ingest}/webhooks/shop", content=body, headers=headers)
    if answer.status_code != httpx.codes.OK or answer.json()["status"] != "accepted":
        raise CheckError(f"the webhook was answered by {answer.status_code}: {answer.text}")


async def conversation_with_owner(desk: str) -> str:
    """Return the owner of the one conversation. Raises CheckError with what there is instead after a minute."""
    give_up_at, seen = time.monotonic() + DEADLINE_SECONDS, ""
    async with httpx.AsyncClient(timeout=10, headers={"authorization": f"Bearer {_TOKEN}"}) as client:
        while time.monotonic() < give_up_at:
            answer = await client.get(f"{desk}/api/v1/conversations")
            seen = answer.text
            rows = answer.json()["items"] if answer.status_code == httpx.codes.OK else []
            if rows and rows[0]["owner_id"]:
                return str(rows[0]["owner_id"])
            await asyncio.sleep(0.2)
    raise CheckError(f"no conversation with an owner: {seen[:1000]}")


async def answered(sink: SmtpSink) -> None:
    """Return when the owner's notification has come. Raises CheckError after a minute."""
    give_up_at = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < give_up_at:
        if any("ann@acme.example" in mail.recipients for mail in sink.mails):
            return
        await asyncio.sleep(0.2)
    raise CheckError("the owner was not told by mail")
