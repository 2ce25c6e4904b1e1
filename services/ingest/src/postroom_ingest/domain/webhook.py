"""The generic webhook channel: a JSON message of any system to the shared contract. Pure.

Shape: `{"type": "message.received", "data": {...}}`, see docs/services/ingest.md.
"""

from datetime import datetime
from typing import Literal

from postroom_contracts import ids
from postroom_contracts.configuration import Configuration, Inbox, WebhookAccount
from postroom_contracts.events import new_event
from postroom_contracts.fields import UtcTime
from postroom_contracts.inbound import TEXT_BYTES, InboundReceived
from postroom_contracts.values import Address, Channel, ContentReference
from pydantic import BaseModel, ConfigDict, Field

from postroom_ingest.domain.inbound import SOURCE, Intake, partition_key, text_sha256

MAX_BODY_BYTES = 3 * 1024 * 1024
KNOWN_TYPE = "message.received"


class WebhookSender(BaseModel):
    model_config = ConfigDict(extra="ignore")

    address: str = Field(min_length=1, max_length=320)
    name: str = Field("", max_length=500)


class WebhookMessage(BaseModel):
    """What `data` holds. Unknown fields are ignored: the sender may be newer than we are."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    sender: WebhookSender = Field(alias="from")
    text: str = Field(max_length=1_000_000)
    subject: str = Field("", max_length=2000)
    inbox: str | None = None
    """An inbox of this account; absent: its first one."""
    episode: str | None = Field(None, max_length=200)
    """What groups messages into one conversation; absent: one conversation per sender until it is resolved."""
    external_id: str | None = Field(None, max_length=500)
    in_reply_to: str | None = Field(None, max_length=500)
    received_at: UtcTime | None = None
    automatic: bool = False


class WebhookBody(BaseModel):
    model_config = ConfigDict(extra="ignore")

    type: Literal["message.received"]
    data: WebhookMessage


class UnknownInboxError(ValueError):
    """The message names an inbox that this account does not serve."""


def webhook_intake(
    body: WebhookBody,
    raw: bytes,
    *,
    webhook_id: str,
    account: WebhookAccount,
    configuration: Configuration,
    now: datetime,
) -> Intake:
    """Return what a webhook's message becomes. The provider's `webhook-id` is the dedup key. Raises UnknownInboxError."""
    message = body.data
    inbox = _inbox(configuration, account, message.inbox)
    ledger = ids.digest("ledger", account.id, webhook_id)
    intake = Intake(ledger, partition_key(account.id, message.sender.address))
    message_id = ids.message_id(ledger, inbox.id)
    raw_id = ids.content_id(ledger, "raw")
    intake.blobs[raw_id] = raw
    sender = Address(address=message.sender.address, name=message.sender.name)
    received_at = min(message.received_at or now, now)
    reference = ContentReference(content_id=ids.content_id(message_id), sha256=text_sha256(message.text))
    intake.documents.append(
        {
            "_id": reference.content_id,
            "kind": "message",
            "inbox_id": inbox.id,
            "text": message.text,
            "html": None,
            "reply_text": message.text,
            "sha256": reference.sha256,
            "subject": message.subject,
            "from": sender.model_dump(),
            "external_id": message.external_id,
            "attachments": [],
            "raw_blob_id": raw_id,
            "received_at": received_at,
        }
    )
    encoded = message.text.encode("utf-8", "replace")
    record = InboundReceived(
        message_id=message_id,
        ledger_id=ledger,
        account_id=account.id,
        inbox_id=inbox.id,
        channel=Channel.WEBHOOK,
        message_kind="auto_reply" if message.automatic else "message",
        automatic="auto-generated" if message.automatic else None,
        source_of_contact=inbox.source_of_contact or inbox.id,
        external_id=message.external_id,
        in_reply_to=[message.in_reply_to] if message.in_reply_to else [],
        episode=message.episode,
        sender=sender,
        subject=message.subject,
        text=encoded[:TEXT_BYTES].decode("utf-8", "ignore"),
        text_truncated=len(encoded) > TEXT_BYTES,
        body_bytes=len(raw),
        content=reference,
        received_at=received_at,
        ingested_at=now,
    )
    intake.events.append(
        new_event(record, source=SOURCE, cause_id=message_id, subject=inbox.id, time=now, key=intake.key)
    )
    return intake


def _inbox(configuration: Configuration, account: WebhookAccount, wanted: str | None) -> Inbox:
    own = [inbox for inbox in configuration.inboxes if inbox.account == account.id]
    found = next((inbox for inbox in own if wanted in (None, inbox.id)), None)
    if found is None:
        raise UnknownInboxError(f"account {account.id} serves no inbox {wanted!r}")
    return found


def kept_only(raw: bytes, webhook_id: str, account_id: str, why: str) -> Intake:
    """Return what a body of an unknown kind becomes: kept and counted, never refused, never published."""
    ledger = ids.digest("ledger", account_id, webhook_id)
    return Intake(ledger, account_id, blobs={ids.content_id(ledger, "raw"): raw}, ignored=why)
