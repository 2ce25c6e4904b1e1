# ruff: noqa: SIM905 - lists of names read better as words
"""The tree of an HTML mail as lines, each with what the marks around it say: quoted, history for certain, signature.

Source of the names: what Gmail, Outlook (desktop, web, new, mobile), Yahoo, Apple Mail, Thunderbird, Proton, Zimbra, Zoho,
GMX, Tutanota, Roundcube, Spark, QQ and NetEase put around what they quote and around signatures. Programs that quote a
mail again put a prefix before its names (`x_`, `ecx`, `ydp...`, `m_123...`), which is taken off before they are compared.
"""

import re
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from lxml import etree  # type: ignore[import-untyped]

from postroom_ingest.domain.mail.reply_headings import is_forward_separator
from postroom_ingest.domain.mail.reply_marks import INVISIBLE
from postroom_ingest.domain.mail.reply_split import Line

_BLOCKS = frozenset(
    "address article aside blockquote body br center dd div dl dt fieldset footer form h1 h2 h3 h4 h5 h6 header hr li "
    "main nav ol p pre section table td th tr ul includetail".split()
)
UNSEEN = frozenset({"style", "script", "head", "title", "meta", "link", "template"})
_QUOTES = frozenset(
    "gmail_quote gmail_quote_container gmail_extra_quote yahoo_quoted protonmail_quote zmail_extra tutanota_quote "
    "mailspring-quote front-quote missive_quote cm_quote gmail_attr moz-cite-prefix OLK_SRC_BODY_SECTION "
    "mail-editor-reference-message-container reply_original isReplyContent reply-intro".split()
)
_QUOTE_NAMES = frozenset({"quote", "messageReplySection"})
_ANSWERED_INSIDE = frozenset({"gmail_quote", "gmail_quote_container", "protonmail_quote"})
"""Holders of one blockquote; Gmail leaves answers below it inside them."""
_CUT_IDS = frozenset({"divRplyFwdMsg", "appendonsend", "stopSpelling", "zwchr"})
_SIGNATURES = frozenset(
    "gmail_signature gmail_signature_prefix moz-signature protonmail_signature_block ms-outlook-mobile-signature "
    "Signature cm_signature messageSignatureSection".split()
)
_PREFIX = re.compile(r"^(?:x_|ecx|ydp[0-9a-f]{0,12}(?=yahoo|_)|m_-?\d{3,24})+_?")
_PREFIX_BEGINS = "xeym"
_SPACE = re.compile(r"\s+")
_NUMBER = re.compile(r"_\d+$")
_OUTLOOK_BORDER = re.compile(
    r"border:\s*none;\s*border-top:\s*solid\s+#?(?:B5C4DF|E1E1E1|windowtext|[0-9A-F]{6})\s+1\.0pt|border-top-color:\s*rgb\((?:181,\s*196,\s*223|229,\s*229,\s*229)\)|"
    r"border-top:\s*1px solid (?:#B5C4DF|rgb\(181)",
    re.IGNORECASE,
)
MAX_LINES = 50_000
"""No mail that a person reads has more."""
PICTURE = "\ufffc"
_PIXEL = frozenset({"0", "1", "0px", "1px"})
_MAX_STYLE = 2000
_MAX_NAMES = 20
_MAX_HEADING = 60
_MAX_HEADING_NODES = 40


@dataclass(slots=True)
class _Effect:
    """What an open element means for the text inside it."""

    element: Any
    quote: int = 0
    cite: int = 0
    blockquote: int = 0
    signature: int = 0
    answered: bool = False


@dataclass(slots=True)
class Flat:
    """The lines of a tree and, for each, the places (element, attribute) from which its text came."""

    pieces: list[list[str]] = field(default_factory=lambda: [[]])
    places: list[list[tuple[Any, str]]] = field(default_factory=lambda: [[]])
    quoted: set[int] = field(default_factory=set)
    certain: set[int] = field(default_factory=set)
    cited: set[int] = field(default_factory=set)
    signed: set[int] = field(default_factory=set)
    history_at: int | None = None
    open: list[_Effect] = field(default_factory=list)
    quotes: int = 0
    cites: int = 0
    blockquotes: int = 0
    signatures: int = 0
    cited_from: int = 0
    blank: bool = True
    """Whether the last line has shown nothing so far."""

    def end_line(self) -> None:
        if not self.blank:
            self.pieces.append([])
            self.places.append([])
            self.blank = True

    def add(self, element: Any, attribute: str) -> None:
        text = getattr(element, attribute)
        if not text:
            return
        self.places[-1].append((element, attribute))
        if text.isspace():
            self.pieces[-1].append(" ")
        else:
            self._said(_SPACE.sub(" ", text))

    def _said(self, text: str) -> None:
        self.pieces[-1].append(text)
        self.blank = False
        line = len(self.pieces) - 1
        if self.quotes:
            self.certain.add(line)
        if self.blockquotes or self.cites:
            self.quoted.add(line)
            if self.cites or (self.cited_from and self.blockquotes >= self.cited_from):
                self.cited.add(line)
        if self.signatures:
            self.signed.add(line)

    def add_break(self, element: Any) -> None:
        """A break goes with the line that it ends, or with the one above it."""
        self.places[-2 if self.blank and len(self.places) > 1 else -1].append((element, ""))
        self.end_line()

    def add_picture(self, element: Any) -> None:
        """A picture is content like a word, unless it is a pixel that counts readers."""
        if element.get("src") and element.get("width") not in _PIXEL and element.get("height") not in _PIXEL:
            self.places[-1].append((element, ""))
            self._said(PICTURE)

    def lines(self) -> list[Line]:
        return [
            Line(text, _is_marked(text) or at in self.quoted, at in self.certain, at in self.cited, at in self.signed)
            for at, text in enumerate(INVISIBLE.sub("", "".join(pieces)).strip() for pieces in self.pieces)
        ]


