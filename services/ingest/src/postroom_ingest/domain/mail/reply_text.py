"""What a person newly wrote in a reply, apart from quoted history and signature.

An own splitter: mail-parser-reply needs guards against crafted lines (one long line took 3.8 s), where this one is
linear by construction. What is cut is not lost: it stands in `quoted` and `signature`.
"""

import re
from dataclasses import dataclass

from postroom_ingest.domain.mail.reply_marks import attribution_end, split_glued
from postroom_ingest.domain.mail.reply_split import Kind, Line, split_lines

_MAX_CHARACTERS = 512 * 1024
_INVISIBLE = re.compile("[\u200b\u200c\u200d\u2060\ufeff\u00ad]")
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

    At most 512 Ki characters are looked at; a longer body is cut there. Answers between quotes keep the quotes.
    """
    lines = _lines(text[:_MAX_CHARACTERS])
    marked = [
        Line(line, quoted=line.lstrip().startswith(">") and not line.lstrip().startswith(">>> >>>")) for line in lines
    ]
    split = split_lines(marked)

    def taken(kind: Kind) -> str:
        also = kind is Kind.QUOTED  # answers keep the quotes that they answer, which are history all the same
        kept = [
            line.text.rstrip()
            for line, found in zip(marked, split.kinds, strict=True)
            if found is kind or (also and line.quoted)
        ]
        return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip("\n ")

    return Reply(taken(Kind.OWN), taken(Kind.QUOTED), taken(Kind.SIGNATURE), split.only_quoted)


def _lines(text: str) -> list[str]:
    text = _INVISIBLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\xa0", " "))
    lines: list[str] = []
    for line in text.split("\n"):
        glued = split_glued(line) if "wrote:" in line else None
        lines.extend(glued or (line,))
    return lines


def above_marker(text: str, marker: str) -> str | None:
    """Return everything above the line that holds `marker`, None when no line does.

    The marker is found although a mail program quoted, starred or wrapped its line (over at most four lines); an
    attribution that stands directly above it is dropped, as are quoted lines there.
    """
    wanted = _SPACES.sub("", marker)
    lines = _lines(text[:_MAX_CHARACTERS])
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
    return "\n".join(line.rstrip() for line in own).strip("\n")


def _holds(bare: list[str], place: int, wanted: str) -> bool:
    joined = ""
    for line in bare[place : place + _MAX_MARKER_LINES]:
        joined += line
        if wanted in joined:
            return joined.find(wanted) < len(bare[place])
    return False


def visible_reply_html(markup: str) -> Reply:
    """Return the same for an HTML body: `visible` is HTML, `quoted` and `signature` are text."""
    from postroom_ingest.domain.mail.reply_html import split_html  # noqa: PLC0415 - lxml only where it is needed

    visible, quoted, signature, only_quoted = split_html(markup[:_MAX_CHARACTERS])
    return Reply(visible, quoted, signature, only_quoted)
