"""A mail's bytes to what it says. Never raises, whatever the bytes; time and memory are linear in their number.

Guards stand before the work: above 25 MiB only the headers are read; at most 200 parts, 20 levels and 1,000
recipients per field. What was left out or repaired stands in `warnings`, and what was left out in a note in the text.
"""

import codecs
import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from postroom_ingest.domain.mail.addresses import MAX_RECIPIENTS, Address, parse_addresses
from postroom_ingest.domain.mail.automatic import classify
from postroom_ingest.domain.mail.bounces import read_dsn, read_letter
from postroom_ingest.domain.mail.content import Content, collect
from postroom_ingest.domain.mail.dates import read_date
from postroom_ingest.domain.mail.headers import (
    LONG_HEADERS,
    Headers,
    decode_words,
    first_values,
    is_utf8,
    split_headers,
    unfold,
)
from postroom_ingest.domain.mail.model import ParsedMail
from postroom_ingest.domain.mail.structure import Part, Reading, describe, read_part

MAX_MAIL_BYTES = 25 * 1024 * 1024
MAX_REFERENCES = 50
_MAX_SUBJECT = 1_000
_MAX_TRACE = 50
_ORIGINAL_TO = ("x-original-to", "x-forwarded-to", "x-forwarded-for", "envelope-to")
_TRACE = ("received", "authentication-results")
_ID = re.compile(r"<\s*([^<>\s]{1,990})\s*>")


def parse_mail(raw: bytes) -> ParsedMail:
    """Return what a mail says. Total: no bytes make it raise."""
    reading = Reading()
    raw = _mend_line_ends(raw, reading)
    start = _begin(raw)
    content = Content(reading.warnings, reading.limits)
    if len(raw) > MAX_MAIL_BYTES:
        reading.limits.append("larger than 25 MiB, only its headers were read")
        headers, body = split_headers(raw, start, len(raw), reading.warnings)
        root = describe(headers, raw, body, body)
    else:
        root = read_part(raw, start, len(raw), reading)
        collect(root, content)
    if LONG_HEADERS in reading.warnings:
        reading.limits.append(LONG_HEADERS)
    envelope = _MBOX.match(raw, start, start + 400) if raw.startswith((b"From ", b">From "), start) else None
    if envelope:
        reading.envelope_sender = envelope[1]
    return _assemble(_read_in(root.headers, content.charset, reading.warnings), reading, content, root)


_MBOX = re.compile(rb">?From ([^\s<>@]{1,200}@[^\s<>@]{1,200}) ")
_SHOWN = frozenset({"from", "to", "cc", "reply-to", "sender", "subject"})


def _read_in(headers: Headers, charset: str | None, warnings: list[str]) -> Headers:
    """Return the headers with raw 8-bit values that are no UTF-8 read in the charset of the text."""
    if headers.ascii:
        return headers
    if any(not is_utf8(headers.raw(name)) for name in _SHOWN):
        warnings.append(
            "raw 8-bit characters in headers were read" + (" in the charset of the text" if charset else "")
        )
    fields = tuple(
        (name, value if name not in _SHOWN or value.isascii() else unfold(value, charset).encode())
        for name, value in headers.fields
    )
    return replace(headers, fields=fields, index=first_values(fields))


def _mend_line_ends(raw: bytes, reading: Reading) -> bytes:
    """Return a mail that was written with lone CRs, with CR CR LF or in UTF-16 the way that other mails are."""
    line_end = raw.find(b"\n", 0, 8192)
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        reading.warnings.append("a file in UTF-16 was read")
        raw = raw.decode("utf-16", "replace").encode("utf-8", "replace")
    elif line_end > 1 and raw[line_end - 2 : line_end] == b"\r\r":
        reading.warnings.append("line ends of CR CR LF were read")
        raw = raw.replace(b"\r\r\n", b"\r\n")
    elif line_end < 0 and raw.find(b"\r", 0, 8192) >= 0:
        raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return raw


def _begin(raw: bytes) -> int:
    """Skip a byte order mark, empty lines and the line of an mbox file before the first field."""
    position = 3 if raw.startswith(b"\xef\xbb\xbf") else 0
    while position < len(raw) and raw[position] in b"\r\n":
        position += 1
    return position if re.match(rb"[!-9;-~]{1,100}[ \t]*:|From ", raw[position : position + 110]) else 0


