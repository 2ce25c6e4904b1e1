"""What a person newly wrote in a reply, apart from quoted history and signature.

An own splitter: mail-parser-reply needs guards against crafted lines (one long line took 3.8 s), where this one is
linear by construction. What is cut is not lost: it stands in `quoted` and `signature`.
"""

import html
import re
from dataclasses import dataclass

from postroom_ingest.domain.mail.html_text import html_to_text
from postroom_ingest.domain.mail.reply_marks import INVISIBLE, attribution_end, may_end_attribution, split_glued
from postroom_ingest.domain.mail.reply_split import Kind, Line, split_lines

_MAX_CHARACTERS = 1024 * 1024
"""Judged at once in less than two seconds, whatever it holds."""
_DATA_URI = re.compile(r"data:[a-z]{1,20}/[^\s\"'<>)]{500,}")
_STYLE = re.compile(r"<style\b[^>]*>[^<]*</style>", re.IGNORECASE)
_MAX_LINES = 50_000
_SPACES = re.compile(r"[\s>*_|]+")
_MAX_MARKER_LINES = 4
_MAX_ATTRIBUTIONS = 20


@dataclass(frozen=True, slots=True)
class Reply:
    """A body in three pieces. `visible` is '' only when nobody wrote anything; quotes that it answers are in both."""

    visible: str
    quoted: str
    signature: str
    only_quoted: bool = False
    """No own words were found: `visible` is then '' or, for a bare forward, all of it. Never an agent's answer."""


def visible_reply(text: str) -> Reply:
    """Return the newly written text, the quoted history and the signature of a plain-text body.

    Answers between quotes keep the quotes. Of a body beyond 2 Mi characters or 100,000 lines the first and the last half
    of that are judged, and what stands between them counts as quoted.
    """
    if len(text) > 2 * _MAX_CHARACTERS or text.count("\n") > 2 * _MAX_LINES:
        return _of_long(text)
    shown, judged = _lines(text)
    marked = [Line(line, quoted=_is_marked(line)) for line in judged]
    split = split_lines(_with_bars(marked) if "\n|" in text else marked)

    lines = list(zip(shown, split.kinds, strict=True))
    marks = zip(lines, marked, strict=True)  # answers keep the quotes that they answer, which are history all the same
    quoted = [line for (line, kind), mark in marks if kind is Kind.QUOTED or mark.quoted]
    signature = [line for line, kind in lines if kind is Kind.SIGNATURE]
    return Reply(_own(lines), _joined(quoted), _joined(signature), split.only_quoted)


def _joined(lines: list[str]) -> str:
    return "\n".join(lines).strip()


def _own(lines: list[tuple[str, Kind]]) -> str:
    """Return the writer's lines as they are; where something was cut out, one empty line is left of those around it."""
    kept: list[str] = []
    gap = False
    for line, kind in lines:
        if kind is not Kind.OWN:
            gap = True
        elif not gap or (line and not line.isspace()) or (kept and kept[-1].strip()):
            gap = gap and (not line or line.isspace())
            kept.append(line)
    return _joined(kept)


def _of_long(text: str) -> Reply:
    """Return the pieces of a body that is too long to be judged whole: an answer stands above or below its quotes."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    head = "\n".join(text[:_MAX_CHARACTERS].split("\n", _MAX_LINES)[:_MAX_LINES])
    head = head[: head.rfind("\n") + 1] or head
    rest = text[len(head) :]
    tail = "\n".join(rest[-_MAX_CHARACTERS:].rsplit("\n", _MAX_LINES)[-_MAX_LINES:])
    tail = tail[tail.find("\n") + 1 :]
    reply = visible_reply(head + tail)
    quoted = f"{reply.quoted}\n{rest[: len(rest) - len(tail)]}"
    return Reply(reply.visible, quoted, reply.signature, reply.only_quoted)


def _is_marked(line: str) -> bool:
    bare = line.lstrip()
    return bare[:1] == ">" and not bare.startswith(">>> >>>")


def _with_bars(lines: list[Line]) -> list[Line]:
    """Take `| words` below an attribution for a quote, as some programs mark it; a row of a table has more bars."""
    found, below = list(lines), False
    for at, line in enumerate(lines):
        if line.text.startswith("|") and line.text.count("|") == 1:
            below = below or (at > 0 and may_end_attribution(lines[at - 1].text))
            found[at] = Line(line.text, quoted=below)
        elif not line.blank:
            below = False
    return found


def _lines(text: str) -> tuple[list[str], list[str]]:
    """Return the lines as they are shown and, line for line, without what nobody sees, as they are judged."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\ufeff", "")
    if "wrote:" in text:
        text = "\n".join(
            ["\n".join(split_glued(line) or (line,)) if "wrote:" in line else line for line in text.split("\n")]
        )
    clean = text if text.isascii() else INVISIBLE.sub("", text).replace("\xa0", " ").replace("\u202f", " ")
    return text.split("\n"), clean.split("\n")


def above_marker(text: str, marker: str) -> str | None:
    """Return everything above the line that holds `marker`, None when no line does.

    The marker is found although a mail program quoted, starred or wrapped its line (over at most four lines); an
    attribution that stands directly above it is dropped, as are quoted lines there.
    """
    wanted = _SPACES.sub("", marker)
    shown, lines = _lines(text[:_MAX_CHARACTERS])
    bare = [_SPACES.sub("", line) for line in lines]
    place = next((at for at in range(len(lines)) if bare[at] and _holds(bare, at, wanted)), None) if wanted else None
    if place is None:
        return None
    own = lines[:place]
    attributions = 0
    while own and attributions < _MAX_ATTRIBUTIONS:
        if not own[-1].strip() or own[-1].lstrip().startswith(">"):
            own.pop()
            continue
        back = attribution_end(own, len(own) - 1, followed_by_quote=True)
        if back is None:
            break
        del own[len(own) - 1 - back :]
        attributions += 1
    return "\n".join(line.rstrip() for line in shown[: len(own)]).strip("\n")


def _holds(bare: list[str], place: int, wanted: str) -> bool:
    joined = ""
    for line in bare[place : place + _MAX_MARKER_LINES]:
        joined += line
        if wanted in joined:
            return joined.find(wanted) < len(bare[place])
    return False


def visible_reply_html(markup: str) -> Reply:
    """Return the same for an HTML body: `visible` is HTML, `quoted` and `signature` are text.

    A body that is nested too deep for a tree, or longer than 1 Mi characters without the pictures and styles inside it,
    is read as text, and `visible` is then text with its signs escaped.
    """
    from postroom_ingest.domain.mail.reply_html import split_html  # noqa: PLC0415 - lxml only where it is needed

    if len(markup) > _MAX_CHARACTERS:
        markup = _DATA_URI.sub("data:,", _STYLE.sub("", markup))
    found = split_html(markup) if len(markup) <= _MAX_CHARACTERS else None
    if found is not None:
        return Reply(*found)
    reply = visible_reply(html_to_text(markup))
    visible = html.escape(reply.visible, quote=False).replace("\n", "<br>\n")
    return Reply(visible, reply.quoted, reply.signature, reply.only_quoted)
