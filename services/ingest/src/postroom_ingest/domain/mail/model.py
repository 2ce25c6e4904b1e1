"""What a mail says, once it is read. Everything is immutable and holds no reference to the raw bytes but in attachments."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from postroom_ingest.domain.mail.addresses import Address

Automatic = Literal["auto-reply", "auto-generated", "list", "bounce"]


@dataclass(frozen=True, slots=True)
class Attachment:
    """One part that is not the text: its name as a person would read it, never empty, never with a path in it."""

    filename: str
    content_type: str
    size_bytes: int
    sha256: str
    """Of `content`, hexadecimal."""
    content_id: str | None
    """Without angle brackets (RFC 2392)."""
    disposition: Literal["attachment", "inline"]
    content: bytes
    """After the transfer encoding."""


@dataclass(frozen=True, slots=True)
class Dsn:
    """What a bounce reports about its first recipient that was not reached. Source: RFC 3464."""

    recipient: str | None
    action: str | None
    """failed, delayed, delivered, relayed or expanded."""
    status: str | None
    """Enhanced status code, such as 5.1.1 (RFC 3463)."""
    diagnostic: str | None
    original_message_id: str | None
    """Without angle brackets."""


@dataclass(frozen=True, slots=True)
class ParsedMail:
    """A mail as a person would read it. Ids are without angle brackets; lines of texts end in LF, no null characters."""

    message_id: str | None
    in_reply_to: str | None
    references: tuple[str, ...]
    """Oldest first, at most 50: the first one and the newest."""
    from_: Address | None
    sender: Address | None
    reply_to: tuple[Address, ...]
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    delivered_to: tuple[str, ...]
    x_original_to: tuple[str, ...]
    """X-Original-To, X-Forwarded-To, X-Forwarded-For, Envelope-To, in this order; one value may hold several addresses."""
    subject: str
    date: datetime | None
    """UTC; None when missing or unreadable."""
    text: str
    """The text part; made from the HTML when there is none, from an attached text or mail when there is neither.

    Where a guard left something out, its last paragraph says so in brackets.
    """
    html: str | None
    """Raw: it has to be sanitised before anybody sees it."""
    attachments: tuple[Attachment, ...]
    auto: Automatic | None
    """`list` also marks mail that people sent through a group address: it says how it came, not that no person wrote."""
    dsn: Dsn | None
    original_from: tuple[Address, ...]
    """Whom X-Original-From or X-Original-Sender names, which groups write when they put their own address into From."""
    trace: tuple[tuple[str, str], ...]
    """(`received` or `authentication-results`, value in one line), the topmost (newest) first, at most 50."""
    content_sha256: str
    """Over From, Date, Subject and the decoded parts, hexadecimal."""
    warnings: tuple[str, ...]
    """What was missing, repaired or left out; empty for a clean mail."""


def content_hash(parsed: ParsedMail) -> str:
    """Return the SHA-256 over (From, Date, Subject, decoded parts), hexadecimal.

    It is the same for a mail that comes twice by different ways: trace headers, folds, transfer encodings, boundaries
    and line ends do not count. It does not depend on guesses about charsets, so it stays the same over releases.
    """
    return parsed.content_sha256
