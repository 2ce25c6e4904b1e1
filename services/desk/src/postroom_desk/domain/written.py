"""HTML that is written in the composer: what of it may leave, and its text for readers without HTML. Pure.

A small set of tags, so that what goes out looks the same everywhere and holds nothing that a mail program must take out.
"""

import re
from collections.abc import Collection
from html.parser import HTMLParser

import nh3

MAX_NESTING = 100
"""More deeply nested markup is refused: no editor writes it, and parsers take long for it."""
_TAGS = frozenset(
    "a b blockquote br code del div em h1 h2 h3 hr i img li ol p pre s span strong u ul".split()  # noqa: SIM905
)
_ATTRIBUTES = {"a": {"href"}, "img": {"src", "alt", "width", "height"}}
_SCHEMES = frozenset({"http", "https", "mailto", "tel", "cid"})
_BLOCKS = frozenset("blockquote div h1 h2 h3 hr li ol p pre ul".split())  # noqa: SIM905
_CID = re.compile(r"""<img\b[^>]*\bsrc="cid:([^"]{1,200})\"""", re.IGNORECASE)
_KEPT = "\0"
"""Stands in a line that is empty on purpose; cleaned markup holds none."""
_VOID = frozenset({"br", "hr", "img"})


class TooDeepError(ValueError):
    """The markup is nested more deeply than anything that people write."""


def clean_html(markup: str, pictures: Collection[str] = ()) -> str:
    """Return the markup with nothing but the tags above; pictures are those of the message itself, by Content-ID.

    Raises TooDeepError.
    """

    def attribute(tag: str, name: str, value: str) -> str | None:
        if tag == "img" and name == "src":
            return value if value.removeprefix("cid:") in pictures and value.startswith("cid:") else None
        if tag == "img" and name in ("width", "height"):
            return value if value.isascii() and value.isdigit() else None
        return None if tag == "a" and value.lstrip().lower().startswith("cid:") else value

    valid = markup.encode("utf-8", "replace").decode("utf-8").replace("\0", "")
    if _depth(valid) > MAX_NESTING:
        raise TooDeepError
    return nh3.clean(
        valid,
        tags=set(_TAGS),
        attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
        url_schemes=set(_SCHEMES),
        link_rel="noopener noreferrer",
        attribute_filter=attribute,
    )


def pictures_in(markup: str) -> frozenset[str]:
    """Return the Content-IDs that cleaned markup shows (RFC 2392)."""
    return frozenset(_CID.findall(markup))


def _depth(markup: str) -> int:
    """Return a bound of how deeply the tags are nested."""
    depth = deepest = 0
    for found in re.finditer(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)", markup):
        if found[2].lower() not in _VOID:
            depth += -1 if found[1] and depth else 0 if found[1] else 1
        deepest = max(deepest, depth)
    return deepest


def text_of(markup: str) -> str:
    """Return cleaned markup as plain text: paragraphs, list items, quotations by `> `, links with their address."""
    writer = _TextWriter()
    writer.feed(markup)
    writer.close()
    return writer.text()


class _TextWriter(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._lines: list[str] = [""]
        self._prefix: list[str] = []
        self._lists: list[int | None] = []
        self._href: str | None = None
        self._linked = ""
        self._pre = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "br":
            if self._at_start:
                self._lines[-1] += _KEPT
            self._lines.append("".join(self._prefix))
        elif tag == "img":
            self._write(f"[{given.get('alt') or '...'}]")
        elif tag == "a":
            self._href, self._linked = given.get("href"), ""
        elif tag in _BLOCKS:
            self._begin(tag)

    def _begin(self, tag: str) -> None:
        around = "".join(self._prefix)
        if tag == "blockquote":
            self._prefix.append("> ")
        if tag in ("ul", "ol"):
            self._lists.append(1 if tag == "ol" else None)
        self._pre += tag == "pre"
        self._break(self._gap(tag), around)
        if tag == "hr":
            self._write("---")
            self._break(2, around)
        elif tag == "li":
            self._write(self._mark())

    def _gap(self, tag: str) -> int:
        return 1 if tag in ("li", "div") or len(self._lists) > 1 else 2

    def _mark(self) -> str:
        indent = "  " * max(0, len(self._lists) - 1)
        number = self._lists[-1] if self._lists else None
        if number is None:
            return f"{indent}* "
        self._lists[-1] = number + 1
        return f"{indent}{number}. "

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._end_link()
        elif tag in _BLOCKS:
            if tag == "blockquote" and self._prefix:
                self._prefix.pop()
            if tag in ("ul", "ol") and self._lists:
                self._lists.pop()
            self._pre -= tag == "pre"
            self._break(1 if self._lists else self._gap(tag), "".join(self._prefix))

    def _end_link(self) -> None:
        href, self._href = self._href, None
        if href and href.removeprefix("mailto:") != self._linked.strip() and href != self._linked.strip():
            self._write(f" <{href.removeprefix('mailto:')}>")

    def handle_data(self, data: str) -> None:
        if self._pre:
            first, *more = data.split("\n")
            self._write(first)
            for line in more:
                self._lines.append("".join(self._prefix) + line)
            return
        shown = re.sub(r"[ \t\r\n]+", " ", data)
        if self._href is not None:
            self._linked += shown
        self._write(shown.lstrip(" ") if self._at_start else shown)

    @property
    def _at_start(self) -> bool:
        return self._lines[-1] == "".join(self._prefix)

    def _write(self, text: str) -> None:
        if text:
            self._lines[-1] += text

    def _break(self, lines: int, around: str) -> None:
        """Make sure that `lines` line ends stand before what follows; `around` begins the empty ones."""
        prefix = "".join(self._prefix)
        blank = 0
        for line in reversed(self._lines):
            if line.strip(" >"):
                break
            blank += 1
        if blank == len(self._lines):  # nothing has been written yet
            self._lines = [prefix]
            return
        written = self._lines[: len(self._lines) - blank]
        empty = [min(line.rstrip(), around.rstrip(), key=len) for line in self._lines[len(written) : -1]]
        more = [around.rstrip()] * (lines - 1 - len(empty))
        self._lines = [*written, *empty, *more, prefix]

    def text(self) -> str:
        lines = (line.replace("\u00a0", " ").replace(_KEPT, "").rstrip() for line in self._lines)
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")
