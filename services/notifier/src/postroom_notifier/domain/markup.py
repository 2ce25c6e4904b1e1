"""HTML that goes out: made of plain text, or sanitised. Pure; the same input gives the same output.

Source: the allow lists of nh3 (ammonia), with the style properties that mail clients' editors write.
"""

import html
import re

import nh3

MAX_CHARACTERS = 2_000_000
"""More of an HTML text is not read."""
_TAGS = nh3.ALLOWED_TAGS | {"center", "font", "u"}
_ATTRIBUTES = {tag: set(names) for tag, names in nh3.ALLOWED_ATTRIBUTES.items()} | {"*": {"style", "dir", "align"}}
_ATTRIBUTES["font"] = {"color", "face", "size"}
_STYLES = {
    "background-color", "border", "border-collapse", "border-left", "color", "font-family", "font-size", "font-style",
    "font-weight", "line-height", "margin", "margin-left", "max-width", "padding", "padding-left", "text-align",
    "text-decoration", "white-space", "width", "height",
}  # fmt: skip
_ACTIVE = re.compile(r"(?i)expression\s*\(|url\s*\(|javascript:|[\\@]|/\*")
"""In a style: what old mail programs carry out or fetch, and by which it is hidden. Such a style goes as a whole."""
_SCHEMES = {"http", "https", "mailto", "tel", "cid"}
_CID = re.compile(r"""cid:([^"'\s<>]{1,200})""")
_URL = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)\]}]")
_BREAKS = re.compile(r"(?i)<br\s*/?>|</(?:p|div|tr|li|h[1-6]|blockquote|pre|table|ul|ol)>")


def html_of(text: str) -> str:
    """Return plain text as HTML that looks the same: escaped, line ends and runs of spaces kept, web addresses linked."""
    parts: list[str] = []
    end = 0
    for found in _URL.finditer(text):
        address = html.escape(found[0])
        parts += [html.escape(text[end : found.start()]), f'<a href="{address}">{address}</a>']
        end = found.end()
    parts.append(html.escape(text[end:]))
    shown = "".join(parts).replace("\r\n", "\n").replace("\t", "    ").replace("  ", " &nbsp;")
    return shown.replace("\n ", "\n&nbsp;").replace("\n", "<br>\n")


def safe_html(markup: str, *, images: bool = True) -> str:
    """Return the HTML without script, forms, frames, SVG, event handlers and styles that leave their box.

    `images` False takes out those that a mail brought along (`cid:`): they do not travel with a quotation.
    """

    def attribute(tag: str, name: str, value: str) -> str | None:
        if name == "style" and _ACTIVE.search(value):
            return None
        return None if tag == "img" and name == "src" and not images and value.lower().startswith("cid:") else value

    return nh3.clean(
        _valid(markup),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        filter_style_properties=_STYLES,
        attribute_filter=attribute,
        link_rel="noopener noreferrer",
    )


def _valid(markup: str) -> str:
    """Return what the parser takes: no half of a surrogate pair, not too much."""
    return markup[:MAX_CHARACTERS].encode("utf-8", "replace").decode("utf-8")


def content_ids(markup: str) -> frozenset[str]:
    """Return the Content-IDs that the HTML shows (RFC 2392), without `cid:`."""
    return frozenset(html.unescape(found) for found in _CID.findall(markup))


def plain_text(markup: str) -> str:
    """Return what of the HTML can be read, roughly laid out: for the text part of a mail that has HTML alone."""
    broken = _BREAKS.sub(lambda found: found[0] + "\n", _valid(markup).replace("\r\n", "\n"))
    text = html.unescape(nh3.clean(broken, tags=set(), attributes={}, link_rel=None))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in text.split("\n"))).strip()
