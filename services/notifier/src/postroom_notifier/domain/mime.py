"""From parts to the bytes of a mail, and the envelope they travel in."""

import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime

from postroom_contracts.ids import digest

from postroom_notifier.domain.headers import POLICY, one_line

_CONTENT_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,60}/[a-z0-9][a-z0-9!#$&^_.+-]{0,60}")
_CONTENT_ID = re.compile(r"[\x21-\x3b\x3d\x3f-\x7e]{1,200}")
_FILENAME_BYTES = 200


@dataclass(frozen=True, slots=True)
class File:
    """One attachment as it goes out."""

    filename: str
    content_type: str
    body: bytes
    content_id: str | None = None
    inline: bool = False


@dataclass(frozen=True, slots=True)
class OutgoingMail:
    """Envelope and bytes of one mail. `recipients` is never empty. `utf8`: an address needs SMTPUTF8 (RFC 6531)."""

    sender: str
    recipients: tuple[str, ...]
    body: bytes
    utf8: bool = False


def build(
    headers: Sequence[tuple[str, str]],
    sent_at: datetime,
    text: str,
    html: str | None = None,
    files: Sequence[File] = (),
) -> bytes:
    """Return the mail's bytes with CR LF. Header values must come from `headers.py`; ValueError for a line end in one.

    The same arguments give the same bytes, so a repeat is recognised as one.
    """
    message = EmailMessage(policy=POLICY)
    for name, value in headers:
        message[name] = value
    message["Date"] = format_datetime(sent_at)
    message["MIME-Version"] = "1.0"
    _set_text(message, text, "plain")
    # "=_" stands in no quoted-printable or base64 text, so no body can hold a boundary (RFC 2045 section 6.7).
    boundary = f"=_{digest(*(value for _, value in headers))[:24]}"
    if html is not None:
        message.make_alternative(f"{boundary}.a")
        message.attach(_html_part(html, [f for f in files if f.inline], f"{boundary}.r"))
    others = [f for f in files if html is None or not f.inline]
    if others:
        message.make_mixed(f"{boundary}.m")
        for file in others:
            message.attach(_file_part(file, "attachment"))
    return message.as_bytes(policy=POLICY)


def _html_part(html: str, inline: Sequence[File], boundary: str) -> EmailMessage:
    part = EmailMessage(policy=POLICY)
    _set_text(part, html, "html")
    if inline:
        part.make_related(boundary)
        for file in inline:
            part.attach(_file_part(file, "inline"))
    return part


def _set_text(part: EmailMessage, text: str, subtype: str) -> None:
    """Set the body as quoted-printable: readable, and no server on the way may have to touch it."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    body = lines if lines.endswith("\n") else f"{lines}\n"
    part["Content-Type"] = f'text/{subtype}; charset="utf-8"'
    part["Content-Transfer-Encoding"] = "quoted-printable"
    part.set_payload(binascii.b2a_qp(body.encode("utf-8", "replace"), istext=True).decode("ascii"))


def _file_part(file: File, disposition: str) -> EmailMessage:
    part = EmailMessage(policy=POLICY)
    kind = file.content_type.lower()
    # Nested messages may not be encoded in base64 (RFC 2046 section 5.2.1), so they travel as plain files.
    nested = kind.startswith(("message/", "multipart/"))
    part["Content-Type"] = kind if _CONTENT_TYPE.fullmatch(kind) and not nested else "application/octet-stream"
    part["Content-Transfer-Encoding"] = "base64"
    part["Content-Disposition"] = disposition
    part.set_param("filename", safe_filename(file.filename), header="Content-Disposition")
    if file.content_id and _CONTENT_ID.fullmatch(file.content_id):
        part["Content-ID"] = f"<{file.content_id}>"
    encoded = binascii.b2a_base64(file.body, newline=False).decode("ascii")
    part.set_payload("\n".join(encoded[i : i + 76] for i in range(0, len(encoded), 76)) + "\n")
    return part


def safe_filename(value: str) -> str:
    """Return the last part of the name on one line, at most 200 octets; `attachment` when nothing is left."""
    name = one_line(value.replace("\\", "/").rpartition("/")[2], _FILENAME_BYTES)
    cut = name.encode("utf-8", "ignore")[:_FILENAME_BYTES].decode("utf-8", "ignore").strip(" .")
    return cut or "attachment"
