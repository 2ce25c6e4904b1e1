"""Text, HTML and attachments of a mail out of its parts. Source: RFC 2046 section 5.1, RFC 2183, RFC 2387."""

import hashlib
import html
import mimetypes
import re
from dataclasses import dataclass, field

from postroom_ingest.domain.mail.charsets import decode_bytes
from postroom_ingest.domain.mail.flowed import unflow
from postroom_ingest.domain.mail.headers import decode_words, join_text, parse_parameters, split_headers, unfold
from postroom_ingest.domain.mail.html_text import MAX_HTML_CHARACTERS, html_to_text
from postroom_ingest.domain.mail.model import Attachment
from postroom_ingest.domain.mail.structure import Part, decode_body, uudecode

_TEXTS = frozenset({"text/plain", "text/html"})
_META_CHARSET = re.compile(rb"""(?i)<meta[^>]{0,200}charset\s*=\s*["']?([\w.:-]{1,40})""")
_UNSAFE_NAME = re.compile(r"[\x00-\x1f\x7f/\\\u202a-\u202e\u2066-\u2069]+")
_MAX_NAME = 200
_SUFFIXES = {"text/calendar": ".ics", "message/delivery-status": ".txt", "text/rfc822-headers": ".txt", "text/plain": ".txt",
             "application/ms-tnef": ".dat", "application/pgp-signature": ".asc", "application/pgp-encrypted": ".asc"}  # fmt: skip


@dataclass(slots=True)
class Content:
    """What has been collected: `segments` are body pieces in order, each with its text, its HTML, or both."""

    warnings: list[str]
    segments: list[tuple[str | None, str | None]] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    spare: tuple[str | None, str | None] = (None, None)
    """The first readable text that was sent as an attachment: shown when there is nothing else."""
    digest: list[bytes] = field(default_factory=list)

    def text(self) -> str:
        """Return the text; pieces that have only HTML are read from that."""
        pieces = self.segments if self._shows_something() else [*self.segments, self.spare]
        return join_text(plain if plain and plain.strip() else html_to_text(markup or "") for plain, markup in pieces)

    def html(self) -> str | None:
        """Return the HTML, None when there is none; pieces that have only text are escaped into it."""
        if not any(markup and markup.strip() for _, markup in self.segments):
            return None
        return "\n".join(markup if markup is not None else _as_html(text or "") for text, markup in self.segments)

    def _shows_something(self) -> bool:
        return any((plain or "").strip() or (markup or "").strip() for plain, markup in self.segments)


def collect(root: Part, content: Content) -> None:
    """Read all parts below `root` into `content`, in their order."""
    if not root.content_type.startswith("multipart/") or not root.children:
        _leaf(root, content, alone=True)
    else:
        _multipart(root, content)


def _multipart(part: Part, content: Content) -> None:
    if part.content_type == "multipart/alternative":
        _alternative(part, content)
        return
    for place, child in enumerate(part.children):
        related = part.content_type == "multipart/related" and place > 0
        if child.children:
            _multipart(child, content)
        else:
            _leaf(child, content, related=related)


def _alternative(part: Part, content: Content) -> None:
    """Take text and HTML of the alternatives as one segment; the last of a kind is the best (RFC 2046 section 5.1.4)."""
    merged = Content(content.warnings, digest=content.digest, attachments=content.attachments)
    for child in part.children:
        if child.children:
            _multipart(child, merged)
        else:
            _leaf(child, merged)
    plain = [text for text, _ in merged.segments if text and text.strip()]
    markup = [page for _, page in merged.segments if page and page.strip()]
    both = len(merged.segments) > len(part.children)  # a nested mixed part has several pieces of one alternative
    content.segments.append(
        ("\n\n".join(plain) if both else plain[-1] if plain else None, "\n".join(markup) if markup else None)
    )
    content.spare = content.spare if any(content.spare) else merged.spare


def _leaf(part: Part, content: Content, *, alone: bool = False, related: bool = False) -> None:
    data = part.body if part.content_type.startswith("message/") else decode_body(part, content.warnings)
    readable = (
        part.content_type in _TEXTS
        or (alone and part.content_type.startswith("text/"))
        or part.content_type.startswith("multipart/")
    )
    content.digest.append(hashlib.sha256(data.replace(b"\r\n", b"\n") if readable else data).digest())
    attached = part.disposition == "attachment" or (
        not alone and (part.filename or (related and part.headers.raw("content-id")))
    )
    if readable and not attached:
        _body_text(part, data, content)
        return
    if readable and not any(content.spare):
        content.spare = _read_text(part, data, content)
    if data or part.filename or not alone:
        content.attachments.append(_attachment(part, data, content))


