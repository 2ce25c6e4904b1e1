"""Reading mail: `parse_mail` (bytes to `ParsedMail`) and `visible_reply` (what a person newly wrote)."""

from postroom_ingest.domain.mail.addresses import Address
from postroom_ingest.domain.mail.authenticity import dmarc_result
from postroom_ingest.domain.mail.html_text import html_to_text
from postroom_ingest.domain.mail.model import Attachment, Dsn, ParsedMail, content_hash
from postroom_ingest.domain.mail.parse import MAX_MAIL_BYTES, parse_mail

__all__ = [
    "MAX_MAIL_BYTES",
    "Address",
    "Attachment",
    "Dsn",
    "ParsedMail",
    "content_hash",
    "dmarc_result",
    "html_to_text",
    "parse_mail",
]
