"""Derived identifiers: the same cause always makes the same id, so whatever is repeated can be recognised."""

import hashlib
import uuid

NAMESPACE = uuid.UUID("8f6f4a1e-6a43-5b0e-9a53-3e0f6b0d2c11")
"""The one namespace of all derived ids (RFC 9562, version 5). Never changed: ids of stored events depend on it."""


def derived_id(*parts: str) -> str:
    """Return the UUID 5 of `parts` joined by newlines, as 36 characters.

    A part must not hold a newline of its own where another split could give the same text; ids and kinds never do.
    """
    # The digest is made here, not by uuid.uuid5: building the UUID object costs more than the hash, once an event.
    digest = hashlib.sha1(NAMESPACE.bytes + "\n".join(parts).encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digest[16], 16) & 0x3]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


def event_id(cause_id: str, event_type: str, discriminator: str = "") -> str:
    """Return the id of the event of `event_type` that follows from the event or request `cause_id`.

    `discriminator` tells several of one type from one cause apart: a tag, an agent, a position.
    """
    return derived_id(cause_id, event_type, discriminator)


def conversation_id(inbox_id: str, message_key: str) -> str:
    """Return the id of the conversation that the message `message_key` would open in `inbox_id`."""
    return derived_id("conversation", inbox_id, message_key)


def message_id(ledger_id: str, inbox_id: str) -> str:
    """Return our id of the message that the ledger entry `ledger_id` is in `inbox_id`; also its inbound record's id."""
    return derived_id("message", ledger_id, inbox_id)


def content_id(owner_id: str, kind: str = "content") -> str:
    """Return the id of the document in the content store that belongs to `owner_id` (a message, a request)."""
    return derived_id(kind, owner_id)


def delivery_id(cause_event_id: str, kind: str, receiver: str) -> str:
    """Return the id of the delivery that follows from an event; a reply's is of kind `reply`, to `customer`."""
    return derived_id("delivery", cause_event_id, kind, receiver)


def digest(*parts: str) -> str:
    """Return 40 hexadecimal characters of the SHA-256 of `parts` joined by newlines: for keys and claims."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:40]
