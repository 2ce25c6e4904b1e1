"""A mail's bytes to what it says. Never raises, whatever the bytes; time and memory are linear in their number.

Guards stand before the work: above 25 MiB only the headers are read; at most 200 parts, 20 levels and 1,000
recipients per field. What was left out or repaired stands in `warnings`.
"""

import hashlib
import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_tz

from postroom_ingest.domain.mail.addresses import Address, parse_addresses
from postroom_ingest.domain.mail.automatic import classify, read_dsn
from postroom_ingest.domain.mail.content import Content, collect
from postroom_ingest.domain.mail.headers import Headers, decode_words, split_headers, unfold
from postroom_ingest.domain.mail.model import Dsn, ParsedMail
from postroom_ingest.domain.mail.structure import Part, Reading, describe, read_part

MAX_MAIL_BYTES = 25 * 1024 * 1024
MAX_REFERENCES = 50
_MAX_SUBJECT = 1_000
_MAX_RESULTS = 20
_ID = re.compile(r"<\s*([^<>\s]{1,990})\s*>")


def parse_mail(raw: bytes) -> ParsedMail:
    """Return what a mail says. Total: no bytes make it raise."""
    if b"\n" not in raw[:8192] and b"\r" in raw[:8192]:
        raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    reading = Reading()
    start = _begin(raw)
    content = Content(reading.warnings)
    if len(raw) > MAX_MAIL_BYTES:
        reading.warnings.append("larger than 25 MiB: only its headers were read")
        headers, body = split_headers(raw, start, len(raw), reading.warnings)
        root = describe(headers, raw, body, body)
    else:
        root = read_part(raw, start, len(raw), reading)
        collect(root, content)
    return _assemble(root.headers, reading, content, read_dsn(root) if "report" in root.content_type else None, root)


def _begin(raw: bytes) -> int:
    """Skip a byte order mark, empty lines and the line of an mbox file before the first field."""
    position = 3 if raw.startswith(b"\xef\xbb\xbf") else 0
    while position < len(raw) and raw[position] in b"\r\n":
        position += 1
    return position if re.match(rb"[!-9;-~]{1,100}[ \t]*:|From ", raw[position : position + 110]) else 0


def _assemble(headers: Headers, reading: Reading, content: Content, dsn: Dsn | None, root: Part) -> ParsedMail:
    warnings = reading.warnings
    senders, _ = parse_addresses(headers.raw("from"))
    _check_headers(headers, senders, warnings)
    sender = parse_addresses(headers.raw("sender"), 1)[0]
    from_ = _from(headers, senders[0] if senders else None, warnings)
    return ParsedMail(
        message_id=_first_id(headers.raw("message-id")),
        in_reply_to=_first_id(headers.raw("in-reply-to")),
        references=_references(headers.raw("references")),
        from_=from_,
        sender=sender[0] if sender else None,
        reply_to=_recipients(headers, "reply-to", warnings),
        to=_recipients(headers, "to", warnings),
        cc=_recipients(headers, "cc", warnings),
        delivered_to=_plain_all(headers, "delivered-to", "envelope-to"),
        x_original_to=_plain_all(headers, "x-original-to", "x-forwarded-to"),
        subject=decode_words(unfold(headers.raw("subject")))[:_MAX_SUBJECT],
        date=_date(headers, warnings),
        text=content.text(),
        html=content.html(),
        attachments=tuple(content.attachments),
        auto=classify(headers, root, from_.email if from_ else "", dsn),
        dsn=dsn,
        authentication_results=tuple(unfold(v) for v in headers.all("authentication-results")[:_MAX_RESULTS]),
        content_sha256=_digest(headers, content.digest),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _from(headers: Headers, first: Address | None, warnings: list[str]) -> Address | None:
    """Return the sender; without an address in From the next field that names one, with the name that From gave."""
    if first is not None and first.email:
        return first
    for name in ("sender", "reply-to", "return-path", "x-sender"):
        other = parse_addresses(headers.raw(name), 1)[0]
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
    if not headers.raw("message-id").strip():
        warnings.append("no Message-ID")


def _recipients(headers: Headers, name: str, warnings: list[str]) -> tuple[Address, ...]:
    values = [value for key, value in headers.fields if key == name]
    if not values:
        return ()
    found, cut = parse_addresses(values[0] if len(values) == 1 else b", ".join(values))
    if cut:
        warnings.append(f"more than 1000 addresses in {name}, the rest was left out")
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


_DAY_MONTH = re.compile(r"(?i)^\s*[^\W\d]{2,9}\.?,?\s+(?=\d)")


def _date(headers: Headers, warnings: list[str]) -> datetime | None:
    """Return the Date field in UTC; a missing zone counts as UTC (RFC 5322 section 4.3: -0000 says nothing)."""
    text = headers.plain("date")[:200]
    if not text:
        warnings.append("no date")
        return None
    found = _read_date(text) or _read_date(_DAY_MONTH.sub("", text))
    if found is None:
        warnings.append("unreadable date")
    return found


def _read_date(text: str) -> datetime | None:
    try:
        fields = parsedate_tz(text)
        if fields is not None:
            zone = timezone(timedelta(seconds=fields[9] or 0))
            return datetime(*fields[:6], tzinfo=zone).astimezone(UTC)
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _digest(headers: Headers, parts: list[bytes]) -> str:
    total = hashlib.sha256()
    for name in ("from", "date", "subject"):
        value = b" ".join(headers.raw(name).split())
        total.update(len(value).to_bytes(4) + value)
    for part in parts:
        total.update(part)
    return total.hexdigest()
