"""Keys by which messages find their conversation."""

import re

from postroom_contracts.ids import digest

_ANGLE = re.compile(r"[<>\s]")


def normalised_message_id(value: str) -> str:
    """Return a Message-ID without angle brackets and blanks; case is kept (RFC 5322 section 3.6.4)."""
    return _ANGLE.sub("", value)


def claim_id(inbox_id: str, message_key: str) -> str:
    """Return the id of the thread claim for a message id (or ledger id) in an inbox."""
    return digest("claim", inbox_id, message_key)


def normalised_address(value: str) -> str:
    """Return a mail address for comparison: trimmed and lower case. Plus parts are kept: they may be other people."""
    return value.strip().lower()


def without_plus(value: str) -> str:
    """Return the address without its plus part: `a+b@c` becomes `a@c` (RFC 5233 section 1)."""
    local, at, domain = normalised_address(value).rpartition("@")
    return f"{local.split('+', 1)[0]}{at}{domain}"


def plus_part(value: str) -> str | None:
    """Return the plus part of an address, or None. Case is kept."""
    local, _, _ = value.strip().rpartition("@")
    _, plus, part = local.partition("+")
    return part if plus else None
