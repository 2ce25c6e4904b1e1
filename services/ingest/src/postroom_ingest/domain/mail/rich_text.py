"""Plain text of the kinds of text that are neither plain nor HTML: enriched, richtext, RTF, calendars. Linear.

Source: RFC 1896 (text/enriched), RFC 1341 section 7.1.3 (text/richtext), RFC 5545 (calendars).
"""

import re
from datetime import datetime

_COMMAND = re.compile(r"<<|<(/?)([\w-]{1,60})>")
_BREAKS = re.compile(r"\n+")
_ENTITIES = {"lt": "<", "nl": "\n", "np": "\n\n", "gt": ">"}


def enriched_to_text(text: str) -> str:
    """Return the words of text/enriched: one line end is a blank, n of them are n - 1; parameters are left out."""
    joined = _BREAKS.sub(lambda found: "\n" * (len(found[0]) - 1) or " ", text.strip("\n"))
    return _without_commands(joined, {})


def richtext_to_text(text: str) -> str:
    """Return the words of text/richtext: lines are broken by `<nl>` alone."""
    return _without_commands(_BREAKS.sub(" ", text), _ENTITIES)


def _without_commands(text: str, entities: dict[str, str]) -> str:
    out: list[str] = []
    position, hidden = 0, 0
    for found in _COMMAND.finditer(text):
        out.append("" if hidden else text[position : found.start()])
        position = found.end()
        name = (found[2] or "").lower()
        if name in {"param", "comment"}:
            hidden = max(0, hidden + (-1 if found[1] else 1))
        elif not hidden:
            out.append("<" if not name else "" if found[1] else entities.get(name, ""))
    out.append(text[position:])
    lines = [line.strip() for line in "".join(out).split("\n")]
    return "\n".join(lines).strip()


_FOLD = re.compile(r"\n[ \t]")
_ESCAPED = re.compile(r"\\([\\,;nN])")
_MAX_LINES = 20_000


def calendar_to_text(text: str) -> str:
    """Return what an invitation says: what, when, where, and its description; '' when there is no event in it."""
    wanted: dict[str, str] = {}
    inside = False
    for line in _FOLD.sub("", text).split("\n")[:_MAX_LINES]:
        name, colon, value = line.partition(":")
        name, _, parameters = name.upper().partition(";")
        if name == "BEGIN" and value.strip().upper() in {"VEVENT", "VTODO"}:
            if inside:
                break
            inside = True
        elif name == "END" and inside and value.strip().upper() in {"VEVENT", "VTODO"}:
            break
        elif inside and colon and name not in wanted:
            zone = re.search(r"TZID=([^;:]{1,100})", parameters)
            wanted[name] = f"{value} {zone[1]}" if zone else value
    times = [_moment(wanted[name]) for name in ("DTSTART", "DTEND") if wanted.get(name)]
    when = " to ".join(time for time in times if time)
    said = [_unescaped(wanted.get("SUMMARY", "")), when, _unescaped(wanted.get("LOCATION", ""))]
    shown = "\n".join(line for line in said if line)
    return f"{shown}\n\n{_unescaped(wanted.get('DESCRIPTION', ''))}".strip()


def _unescaped(value: str) -> str:
    return _ESCAPED.sub(lambda found: "\n" if found[1] in "nN" else found[1], value).strip()


def _moment(value: str) -> str:
    found = re.match(r"(\d{8})(?:T(\d{4})\d{0,2})?(Z)?\s*([^\s].{0,100})?", value.strip())
    if found is None:
        return ""
    try:
        day = datetime.strptime(found[1], "%Y%m%d").date().isoformat()  # noqa: DTZ007 - a date alone
    except ValueError:
        return ""
    time = f" {found[2][:2]}:{found[2][2:]}" if found[2] else ""
    return f"{day}{time}{' UTC' if found[3] else f' {found[4]}' if found[4] else ''}"
