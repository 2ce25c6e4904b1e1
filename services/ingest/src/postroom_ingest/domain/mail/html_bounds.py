"""HTML cut to what a sanitiser takes in linear time.

Measured with nh3 0.3.8: 20,000 nested `div` cost 3.5 s, 40,000 `ul` and `li` 12 s, 100,000 attributes of one tag 10 s, all
growing with the square; open formatting elements are repeated in every paragraph (WHATWG HTML 13.2.4.3), so that
30 kB become hundreds of megabytes. Small pages cannot cost much and pass as they are; others go through libxml2, which
is linear and stops at a depth of 256, and what it cannot hold is shown as text.
"""

import html
import re
from itertools import islice

from lxml import etree  # type: ignore[import-untyped]
from lxml import html as lxml_html

from postroom_ingest.domain.mail.html_text import html_to_text

MAX_CHARACTERS = 2_000_000
_SMALL_CHARACTERS = 100_000
_FEW_TAGS = 4_000
_MOST_REPEATED_CHARACTERS = 4_000_000
"""Characters of open formatting elements times elements: what repeating them may add."""
_MOST_SEPARATORS = 500
_LONG = 2_000
_MOST_ESCAPES = 150_000
"""nh3 takes the square of those in one text or attribute: 0.5 s for these, a minute for a page of them."""
_ESCAPED = re.compile("[&\xa0]")
_FORMATTING = frozenset(
    ["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"]
)
_FORMATTING_TAG = re.compile(
    r"<(?:a|b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u)[\s/>][^<]{0,500}", re.IGNORECASE
)
_TAG = re.compile(
    r"<[a-zA-Z/][^\s/>]*+((?:[\s/]++|[^\s/>][^\s/>=]*+(?:\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+'|[^\s>\"'][^\s>]*+)?)?)*+)(?:>|\Z)"
)
_SEPARATORS = re.compile(r"[\s/\"']+")
_LONG_DATA = re.compile(r"(?i)data:[a-z]{1,20}/[a-z0-9.+-]{1,60};base64,[a-z0-9+/=\s]{60000,}+")
_PARSER = {"encoding": "utf-8", "remove_comments": True, "remove_pis": True, "huge_tree": False}


def bounded_html(markup: str) -> str:
    """Return the page, at most 2,000,000 characters of it, in a form that costs its reader little."""
    return _with_few_escapes(_bounded(markup[:MAX_CHARACTERS]))


def _with_few_escapes(markup: str) -> str:
    """Return the page up to its 150,000th character that is written as an entity."""
    if markup.count("&") + markup.count("\xa0") <= _MOST_ESCAPES:
        return markup
    return markup[: next(islice(_ESCAPED.finditer(markup), _MOST_ESCAPES, None)).start()]


def _bounded(markup: str) -> str:
    tags = markup.count("<")
    if "data:" in markup and len(markup) > _SMALL_CHARACTERS:
        markup = _LONG_DATA.sub("", markup)
    if len(markup) <= _SMALL_CHARACTERS and tags <= _FEW_TAGS and not _may_repeat(markup, tags):
        return markup
    markup = _TAG.sub(_with_few_attributes, markup)
    return _normalised(markup)


def _may_repeat(markup: str, tags: int) -> bool:
    formatting = sum(len(found) for found in _FORMATTING_TAG.findall(markup))
    return formatting * tags > _MOST_REPEATED_CHARACTERS


def _with_few_attributes(tag: re.Match[str]) -> str:
    """Return the tag, without its attributes when it has hundreds; what looks quoted is counted, too."""
    if len(tag[1]) < _LONG or len(_SEPARATORS.findall(tag[1])) <= _MOST_SEPARATORS:
        return tag[0]
    return ""


def _normalised(markup: str) -> str:
    """Return the page as libxml2 reads it; its text alone when it is too deep, or repeats too much."""
    parser = lxml_html.HTMLParser(**_PARSER)
    try:
        root = lxml_html.document_fromstring(markup.encode("utf-8", "replace"), parser=parser)
    except (etree.LxmlError, ValueError, AssertionError):
        return _as_text(markup)
    if any("Excessive depth" in error.message for error in parser.error_log):
        return _as_text(markup)
    if _weight(root) > _MOST_REPEATED_CHARACTERS:
        for element in root.iter(*_FORMATTING - {"a"}):
            element.tag = "span"
            element.attrib.clear()
    return str(etree.tostring(root, encoding="unicode", method="html"))


def _weight(root: object) -> int:
    """Return the most characters of formatting tags that are open at once, times the number of elements."""
    elements = most = open_ = 0
    for event, element in etree.iterwalk(root, events=("start", "end")):
        elements += event == "start"
        if element.tag in _FORMATTING:
            size = 2 * len(element.tag) + 5 + sum(len(name) + len(value) + 4 for name, value in element.attrib.items())
            open_ += size if event == "start" else -size
            most = max(most, open_)
    return elements * most


def _as_text(markup: str) -> str:
    return f'<div style="white-space: pre-wrap">{html.escape(html_to_text(markup))}</div>'
