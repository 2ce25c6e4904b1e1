"""Reading mail and records as an outsider does: with the standard library, by what stands in them."""

import re
from email.message import EmailMessage
from typing import Any

CUSTOMER_TOKEN = re.compile(r"\bT(\d{5})x[0-9a-f]{6}\b")
ANSWER_TOKEN = re.compile(r"\bA(\d{5})x[0-9a-f]{6}\b")
_ID = re.compile(r"<([^<>\s]+)>")
_REFUSED = re.compile(r"^--- Your text ---$(.*?)(?:^--- |\Z)", re.MULTILINE | re.DOTALL)


def message_ids(value: Any) -> list[str]:
    """Return the ids of a Message-ID, In-Reply-To or References header, in order, without angle brackets."""
    return _ID.findall(str(value or ""))


def own_text(mail: EmailMessage) -> str:
    """Return the plain text of a mail, lines ended by LF; empty when it has none."""
    body = mail.get_body(("plain",))
    return str(body.get_content()).replace("\r\n", "\n") if body is not None else ""


def refused_answer(text: str) -> str | None:
    """Return the token of the agent's text that a notification gives back; None when it gives none back."""
    section = _REFUSED.search(text)
    found = ANSWER_TOKEN.search(section.group(1)) if section else None
    return found.group(0) if found else None
