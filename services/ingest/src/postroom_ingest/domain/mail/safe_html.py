"""HTML of strangers made harmless: no script, no form, nothing that loads, nothing that leaves its box.

Source: nh3 (ammonia) with allow lists of our own; the WHATWG HTML standard for what loads and what positions; the
published collections of XSS vectors for what to test. Remote pictures are marked, not loaded: `data-remote-src` and
`data-remote-background` hold their addresses until a reader agrees. Pictures of the mail itself keep `cid:`.
"""

import re

import nh3

from postroom_ingest.domain.mail.html_bounds import bounded_html
from postroom_ingest.domain.mail.safe_style import safe_style

_TAGS = (nh3.ALLOWED_TAGS | {"center", "font", "u", "big", "tfoot"}) - {"map", "area", "rtc"}
_GLOBAL = {"dir", "lang", "title", "style", "align", "hidden"}
_CELLS = {
    "align",
    "valign",
    "colspan",
    "rowspan",
    "bgcolor",
    "width",
    "height",
    "nowrap",
    "background",
    "scope",
    "headers",
}
_ATTRIBUTES: dict[str, set[str]] = {
    "*": _GLOBAL,
    "a": {"href", "hreflang"},
    "blockquote": {"type"},
    "col": {"span", "width"},
    "colgroup": {"span", "width"},
    "data": {"value"},
    "del": {"datetime"},
    "details": {"open"},
    "font": {"color", "face", "size"},
    "hr": {"size", "width", "color", "noshade"},
    "img": {"alt", "border", "height", "hspace", "src", "vspace", "width"},
    "ins": {"datetime"},
    "li": {"type", "value"},
    "ol": {"start", "type"},
    "table": {
        "bgcolor",
        "border",
        "bordercolor",
        "cellpadding",
        "cellspacing",
        "width",
        "height",
        "background",
        "summary",
    },
    "td": _CELLS,
    "th": _CELLS,
    "time": {"datetime"},
    "tr": {"bgcolor", "valign", "background"},
    "ul": {"type"},
}
_SCHEMES = {"http", "https", "mailto", "tel", "cid", "data"}
_LINK = re.compile(r"(?i)(?:https?://|mailto:|tel:)")
_REMOTE = re.compile(r"(?i)https?://")
_PICTURE = re.compile(r"(?i)data:image/(?:png|jpe?g|gif|webp);base64,[a-z0-9+/=\s]+")
_SIZES = frozenset(
    {
        "width",
        "height",
        "hspace",
        "vspace",
        "border",
        "cellpadding",
        "cellspacing",
        "size",
        "colspan",
        "rowspan",
        "span",
    }
)
_SIZE = re.compile(r"\s*[+]?(\d{1,4})(?:\.\d{1,6})?\s*(?:px|%)?\s*")
_MOST_PIXELS = 2_000
_BLANKS = re.compile(r"[\x00-\x20\x7f-\xa0\u200b-\u200f\u2028-\u202e\u2060\ufeff]+")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]+")
_MARKED = re.compile(r'(<[a-z]+[0-9]?(?: [a-z-]+="[^"]*")*?) (src|background)="(https?:[^"]*)"')
_TITLE = re.compile(r"(?is)<title\b[^>]{0,200}>([^<]{0,1000})</title\s*>")


def sanitise_html(markup: str) -> str:
    """Return HTML that does nothing but show: at most 2,000,000 characters are read, in linear time.

    Links carry `rel` and open elsewhere; a page's title is kept, hidden; what is nested too deeply is kept as text.
    """
    if "<title" in markup[:20_000].lower():
        markup = _TITLE.sub(r"<div hidden>\1</div>", markup, count=1)
    clean = _CONTROLS.sub(
        "",
        nh3.clean(
            bounded_html(markup),
            tags=_TAGS,
            clean_content_tags=_HIDDEN,
            attributes=_ATTRIBUTES,
            attribute_filter=_attribute,
            url_schemes=_SCHEMES,
            link_rel="noopener noreferrer nofollow",
            set_tag_attribute_values={"a": {"target": "_blank"}},
        ),
    )
    return _MARKED.sub(r'\1 data-remote-\2="\3"', clean) if "http" in clean else clean


_HIDDEN = {"script", "style", "template", "svg", "math"}


def _attribute(tag: str, name: str, value: str) -> str | None:
    """Return the value that an attribute may have, None to take it out."""
    if name == "style":
        return safe_style(value) or None
    if name in {"src", "background"}:
        return _source(tag, value)
    if name == "href":
        address = _BLANKS.sub("", value[:20]) + value[20:]
        return address.strip() if _LINK.match(address) else None
    if name in _SIZES:
        found = _SIZE.fullmatch(value)
        return value if found and int(found[1]) <= _MOST_PIXELS else None
    return value


def _source(tag: str, value: str) -> str | None:
    """Return the address of a picture: in the mail, in the page, or remote, which is marked afterwards."""
    address = _BLANKS.sub("", value[:20]) + value[20:].strip()
    if tag == "img" and (address[:4].lower() == "cid:" or _PICTURE.fullmatch(address)):
        return address
    if address.startswith("//"):
        address = f"https:{address}"
    remote = _REMOTE.match(address)
    return remote[0].lower() + address[remote.end() :] if remote else None
