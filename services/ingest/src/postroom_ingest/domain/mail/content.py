"""Text, HTML and attachments of a mail out of its parts. Source: RFC 2046 section 5.1, RFC 2183, RFC 2387."""

import hashlib
import html
import re
from dataclasses import dataclass, field

from postroom_ingest.domain.mail import names
from postroom_ingest.domain.mail.charsets import decode_bytes, python_codec
from postroom_ingest.domain.mail.encoded_files import take_uuencoded, take_yencoded
from postroom_ingest.domain.mail.flowed import unflow
from postroom_ingest.domain.mail.headers import decode_words, join_text, parse_parameters
from postroom_ingest.domain.mail.html_text import MAX_HTML_CHARACTERS, html_to_text
from postroom_ingest.domain.mail.model import Attachment
from postroom_ingest.domain.mail.rich_text import calendar_to_text, enriched_to_text, richtext_to_text
from postroom_ingest.domain.mail.rtf import Allowance, read_rtf
from postroom_ingest.domain.mail.structure import Part, Reading, decode_body, read_part
from postroom_ingest.domain.mail.tnef import SIGNATURE, Packed, unpack

_PAGES = frozenset({"text/html", "application/xhtml+xml", "text/xhtml"})
_TEXTS = _PAGES | {"text/plain", "text/enriched", "text/richtext", "text/markdown", "text/x-markdown", "text/rtf"}
_UNSEEN = frozenset({"text/x-amp-html", "text/watch-html"})
"""Alternatives for readers of their own, with nothing that the others lack."""
_ENVELOPED = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_META_CHARSET = re.compile(rb"""(?i)<meta[^>]{0,200}charset\s*=\s*["']?([\w.:-]{1,40})""")
_MAX_FILES = 400
"""Attachments of one mail; parts are at most 200, the others come out of winmail.dat and of texts."""
_MAX_FORWARDED = 3
_KEPT_SPARES = 20


@dataclass(slots=True)
class Content:
    """What has been collected: `segments` are body pieces in order, each with its text, its HTML, or both."""

    warnings: list[str]
    limits: list[str] = field(default_factory=list)
    """Which guards cut something off: shared with the `Reading`."""
    segments: list[tuple[str | None, str | None]] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    spares: list[tuple[Part, bytes]] = field(default_factory=list)
    """Attached parts with something to read in them: shown when there is nothing else."""
    digest: list[bytes] = field(default_factory=list)
    charset: str | None = None
    """The first one that a text names: raw 8-bit headers are mostly in the same one."""
    taken_names: set[str] = field(default_factory=set)
    html_characters: int = 0
    rtf: Allowance = field(default_factory=Allowance)
    depth: int = 0
    """How many mails this one is attached to, within each other."""
    spare: tuple[str | None, str | None] | None = None
    own_text: str | None = None
    """Of the segments, once it was asked for."""

    def text(self) -> str:
        """Return the text; pieces that have only HTML are read from that. Empty only when there is nothing to read."""
        if self.own_text is None:
            self.own_text = _text_of(self.segments)
        return self.own_text or _text_of([self._spare()]) or _bare_text(self.segments)

    def html(self) -> str | None:
        """Return the HTML, None when there is none; pieces that have only text are escaped into it."""
        if not any(markup and markup.strip() for _, markup in self.segments):
            return None if self.text() and self.own_text else self._spare()[1]
        return "\n".join(markup if markup is not None else _as_html(text or "") for text, markup in self.segments)

    def _spare(self) -> tuple[str | None, str | None]:
        """Return what the first attached part that holds words says: texts first, then others, then all attached mails."""
        if self.spare is None:
            mails: list[tuple[str | None, str | None]] = []
            read = 0
            self.spare = (None, None)
            for part, data in sorted(self.spares, key=_readiness):
                is_mail = part.content_type in names.MAILS
                read += len(data)
                if mails and (not is_mail or read > MAX_HTML_CHARACTERS):
                    break
                found = _read_spare(part, data, self)
                if _text_of([found]).strip():
                    mails.append(found)
                    if not is_mail:
                        break
            if mails:
                self.spare = mails[0] if len(mails) == 1 else (_text_of(mails), None)
        return self.spare

    def attach(self, name: str, content_type: str, data: bytes, content_id: str | None, *, inline: bool) -> None:
        """Keep a file under a name that no other one of the mail has."""
        if len(self.attachments) >= _MAX_FILES:
            self.limits.append(f"more than {_MAX_FILES} files, the rest was left out")
            return
        name = names.unlike(name, self.taken_names)
        self.taken_names.add(name)
        self.attachments.append(_made(name, content_type, data, content_id, inline=inline))


