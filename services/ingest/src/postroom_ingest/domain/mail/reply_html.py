"""The writer's own part of an HTML reply: the tree is flattened to lines, the lines are judged, the rest is taken out.

Source of the names: what Gmail, Outlook (desktop, web, new), Yahoo, Apple Mail, Thunderbird, Proton, Zimbra, Zoho,
GMX, Tutanota and NetEase put around what they quote.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from lxml import etree, html  # type: ignore[import-untyped]

from postroom_ingest.domain.mail.reply_marks import is_forward_separator
from postroom_ingest.domain.mail.reply_split import Kind, Line, split_lines

_BLOCKS = frozenset(
    "address article aside blockquote body br center dd div dl dt fieldset footer form h1 h2 h3 h4 h5 h6 header hr li "  # noqa: SIM905
    "main nav ol p pre section table td th tr ul".split()
)
_UNSEEN = frozenset({"style", "script", "head", "title", "meta", "link", "template"})
_QUOTES = frozenset(
    "gmail_quote gmail_quote_container yahoo_quoted protonmail_quote zmail_extra tutanota_quote gmail_extra_quote "  # noqa: SIM905
    "moz-forward-container_quote ecxgmail_quote x_gmail_quote mailspring-quote front-quote".split()
)
_QUOTE_IDS = frozenset(
    {
        "OLK_SRC_BODY_SECTION",
        "mail-editor-reference-message-container",
        "yahoo_quoted",
        "reply_original",
        "isReplyContent",
    }
)
_CUT_IDS = frozenset({"divRplyFwdMsg", "appendonsend", "stopSpelling", "zwchr", "x_divRplyFwdMsg", "x_appendonsend"})
_OUTLOOK_BORDER = re.compile(
    r"border:\s*none;\s*border-top:\s*solid\s+#?(?:B5C4DF|E1E1E1|windowtext|[0-9A-F]{6})\s+1\.0pt|border-top-color:\s*rgb\(181,\s*196,\s*223\)|"
    r"border-top:\s*1px solid (?:#B5C4DF|rgb\(181)",
    re.IGNORECASE,
)
_PARSER = html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, huge_tree=False)


@dataclass(slots=True)
class _Flat:
    """The lines of a tree and, for each, the places (element, attribute) from which its text came."""

    texts: list[str] = field(default_factory=lambda: [""])
    places: list[list[tuple[Any, str]]] = field(default_factory=lambda: [[]])
    quoted: list[bool] = field(default_factory=lambda: [False])
    certain: list[bool] = field(default_factory=lambda: [False])
    cut: bool = False
    quotes: int = 0
    blockquotes: int = 0

    def end_line(self) -> None:
        if self.texts[-1].strip():
            self.texts.append("")
            self.places.append([])
            self.quoted.append(False)
            self.certain.append(False)

    def add(self, element: Any, attribute: str) -> None:
        text = getattr(element, attribute)
        if not text:
            return
        self.places[-1].append((element, attribute))
        self.texts[-1] += re.sub(r"\s+", " ", text)
        if text.strip():
            self.quoted[-1] = self.quoted[-1] or self.blockquotes > 0
            self.certain[-1] = self.certain[-1] or self.cut or self.quotes > 0


def split_html(markup: str) -> tuple[str, str, str, bool]:
    """Return (visible HTML, quoted text, signature text, whether no own words were found); linear in the size."""
    if not markup.strip():
        return "", "", "", False
    try:
        root = html.document_fromstring(markup.encode("utf-8", "replace"), parser=_PARSER)
    except (etree.LxmlError, ValueError, AssertionError):
        return markup, "", "", False
    flat = _flatten(root)
    lines = [
        Line(text.strip(), quoted=quoted, certain=certain)
        for text, quoted, certain in zip(flat.texts, flat.quoted, flat.certain, strict=True)
    ]
    split = split_lines(lines, lone_quotes=False)
    _blank(flat, split.kinds)
    _prune(root)
    body = root.find("body")
    visible = etree.tostring(body if body is not None else root, encoding="unicode", method="html")
    return (
        _inside(visible),
        _taken(lines, split.kinds, Kind.QUOTED),
        _taken(lines, split.kinds, Kind.SIGNATURE),
        split.only_quoted,
    )


def _taken(lines: list[Line], kinds: tuple[Kind, ...], kind: Kind) -> str:
    return "\n".join(line.text for line, found in zip(lines, kinds, strict=True) if found is kind and line.text)


def _inside(body: str) -> str:
    inner = re.sub(r"^\s*<body\b[^>]*>|</body>\s*$", "", body)
    return inner.strip()


def _flatten(root: Any) -> _Flat:
    flat = _Flat()
    for event, element in etree.iterwalk(root, events=("start", "end")):
        if not isinstance(element.tag, str):
            continue
        unseen = element.tag in _UNSEEN
        if event == "start":
            if element.tag in _BLOCKS:
                flat.end_line()
            _enter(flat, element, 1)
            if not unseen:
                flat.add(element, "text")
        else:
            _enter(flat, element, -1)
            if element.tag in _BLOCKS:
                flat.end_line()
            if element is not root:
                flat.add(element, "tail")
    return flat


def _enter(flat: _Flat, element: Any, step: int) -> None:
    """Count the quotes that begin or end with this element."""
    names = set((element.get("class") or "").split())
    identity = element.get("id") or ""
    if element.tag == "blockquote":
        cited = (element.get("type") or "").lower() == "cite"
        flat.blockquotes += step
        flat.quotes += step if cited and not _is_forward(element) else 0
    if (names & _QUOTES or identity in _QUOTE_IDS or element.get("name") == "quote") and not _is_forward(element):
        flat.quotes += step
    if step > 0 and (
        identity in _CUT_IDS or (element.tag == "div" and _OUTLOOK_BORDER.search(element.get("style") or ""))
    ):
        flat.cut = True


def _is_forward(element: Any) -> bool:
    """Say whether the quote is a forwarded mail, which is content: its first words say so."""
    said = ""
    for text in element.itertext():
        said += text
        if len(said.strip()) > 60:  # noqa: PLR2004 - as long as the longest heading of a forward
            break
    return is_forward_separator(said.strip()[:100])


def _blank(flat: _Flat, kinds: tuple[Kind, ...]) -> None:
    for places, kind in zip(flat.places, kinds, strict=True):
        if kind is not Kind.OWN:
            for element, attribute in places:
                setattr(element, attribute, None)
                if attribute == "text":
                    element.set("data-cut", "1")


def _prune(root: Any) -> None:
    """Remove the elements that were emptied, and rules; images stay where own words are."""
    for element in reversed(list(root.iter())):
        parent = element.getparent()
        if parent is None or not isinstance(element.tag, str):
            continue
        was_cut = element.attrib.pop("data-cut", None)
        empty = not (element.text or "").strip() and not len(element)
        if element.tag in _UNSEEN or (empty and (was_cut or element.tag in {"hr", "blockquote"})):
            element.tail, tail = None, element.tail
            _keep_tail(element, parent, tail)
            parent.remove(element)


def _keep_tail(element: Any, parent: Any, tail: str | None) -> None:
    if not tail:
        return
    previous = element.getprevious()
    if previous is not None:
        previous.tail = (previous.tail or "") + tail
    else:
        parent.text = (parent.text or "") + tail