def _body_text(part: Part, data: bytes, content: Content) -> None:
    text, markup = _read_text(part, data, content)
    if text is not None and "begin " in text:
        text = _take_uuencoded(text, content)
    content.segments.append((text, markup))


def _read_text(part: Part, data: bytes, content: Content) -> tuple[str | None, str | None]:
    declared = part.parameters.get("charset")
    is_html = part.content_type == "text/html"
    if declared is None and is_html and not data.isascii():
        meta = _META_CHARSET.search(data, 0, 4096)
        declared = meta[1].decode("ascii") if meta else None
    text, warning = decode_bytes(data, declared)
    if warning:
        content.warnings.append(warning)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if is_html:
        if len(text) > MAX_HTML_CHARACTERS:
            content.warnings.append("only the beginning of a very long HTML part was read as text")
        return None, text
    if part.parameters.get("format", "").lower() == "flowed":
        text = unflow(text, delete_space=part.parameters.get("delsp", "").lower() == "yes")
    return text, None


def _as_html(text: str) -> str:
    return f'<div style="white-space: pre-wrap">{html.escape(text)}</div>' if text.strip() else ""


_UU_BEGIN = re.compile(r"begin [0-7]{3,4} (.{1,200})")
_UU_LINE = re.compile(r"[\x20-\x60]{1,62}")


def _take_uuencoded(text: str, content: Content) -> str:
    """Move uuencoded files out of the text. Source: IEEE Std 1003.1, uuencode."""
    lines = text.split("\n")
    kept: list[str] = []
    place = 0
    while place < len(lines):
        begin = _UU_BEGIN.fullmatch(lines[place].rstrip())
        end = _uu_end(lines, place + 1) if begin else None
        if begin is None or end is None:
            kept.append(lines[place])
            place += 1
            continue
        data = uudecode([line.encode("ascii", "replace") for line in lines[place + 1 : end]])
        kind = mimetypes.guess_type(begin[1])[0] or "application/octet-stream"
        content.attachments.append(_made(_safe_name(begin[1]) or "file", kind, data, None, inline=False))
        content.warnings.append("a uuencoded file was taken out of the text")
        place = end + 1
    return "\n".join(kept)


def _uu_end(lines: list[str], place: int) -> int | None:
    while place < len(lines) and _UU_LINE.fullmatch(lines[place].rstrip("\r")):
        if lines[place].rstrip() == "`" and place + 1 < len(lines) and lines[place + 1].strip() == "end":
            return place + 1
        place += 1
    return place if place < len(lines) and lines[place].strip() == "end" else None


def _attachment(part: Part, data: bytes, content: Content) -> Attachment:
    cid = part.headers.plain("content-id").strip("<> ") or None
    name = _safe_name(decode_words(part.filename)) if part.filename else ""
    name = name or _made_up_name(part, data, len(content.attachments) + 1)
    inline = part.disposition == "inline" or (part.disposition != "attachment" and cid is not None)
    return _made(name, part.content_type, data, cid, inline=inline)


def _made(name: str, content_type: str, data: bytes, content_id: str | None, *, inline: bool) -> Attachment:
    return Attachment(
        filename=name,
        content_type=content_type,
        size_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        content_id=content_id,
        disposition="inline" if inline else "attachment",
        content=data,
    )


def _made_up_name(part: Part, data: bytes, number: int) -> str:
    """Return the name of an unnamed part: an attached mail is called by its subject, other parts by their kind."""
    if part.content_type in {"message/rfc822", "message/global"}:
        headers, _ = split_headers(data, 0, len(data), [])
        subject = _safe_name(decode_words(unfold(headers.raw("subject"))))
        return f"{subject or f'mail-{number}'}.eml"
    described = parse_parameters(part.headers.raw("content-location"))[0].rsplit("/", 1)[-1]
    if described and "." in described:
        return _safe_name(described)
    suffix = _SUFFIXES.get(part.content_type) or mimetypes.guess_extension(part.content_type) or ".bin"
    return f"part-{number}{suffix}"


def _safe_name(name: str) -> str:
    """Return the name without path separators, control and direction characters, at most 200 characters."""
    name = _UNSAFE_NAME.sub("_", name).strip(" .")
    if len(name) <= _MAX_NAME:
        return name
    stem, dot, suffix = name.rpartition(".")
    return stem[: _MAX_NAME - 12] + dot + suffix[:10] if dot else name[:_MAX_NAME]