def _assemble(headers: Headers, reading: Reading, content: Content, root: Part) -> ParsedMail:
    warnings = reading.warnings
    senders, _ = parse_addresses(headers.raw("from"))
    _check_headers(headers, senders, warnings)
    sender = parse_addresses(headers.raw("sender"), 1)[0]
    from_ = _from(headers, senders[0] if senders else None, reading.envelope_sender, warnings)
    reply_to, to, cc = (_recipients(headers, name, reading.limits) for name in ("reply-to", "to", "cc"))
    text = content.text()
    subject = decode_words(headers.plain("subject"), warnings)[:_MAX_SUBJECT].strip()
    who = (from_.email or from_.name) if from_ else ""
    dsn = read_dsn(root, who) or read_letter(root, headers, who, text)
    return ParsedMail(
        message_id=_first_id(headers.raw("message-id")),
        in_reply_to=_first_id(headers.raw("in-reply-to")),
        references=_references(headers.raw("references")),
        from_=from_,
        sender=sender[0] if sender else None,
        reply_to=reply_to,
        to=to,
        cc=cc,
        delivered_to=_plain_all(headers, "delivered-to"),
        x_original_to=tuple(value for name in _ORIGINAL_TO for value in _plain_all(headers, name)),
        subject=subject,
        date=_date(headers, warnings),
        text=with_note(text, reading.limits),
        html=with_html_note(content.html(), reading.limits),
        attachments=tuple(content.attachments),
        auto=classify(headers, root, who, subject, dsn),
        dsn=dsn,
        original_from=tuple(
            found
            for name in ("x-original-from", "x-original-sender")
            for found in parse_addresses(headers.raw(name), 1)[0]
        ),
        trace=tuple((name, unfold(value)) for name, value in headers.fields if name in _TRACE)[:_MAX_TRACE],
        content_sha256=_digest(root.headers, content.digest),
        warnings=tuple(dict.fromkeys([*reading.limits, *warnings])),
    )


def with_note(text: str, limits: Sequence[str]) -> str:
    """Return the text with a note below it that says what guards left out; what came is kept as the original mail."""
    return f"{text}\n\n{_note(limits)}".strip("\n") if limits else text


def with_html_note(markup: str | None, limits: Sequence[str]) -> str | None:
    return f"{markup}\n<p>{_note(limits)}</p>" if limits and markup is not None else markup


def _note(limits: Sequence[str]) -> str:
    return (
        f"[Not all of this mail is shown: {'; '.join(dict.fromkeys(limits))}. The whole is kept as the original mail.]"
    )


def _from(headers: Headers, first: Address | None, envelope_sender: bytes, warnings: list[str]) -> Address | None:
    """Return the sender; without an address in From the next field that names one, with the name that From gave."""
    if first is not None and first.email:
        return first
    fields = {name: headers.raw(name) for name in ("sender", "reply-to", "return-path", "x-sender", "x-envelope-from")}
    for name, value in {**fields, "the envelope": envelope_sender}.items():
        other = parse_addresses(value, 1)[0]
        if other and "@" in other[0].email:
            warnings.append(f"no address in From, taken from {name}")
            return Address(other[0].email, (first.name if first else "") or other[0].name)
    return first


def _check_headers(headers: Headers, senders: tuple[Address, ...], warnings: list[str]) -> None:
    if not senders:
        warnings.append("no sender")
    elif len(senders) > 1:
        warnings.append("several senders, the first one was taken")
    if sum(name == "from" for name, _ in headers.fields) > 1:
        warnings.append("several From fields, the first one was taken")
    field = headers.raw("from")
    if (
        field.count(b"<") != field.count(b">")
        or field.count(b'"') % 2
        or (senders and senders[0].email and "@" not in senders[0].email)
    ):
        warnings.append("a From field that is not by the rules was read")
    if not headers.raw("message-id").strip():
        warnings.append("no Message-ID")


def _recipients(headers: Headers, name: str, limits: list[str]) -> tuple[Address, ...]:
    values = [value for key, value in headers.fields if key == name]
    if not values:
        return ()
    found, cut = parse_addresses(values[0] if len(values) == 1 else b", ".join(values))
    if cut:
        limits.append(f"more than {MAX_RECIPIENTS} addresses in {name}, the rest was left out")
    return found


def _plain_all(headers: Headers, *names: str) -> tuple[str, ...]:
    values = [unfold(value).strip("<>") for key, value in headers.fields if key in names]
    return tuple(dict.fromkeys(value[:320] for value in values if value))[:50]


def _first_id(raw: bytes) -> str | None:
    """Return the first id of a field without its angle brackets; one without brackets is taken as it stands."""
    if not raw:
        return None
    text = unfold(raw)
    found = _ID.search(text)
    return found[1] if found else text.replace(" ", "").strip("<>")[:990] or None


def _references(raw: bytes) -> tuple[str, ...]:
    if not raw:
        return ()
    text = unfold(raw)
    found = _ID.findall(text) or [word.strip("<>,;") for word in text.split()]
    ids = list(dict.fromkeys(value[:990] for value in found if value))
    return tuple(ids if len(ids) <= MAX_REFERENCES else [ids[0], *ids[1 - MAX_REFERENCES :]])


def _date(headers: Headers, warnings: list[str]) -> datetime | None:
    text = headers.plain("date")[:200]
    if not text:
        warnings.append("no date")
        return None
    found, mended = read_date(text)
    if found is None:
        warnings.append("unreadable date")
    elif mended:
        warnings.append("a date that is not by the rules was read")
    return found


def _digest(headers: Headers, parts: list[bytes]) -> str:
    total = hashlib.sha256()
    for name in ("from", "date", "subject"):
        value = b" ".join(headers.raw(name).split())
        total.update(len(value).to_bytes(4) + value)
    for part in parts:
        total.update(part)
    return total.hexdigest()
