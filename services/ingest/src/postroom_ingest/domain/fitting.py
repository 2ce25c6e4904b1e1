"""What a stranger may make as long as he likes is cut, so that it fits a document of MongoDB and a record of Kafka.

One mail that fits neither would stop its whole account: the mails behind it in the folder, or in the outbox. Whole it
stands in the raw mail.
"""

import json
from collections.abc import Sequence
from dataclasses import replace

from postroom_contracts.inbound import TEXT_BYTES

from postroom_ingest.domain.mail import ParsedMail
from postroom_ingest.domain.mail import model as mail_model
from postroom_ingest.domain.mail.addresses import Address

STORED_TEXT_BYTES = 3 * 1024 * 1024
"""Of the text; it stands in its document up to twice, with the newly written part of a reply. A document has at most 16 MiB."""
STORED_HTML_BYTES = 8 * 1024 * 1024
MAX_NAME = 100
MAX_EMAIL = 320
"""64 before the at sign and 255 behind it: RFC 5321 section 4.5.3.1."""
MAX_ID = 990
"""As of all message ids that are read."""
MAX_LABEL = 100
"""Of an attachment's content type and content id. 200 attachments and the addresses of 512 KiB of headers fit beside the text."""


def fitted(mail: ParsedMail) -> ParsedMail:
    """Return the mail with everything cut to what can be stored and published; a cut text and HTML say so in `warnings`."""
    text, html = _beginning(mail.text, STORED_TEXT_BYTES), mail.html and _beginning(mail.html, STORED_HTML_BYTES)
    cut = [name for name, a, b in (("text", mail.text, text), ("HTML", mail.html, html)) if a != b]
    warnings = tuple(f"the {name} is very long, only its beginning is kept beside the original mail" for name in cut)
    return replace(
        mail,
        text=text,
        html=html,
        warnings=(*warnings, *mail.warnings),
        from_=_address(mail.from_),
        sender=_address(mail.sender),
        reply_to=_addresses(mail.reply_to),
        to=_addresses(mail.to),
        cc=_addresses(mail.cc),
        original_from=_addresses(mail.original_from),
        dsn=mail.dsn and _report(mail.dsn),
        attachments=tuple(_attachment(a) for a in mail.attachments),
    )


def _beginning(text: str, size: int) -> str:
    if len(text) * 4 <= size:
        return text
    raw = text.encode("utf-8", "replace")
    return text if len(raw) <= size else raw[:size].decode("utf-8", "ignore")


def text_of_record(text: str) -> tuple[str, bool]:
    """Return as much of `text` as a record carries, and whether that is less than all.

    That is `TEXT_BYTES`, or less where most of it would be written as escapes (control characters take six bytes).
    """
    found = _beginning(text, TEXT_BYTES)
    while len(json.dumps(found, ensure_ascii=False)) > 2 * TEXT_BYTES:
        found = found[: len(found) // 2]
    return found, found != text


def _address(found: Address | None) -> Address | None:
    """Return the address; None for one that is longer than any can be."""
    if found is None or len(found.email) > MAX_EMAIL:
        return None
    return found if len(found.name) <= MAX_NAME else replace(found, name=found.name[:MAX_NAME])


def _addresses(found: Sequence[Address]) -> tuple[Address, ...]:
    return tuple(a for a in map(_address, found) if a is not None)


def _report(found: mail_model.Dsn) -> mail_model.Dsn:
    named = found.original_message_id
    return replace(
        found, status=found.status and found.status[:MAX_LABEL], original_message_id=named and named[:MAX_ID]
    )


def _attachment(part: mail_model.Attachment) -> mail_model.Attachment:
    if len(part.content_type) <= MAX_LABEL and len(part.content_id or "") <= MAX_LABEL:
        return part
    content_id = part.content_id if len(part.content_id or "") <= MAX_LABEL else None
    return replace(part, content_type=part.content_type[:MAX_LABEL], content_id=content_id)