def _is_marked(text: str) -> bool:
    return text[:1] == ">"


def flatten(root: Any) -> Flat:
    """Return the lines of a tree with what its marks say about each; linear in the size of the tree.

    One line more than MAX_LINES says that there are too many.
    """
    flat = Flat()
    for event, element in etree.iterwalk(root, events=("start", "end")):
        tag = element.tag
        if event == "start":
            if len(flat.pieces) > MAX_LINES:
                break
            if tag == "br":
                flat.add_break(element)
            elif tag in _BLOCKS:
                flat.end_line()
            _enter(flat, element)
            if tag not in UNSEEN:
                flat.add(element, "text")
        else:
            left = flat.open and flat.open[-1].element is element
            if left:
                _leave(flat)
            if left or tag in _BLOCKS:
                flat.end_line()
            if element is not root:
                flat.add(element, "tail")
    return flat


def _names(element: Any) -> list[str]:
    """Return the classes and the id of an element, without the prefixes of programs that quoted it again."""
    said = f"{element.get('class') or ''} {element.get('id') or ''}"
    if said == " ":
        return []
    return [_bare(name) for name in said.split(None, _MAX_NAMES)[:_MAX_NAMES]]


def _bare(name: str) -> str:
    if name[0] in _PREFIX_BEGINS:
        name = _PREFIX.sub("", name)
    return _NUMBER.sub("", name) if name[-1:].isdigit() else name


def _enter(flat: Flat, element: Any) -> None:
    """Count the quotes and signatures that begin with this element."""
    if element.tag == "blockquote":
        _enter_blockquote(flat, element)
    elif element.tag == "img":
        flat.add_picture(element)
    elif element.attrib or element.tag == "includetail":
        names, title, marker = _names(element), element.get("name"), element.get("data-marker")
        if (
            not _QUOTES.isdisjoint(names)
            or title in _QUOTE_NAMES
            or marker == "__QUOTED_TEXT__"
            or element.tag == "includetail"
        ):
            if not _is_forward(element):
                flat.end_line()
                flat.quotes += 1
                flat.open.append(_Effect(element, quote=1, answered=not _ANSWERED_INSIDE.isdisjoint(names)))
        elif not _SIGNATURES.isdisjoint(names) or title == "messageSignatureSection":
            flat.end_line()
            flat.signatures += 1
            flat.open.append(_Effect(element, signature=1))
        if not _CUT_IDS.isdisjoint(names) or marker == "__DIVIDER__" or _is_outlook_border(element):
            _cut_here(flat)


def _is_outlook_border(element: Any) -> bool:
    style = element.get("style") if element.tag == "div" else None
    return style is not None and "border-top" in style and _OUTLOOK_BORDER.search(style[:_MAX_STYLE]) is not None


def _enter_blockquote(flat: Flat, element: Any) -> None:
    names = _names(element)
    holder = flat.open[-1] if flat.open else None
    held = holder is not None and holder.answered and element.getparent() is holder.element
    if holder is not None and held:
        flat.quotes -= holder.quote
        holder.quote = 0
    program = held or (element.get("type") or "").lower() == "cite" or not _QUOTES.isdisjoint(names)
    cite = int(program and not _is_forward(element))
    flat.blockquotes += 1
    flat.cites += cite
    flat.open.append(_Effect(element, cite=cite, blockquote=1))


def _cut_here(flat: Flat) -> None:
    """From here on all is history: to the end, or to the end of the blockquote around it, which was quoted with it."""
    if flat.quotes or flat.cites:
        return
    if flat.blockquotes:
        flat.cited_from = flat.cited_from or flat.blockquotes
    elif flat.history_at is None:
        flat.end_line()
        flat.history_at = len(flat.pieces) - 1


def _leave(flat: Flat) -> None:
    effect = flat.open.pop()
    flat.quotes -= effect.quote
    flat.cites -= effect.cite
    flat.blockquotes -= effect.blockquote
    flat.signatures -= effect.signature
    if flat.blockquotes < flat.cited_from:
        flat.cited_from = 0


def _is_forward(element: Any) -> bool:
    """Say whether the quote is a forwarded mail, which is content: its first words say so."""
    said = ""
    for node in islice(element.iter(), _MAX_HEADING_NODES):
        said += node.text or "" if node is element else f"{node.text or ''}{_tail_before(node)}"
        if len(said.strip()) > _MAX_HEADING:
            break
    return is_forward_separator(said.strip()[:100])


def _tail_before(node: Any) -> str:
    return (node.tail or "") if not len(node) else ""
