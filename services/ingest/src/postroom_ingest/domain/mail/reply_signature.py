"""Where the signature of a mail begins: the delimiter of RFC 3676, what people write for it, footers of phones."""

import re
from collections.abc import Sequence

from postroom_ingest.domain.mail.reply_footers import is_mobile_footer
from postroom_ingest.domain.mail.reply_marks import MAX_LINE

MAX_MARKED_LINES = 30
"""Lines below an exact `-- `, or that a program marks as signature; longer ones are text."""
_MAX_SIGNATURE_LINES = 12
_MAX_FOOTER_LINES = 4
_WIDEST_SIGNATURE = 100
_LISTED = re.compile(r"\s*(?:[*+•#]|-\s|\d{1,2}[.)]\s)")
_SIGNED = re.compile(r"(?:--|—) ?[^\W\d_][\w.'’-]{0,20}(?: [^\W\d_][\w.'’-]{0,20}){0,3}")
_DELIMITER = re.compile(r"\s*(?:--|---|—|––|__|___|_{5,}|-{20,}|={4,})\s*$")


def is_signature_delimiter(line: str) -> bool:
    """Say whether the line separates a signature: `-- ` (RFC 3676 section 4.3) or what people write for it."""
    return len(line) < MAX_LINE and _DELIMITER.match(line) is not None


def signature_begin(lines: Sequence[str], own: Sequence[int], first: int) -> int | None:
    """Return the line at which the signature begins, None without one; `own` are the shown lines of one piece, in order.

    Line `first` is the first that the writer wrote at all: a mail of nothing but a signature is a message.
    """
    for at in own[-MAX_MARKED_LINES - 1 :]:
        if lines[at] == "-- " and at != first:
            return at
    tail = own[-_MAX_SIGNATURE_LINES - 1 :]
    for number, at in enumerate(tail):
        if at == first or not is_signature_delimiter(lines[at]):
            continue
        if lines[at].strip() == "--" or _reads_as_signature([lines[place] for place in tail[number + 1 :]]):
            return at
    for at in own[-_MAX_FOOTER_LINES:]:
        if is_mobile_footer(lines[at]) and at != first:
            return at
    return own[-1] if own[-1] != first and _is_signed(lines, own[-1]) else None


def _is_signed(lines: Sequence[str], at: int) -> bool:
    """Say whether the last line is `-- Ann Bell`, alone below an empty line: in a list there is another above it."""
    return at > 0 and not lines[at - 1].strip() and _SIGNED.fullmatch(lines[at].strip()) is not None


def _reads_as_signature(texts: Sequence[str]) -> bool:
    """Say whether lines below a rule are no more of the message: short ones, no list, no heading, no question."""
    return all(
        len(text) <= _WIDEST_SIGNATURE and not text.rstrip().endswith("?") and _LISTED.match(text) is None
        for text in texts
    )