def _text_of(segments: list[tuple[str | None, str | None]]) -> str:
    """Return the text of the pieces; of HTML at most 2 Mi characters in all of them, which take half a second."""
    left = MAX_HTML_CHARACTERS
    texts: list[str] = []
    for plain, markup in segments:
        if plain and plain.strip():
            texts.append(plain)
        elif markup:
            texts.append(html_to_text(markup[:left]))
            left = max(0, left - len(markup))
    return join_text(texts)


def _bare_text(segments: list[tuple[str | None, str | None]]) -> str:
    """Return the words of HTML that shows nothing by the rules: a comment that never closes, a title alone."""
    bare = (re.sub(r"<[^<>]{0,10000}>?", " ", markup or "")[:MAX_HTML_CHARACTERS] for _, markup in segments)
    return "\n\n".join(found for found in (" ".join(html.unescape(page).split()) for page in bare) if found)


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
    if part.content_type == "multipart/encrypted":
        content.warnings.append("encrypted, kept as it is")
    related = part.content_type == "multipart/related"
    first = _start(part) if related else None
    for child in [first, *(c for c in part.children if c is not first)] if first else part.children:
        if child.children:
            _multipart(child, content)
        else:
            _leaf(child, content, related=related and child is not first, root=child is first)


def _start(part: Part) -> Part:
    """Return the page of a compound: what `start` names, else the first text, else the first part. RFC 2387 section 3.2."""
    wanted = part.parameters.get("start", "").strip("<> ")
    for child in part.children if wanted else ():
        if child.headers.plain("content-id").strip("<> ") == wanted:
            return child
    texts = (c for c in part.children if c.content_type.startswith("multipart/") or c.content_type in _TEXTS)
    first = part.children[0]
    return first if first.content_type in _TEXTS or first.children else next(texts, first)


def _alternative(part: Part, content: Content) -> None:
    """Take text and HTML of the alternatives as one segment; the last of a kind is the best (RFC 2046 section 5.1.4)."""
    merged = Content(content.warnings, content.limits, [], content.attachments, content.spares, content.digest)
    merged.charset, merged.taken_names, merged.depth = content.charset, content.taken_names, content.depth
    merged.html_characters, merged.rtf = content.html_characters, content.rtf
    for child in part.children:
        if child.children:
            _multipart(child, merged)
        elif child.content_type in _UNSEEN:
            content.digest.append(hashlib.sha256(child.body).digest())
        else:
            _leaf(child, merged, root=True)
    plain = [text for text, _ in merged.segments if text and text.strip()]
    markup = [page for _, page in merged.segments if page and page.strip()]
    both = len(merged.segments) > len(part.children)  # a nested mixed part has several pieces of one alternative
    content.segments.append(
        ("\n\n".join(plain) if both else plain[-1] if plain else None, "\n".join(markup) if markup else None)
    )
    content.charset = content.charset or merged.charset
    content.html_characters = merged.html_characters


def _leaf(part: Part, content: Content, *, alone: bool = False, related: bool = False, root: bool = False) -> None:
    data = decode_body(part, content.warnings)
    kind = part.content_type
    readable = (
        kind in _TEXTS
        or (alone and kind.startswith("text/") and kind not in names.FILES)
        or kind.startswith("multipart/")
    )
    content.digest.append(hashlib.sha256(data.replace(b"\r\n", b"\n") if readable else data).digest())
    if readable and kind != "multipart/encrypted":
        content.charset = content.charset or part.parameters.get("charset")
    attached = part.disposition == "attachment" or (
        not alone
        and bool(part.filename or (related and part.headers.raw("content-id")))
        and not (root and kind in _TEXTS)
    )
    if readable and not attached:
        _body_text(part, data, content)
        return
    if len(content.spares) < _KEPT_SPARES and (kind in _TEXTS or _readiness((part, data)) < _NOT_READABLE):
        content.spares.append((part, data))
    if data or part.filename or not alone:
        _attach(part, data, content)


def _body_text(part: Part, data: bytes, content: Content) -> None:
    files: list[tuple[str, bytes]] = []
    text, markup = _read_text(part, data, content)
    if text is not None and "begin " in text:
        if b"=ybegin " in data:
            data, files = take_yencoded(data)
            text = _read_text(part, data, content)[0] or ""
        text, more = take_uuencoded(text)
        files.extend(more)
    if files:
        content.warnings.append("a file that stood in the text was taken out of it")
        text = text if text and text.strip() else "\n".join(f"[{name}]" for name, _ in files[:_KEPT_SPARES])
    for name, file in files:
        content.attach(names.safe_name(name) or "file", names.type_of(name), file, None, inline=False)
    if text and part.content_type.startswith("multipart/"):
        marker = "--" + part.parameters.get("boundary", "").strip()
        text = "\n".join(line for line in text.split("\n") if line.rstrip() not in {marker, marker + "--"})
    content.segments.append((text, markup))


