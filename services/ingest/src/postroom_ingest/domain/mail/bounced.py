"""What the mail that bounced referred to, from its headers as they are attached to the report. Pure.

A provider may have written a Message-ID of its own over ours; In-Reply-To and References then still lead to the thread.
Source: RFC 3462 section 2 (text/rfc822-headers), RFC 3464 section 2.
"""

import re
from collections.abc import Iterator

from postroom_ingest.domain.mail.headers import Headers, split_headers, unfold
from postroom_ingest.domain.mail.model import ParsedMail

MAX_ORIGINALS = 5
_ORIGINALS = frozenset(
    {"message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers", "text/rfc822-header"}
)
_FIELDS = ("references", "in-reply-to", "message-id")
_ID = re.compile(r"<\s*([^<>\s]{1,990})\s*>")
_IN_TEXT = re.compile(r"(?im)^[> \t]*message-id[ \t]*:")
_MAX_TEXT = 64 * 1024


def original_references(mail: ParsedMail) -> list[str]:
    """Return the ids of the attached original, oldest first: References, In-Reply-To, its own. Empty when there is none.

    A free-form bounce carries the original's headers in its text, below whatever the server says.
    """
    found = [unfold(h.raw(name)) for h in _attached(mail) for name in _FIELDS]
    if not found:
        found = [unfold(h.raw(name)) for h in _written(mail.text[:_MAX_TEXT]) for name in _FIELDS]
    return list(dict.fromkeys(value for field in found for value in _ID.findall(field)))


def _attached(mail: ParsedMail) -> Iterator[Headers]:
    originals = [part for part in mail.attachments if part.content_type in _ORIGINALS]
    for part in originals[:MAX_ORIGINALS]:
        yield split_headers(part.content, 0, len(part.content), [])[0]


def _written(text: str) -> Iterator[Headers]:
    """Yield the header block of the text that holds a Message-ID line: the lines around it up to empty ones."""
    found = _IN_TEXT.search(text)
    if found is None:
        return
    start = text.rfind("\n\n", 0, found.start()) + 2 if "\n\n" in text[: found.start()] else 0
    block = re.sub(r"(?m)^[> ]*(?=[!-9;-~]{1,60}:)", "", text[start:])
    raw = block.encode()
    yield split_headers(raw, 0, len(raw), [])[0]
