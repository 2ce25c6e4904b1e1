"""The writer's own part of an HTML reply: the tree is flattened to lines, the lines are judged, the rest is taken out."""

import re
from typing import Any

from lxml import etree  # type: ignore[import-untyped]

from postroom_ingest.domain.mail.reply_flat import MAX_LINES, PICTURE, UNSEEN, Flat, flatten
from postroom_ingest.domain.mail.reply_split import Kind, Line, split_lines

_CUT, _GONE = "data-cut", "postroom-cut"


def split_html(markup: str) -> tuple[str, str, str, bool] | None:
    """Return (visible HTML, quoted text, signature text, whether no own words were found); linear in the size.

    None when it is no tree that can be judged: nested more than some 2000 deep, of more than 50,000 lines, or nothing at all.
    """
    if not markup.strip():
        return "", "", "", False
    root = _tree(markup)
    if root is None:
        return None
    flat = flatten(root)
    if len(flat.pieces) > MAX_LINES:
        return None
    lines = flat.lines()
    split = split_lines(lines, lone_quotes=False, history_at=flat.history_at)
    _blank(flat, split.kinds)
    _prune(root)
    body = root.find("body")
    visible = etree.tostring(body, encoding="unicode", method="html") if body is not None else ""
    return (
        _inside(visible),
        _taken(lines, split.kinds, Kind.QUOTED),
        _taken(lines, split.kinds, Kind.SIGNATURE),
        split.only_quoted,
    )


def _tree(markup: str) -> Any:
    parser = etree.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, huge_tree=True)
    try:
        root = etree.fromstring(markup.encode("utf-8", "replace"), parser=parser)
    except (etree.LxmlError, ValueError, AssertionError):
        return None
    if root is None:
        return None
    if any("depth" in entry.message for entry in parser.error_log.filter_from_fatals()):  # the rest was not read
        return None
    if "<pre" in markup or "<PRE" in markup:
        _break_lines(root)
    return root


def _break_lines(root: Any) -> None:
    """Put `<br>` for the ends of lines inside `<pre>`, so that each line of a mail in plain text is judged alone."""
    inside, found = 0, []
    for event, element in etree.iterwalk(root, events=("start", "end")):
        inside += (1 if event == "start" else -1) if element.tag == "pre" else 0
        attribute = "text" if event == "start" else "tail"
        if inside and "\n" in (getattr(element, attribute) or ""):
            found.append((element, attribute))
    left = MAX_LINES + 1
    for element, attribute in found:
        first, *rest = getattr(element, attribute).split("\n", left)
        left -= len(rest)
        setattr(element, attribute, None)
        breaks = []
        for after in rest:
            breaks.append(etree.Element("br"))
            breaks[-1].tail = after
        if attribute == "text":
            element[0:0] = breaks
        else:
            for new in reversed(breaks):
                element.addnext(new)
        setattr(element, attribute, first)


def _taken(lines: list[Line], kinds: tuple[Kind, ...], kind: Kind) -> str:
    also = kind is Kind.QUOTED
    return "\n".join(
        line.text.replace(PICTURE, "")
        for line, found in zip(lines, kinds, strict=True)
        if line.text and (found is kind or (also and line.quoted))
    )


def _inside(body: str) -> str:
    inner = re.sub(r"^\s*<body\b[^>]*>|</body>\s*$", "", body)
    return inner.strip()


def _blank(flat: Flat, kinds: tuple[Kind, ...]) -> None:
    for places, kind in zip(flat.places, kinds, strict=True):
        if kind is not Kind.OWN:
            for element, attribute in places:
                if attribute:
                    setattr(element, attribute, None)
                if attribute != "tail":
                    element.set(_CUT, "1")


def _prune(root: Any) -> None:
    """Remove the elements that were emptied, and rules; images stay where own words are.

    They are renamed first and stripped at once: to remove them one by one would copy the text around each, which is
    quadratic in `a<hr>a<hr>...`.
    """
    for element in reversed(list(root.iter())):
        parent = element.getparent()
        if parent is None or element.tag == "body":
            continue
        was_cut = element.attrib.pop(_CUT, None)
        if element.tag in UNSEEN or ((was_cut or element.tag in {"hr", "blockquote"}) and _is_empty(element)):
            element.tag = _GONE
            if was_cut and parent.tag != "body":
                parent.set(_CUT, "1")  # it goes as well if nothing else is in it
    etree.strip_elements(root, _GONE, with_tail=False)


def _is_empty(element: Any) -> bool:
    if (element.text or "").strip():
        return False
    return all(child.tag == _GONE and not (child.tail or "").strip() for child in element)