def _read_text(part: Part, data: bytes, content: Content) -> tuple[str | None, str | None]:
    """Return (text, None) or (None, HTML) of a part that holds words."""
    if part.content_type in {"text/rtf", "application/rtf", "application/msword"}:
        found, wrapped = read_rtf(data, content.rtf)
        return (None, found) if wrapped else (found, None)
    declared = part.parameters.get("charset")
    is_html = part.content_type in _PAGES
    if declared is None and is_html and not data.isascii():
        meta = _META_CHARSET.search(data, 0, 4096)
        declared = meta[1].decode("ascii") if meta else None
        if meta and (python_codec(declared or "") or "").startswith(("utf-16", "utf-32")):
            declared = "utf-8"  # it was readable so far: it is no such charset (HTML, 13.2.3.3)
    text, warning = decode_bytes(data, declared)
    if warning:
        content.warnings.append(warning)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if is_html:
        content.html_characters += len(text)
        if content.html_characters > MAX_HTML_CHARACTERS:
            content.limits.append("only the first 2 Mi characters of a very long HTML part are shown")
        return None, text
    return _converted(part, text), None


def _converted(part: Part, text: str) -> str:
    if part.content_type == "text/enriched":
        return enriched_to_text(text)
    if part.content_type == "text/richtext":
        return richtext_to_text(text)
    if part.content_type == "text/calendar":
        return calendar_to_text(text) or text
    if part.parameters.get("format", "").lower() == "flowed":
        return unflow(text, delete_space=part.parameters.get("delsp", "").lower() == "yes")
    return text


_NOT_READABLE = 9


def _readiness(spare: tuple[Part, bytes]) -> int:
    """Return how soon an attached part is read in place of a text: the lower the sooner."""
    kind = spare[0].content_type
    if kind in _TEXTS:
        return 0
    if kind.startswith("text/"):
        return 1 if kind == "text/calendar" else 3
    if kind in names.MAILS:
        return 2
    return 4 if kind in {"application/rtf", "application/msword"} or kind in names.REPORTS else _NOT_READABLE


def _read_spare(part: Part, data: bytes, content: Content) -> tuple[str | None, str | None]:
    if part.content_type not in names.MAILS:
        return _read_text(part, data, content)
    if content.depth >= _MAX_FORWARDED:
        return None, None
    inner = Content([], depth=content.depth + 1, rtf=content.rtf)
    collect(read_part(data, 0, len(data), Reading()), inner)
    return inner.text() or None, inner.html()


def _as_html(text: str) -> str:
    return f'<div style="white-space: pre-wrap">{html.escape(text)}</div>' if text.strip() else ""


def _attach(part: Part, data: bytes, content: Content) -> None:
    kind = part.content_type
    cid = part.headers.plain("content-id").strip("<> ") or None
    name = names.safe_name(decode_words(_filename(part, content))) or names.made_up_name(part.headers, kind, data)
    inline = part.disposition == "inline" or (part.disposition != "attachment" and cid is not None)
    content.attach(name, kind, data, cid, inline=inline)
    if kind in _ENVELOPED:
        signed = part.parameters.get("smime-type", "").startswith("signed")
        content.warnings.append("signed by S/MIME, kept as it is" if signed else "encrypted, kept as it is")
    if data.startswith(SIGNATURE) and (packed := unpack(data, content.rtf)):
        _take_packed(packed, content)


def _filename(part: Part, content: Content) -> str:
    """Return the name that was given, '' for none; raw 8-bit bytes are read in the charset of the text."""
    name = part.filename or ""
    if name.isascii() or content.charset is None:
        return name
    for field_name in ("content-disposition", "content-type"):
        raw = part.headers.raw(field_name)
        if not raw.isascii():
            parameters = parse_parameters(raw, content.charset)[1]
            name = parameters.get("filename") or parameters.get("name") or name
            break
    return name


def _take_packed(packed: Packed, content: Content) -> None:
    """Show what winmail.dat holds: its files beside it, its text where the mail has none of its own."""
    content.warnings.append("winmail.dat was unpacked" + (", as far as it is whole" if packed.broken else ""))
    for file in packed.files:
        kind = file.content_type or names.type_of(file.name)
        name = names.safe_name(file.name) or "attachment" + names.suffix_of(kind)
        content.attach(name, kind, file.content, file.content_id, inline=file.content_id is not None)
    if (packed.text.strip() or packed.html.strip()) and not _text_of(content.segments).strip():
        text = packed.text.replace("\r\n", "\n") if packed.text.strip() else None
        content.segments.append((text, packed.html.replace("\r\n", "\n") or None))


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
