"""What ingest publishes on `inbound-messages`: any channel's message in one shape."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from postroom_contracts.events import Data
from postroom_contracts.fields import Identifier, Personal, UtcTime
from postroom_contracts.values import Address, Attachment, Channel, ContentReference, MessageKind, Value

TEXT_BYTES = 64 * 1024
"""Text on `inbound-messages` is cut here, for routing; the whole stands in the content store."""


class Authentication(Value):
    """What ingest could prove about the sender; only headers of trusted servers count (RFC 8601 section 5)."""

    dmarc: Literal["pass", "fail", "none"] = "none"
    internal_account: bool = False
    """It came in by an account that only the company's own, authenticated people can deliver to."""


class InboundReceived(Data):
    """One message for one inbox, normalised. The same raw message for two inboxes makes two of these."""

    kind: ClassVar[Literal["inbound"]] = "inbound"

    message_id: Identifier
    """Our id: `ids.message_id(ledger_id, inbox_id)`."""
    ledger_id: Identifier
    account_id: Identifier
    inbox_id: Identifier
    channel: Channel
    message_kind: MessageKind = "message"
    automatic: str | None = None
    """Why it counts as written by a machine (`auto-reply`, `auto-generated`, `list`, `bounce`), else None."""
    imported: bool = False
    """History, taken in after the fact: shown and threaded, but it opens no clock, tells nobody and asks for no owner."""
    probe: bool = False
    """Our own mail, sent to see that mail gets through. It is also `imported`, so that nothing counts it or tells of it."""
    source_of_contact: str = ""
    """The tag that names where the contact came from; empty: the inbox's."""

    external_id: Annotated[str | None, Personal] = None
    """The provider's id of the message; for mail the Message-ID without angle brackets, None if there was none."""
    in_reply_to: Annotated[list[str], Personal] = Field(default_factory=list)
    references: Annotated[list[str], Personal] = Field(default_factory=list)
    """Oldest first; at most 50 ids without angle brackets."""
    episode: str | None = None
    """Chat-like channels: what groups messages into one conversation beside inbox and contact."""

    sender: Address
    """Who wrote: From, for mail."""
    forwarded_by: Address | None = None
    """Who forwarded it, when `sender` is the original sender whom that mail names; nothing is proven about `sender` then."""
    reply_to: list[Address] = Field(default_factory=list)
    to: list[Address] = Field(default_factory=list)
    cc: list[Address] = Field(default_factory=list)
    envelope_recipients: Annotated[list[str], Personal] = Field(default_factory=list)
    """Where it was delivered: the envelope, then Delivered-To, X-Original-To and such; keys are looked for here first."""

    subject: Annotated[str, Personal] = ""
    text: Annotated[str, Personal] = ""
    """At most `TEXT_BYTES` of UTF-8, what the person newly wrote and what is quoted."""
    text_truncated: bool = False
    body_bytes: int = 0
    """Size of the raw message."""
    content: ContentReference
    answer: ContentReference | None = None
    """Only for mail to a keyed answer address: the newly written text alone, stored before this was published."""
    answer_problem: str | None = None
    """Why the newly written text cannot be used as an answer: `empty`, `holds_marker`, `holds_link`, `holds_key`."""
    attachments: list[Attachment] = Field(default_factory=list)
    authentication: Authentication = Authentication()

    delivery_status: Literal["delivered", "read", "delayed", "failed"] | None = None
    """For kinds `bounce` and `status`: what became of our message."""
    delivery_status_code: str | None = None
    """RFC 3463 code such as `5.1.1`, when one was given."""
    about_external_id: Annotated[str | None, Personal] = None
    """For kinds `bounce` and `status`: the provider's id (Message-ID) of the message of ours that it speaks of."""

    received_at: UtcTime
    """The provider's time of receipt, at most `ingested_at` (metrics/1, point 1)."""
    ingested_at: UtcTime
