"""Which lines of a reply are the writer's own: one pass, linear, for text and for flattened HTML alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import NamedTuple

from postroom_ingest.domain.mail.reply_headings import (
    field_kind,
    is_forward_separator,
    is_header_block,
    is_original_separator,
    is_rule,
    is_separator,
)
from postroom_ingest.domain.mail.reply_marks import attribution_end, may_end_attribution
from postroom_ingest.domain.mail.reply_signature import MAX_MARKED_LINES, signature_begin

_QUOTE_LINES_THAT_COUNT = 3
_MAX_CANDIDATES = 500
_MAX_ATTRIBUTIONS = 50
"""No person's mail has more; past them lines that only look so are words."""
_WRAPPED_AT = 66
_MAX_HEADING_LINES = 14
_MAX_WRAPPED = 2
_LAST_PUNCTUATION = "\u2fff"


class Kind(Enum):
    """What a line is."""

    OWN = "own"
    QUOTED = "quoted"
    SIGNATURE = "signature"


class Line(NamedTuple):
    """A line of a body, without invisible characters.

    `quoted` when it is marked so (`>` or a blockquote), `cited` when only programs mark so (`type=cite`), `certain` when
    its program says history, `signature` when its program says so.
    """

    text: str
    quoted: bool = False
    certain: bool = False
    cited: bool = False
    signature: bool = False

    @property
    def blank(self) -> bool:
        return not self.text or self.text.isspace()


@dataclass(frozen=True, slots=True)
class Split:
    """The kind of each line, and whether nothing of the writer's own was found (then all lines count as own)."""

    kinds: tuple[Kind, ...]
    only_quoted: bool = False


def split_lines(lines: Sequence[Line], *, lone_quotes: bool = True, history_at: int | None = None) -> Split:
    """Return which lines are the writer's own; nothing is lost, each line has one kind.

    `lone_quotes`: whether marked lines are history also without an attribution. `history_at`: the line from which on its
    program says that all is history, where it may yet be a forward or be answered inside.
    """
    kinds = [Kind.QUOTED if line.certain else Kind.OWN for line in lines]
    cut, marks = _cut(lines, kinds, len(lines) if history_at is None else history_at)
    for place in range(cut, len(lines)):
        kinds[place] = Kind.QUOTED
    for start, stop in marks:
        kinds[start:stop] = [Kind.QUOTED] * (stop - start)
    _drop_signatures(lines, kinds, cut)
    _drop_quotes(lines, kinds, marks, cut, lone_quotes=lone_quotes)
    if not _shows(lines, kinds):
        return _nothing_own(lines, kinds, cut, attributed=bool(marks))
    return Split(tuple(kinds))


def _cut(lines: Sequence[Line], kinds: Sequence[Kind], end: int) -> tuple[int, list[tuple[int, int]]]:
    """Return the line from which on all is history, `end` at most, and the attributions (first, behind last) before it."""
    texts = [line.text for line in lines]
    marks: list[tuple[int, int]] = []
    candidates = resume = 0
    for place in range(end):
        line = lines[place]
        if line.blank or place < resume or kinds[place] is Kind.QUOTED:
            continue
        if line.quoted and (
            line.cited or not may_end_attribution(line.text)
        ):  # else the mark may be that of `<a@b\n> wrote:`
            continue
        heading = not line.quoted and is_separator(line.text)
        if heading and is_forward_separator(line.text):
            return len(lines), marks
        if (heading and is_original_separator(line.text)) or (not line.quoted and is_header_block(texts, place)):
            behind = _answered_below(lines, marks, place) if len(marks) < _MAX_ATTRIBUTIONS else None
            if behind is None:
                return _with_rule(lines, place), marks
            marks.append((_with_rule(lines, place), behind))
            resume = behind
            continue
        if not may_end_attribution(line.text) or candidates == _MAX_CANDIDATES or len(marks) == _MAX_ATTRIBUTIONS:
            continue
        candidates += 1
        following = _next_shown(lines, place)
        quoted_next = following is not None and (lines[following].quoted or lines[following].certain)
        back = attribution_end(texts, place, quoted_next)
        if back is None or not _is_of_one_piece(lines, place - back, place):
            continue
        begin = _with_rule(lines, place - back)
        if not quoted_next and following is not None:
            return begin, marks
        marks.append((begin, place + 1))
    return end, marks


def _is_of_one_piece(lines: Sequence[Line], first: int, last: int) -> bool:
    """Say whether no attribution would join own words and quotes: where marks begin or end inside it a line was torn.

    Without this a quote that begins with `Jane wrote:` would take the writer's last words with it.
    """
    changes = [at for at in range(first, last) if lines[at].quoted is not lines[at + 1].quoted]
    if not changes:
        return not lines[last].quoted
    return all(_is_torn(lines[first : at + 2]) for at in changes)


def _is_torn(lines: Sequence[Line]) -> bool:
    """Say whether the last line goes on with the one above it: an address is open, or a long quoted line was wrapped."""
    *before, last = lines
    opened = sum(line.text.count("<") - line.text.lstrip("> ").count(">") for line in before)
    return opened > 0 or (not last.quoted and len(before[-1].text.rstrip()) >= _WRAPPED_AT)


def _answered_below(lines: Sequence[Line], marks: Sequence[tuple[int, int]], place: int) -> int | None:
    """Return where the marked quote begins below a heading that does not end the writer's words, None when it does.

    That is so when nothing stands above it, for then the answer is below, and when the heading is but a line above an
    attribution (Proton). Below a header block that the writer answered above, an unmarked history may begin with a quote.
    """
    marked = {at for start, stop in marks for at in range(start, stop)}
    rule = _with_rule(lines, place)
    above = any(not line.blank and not line.quoted and at not in marked for at, line in enumerate(lines[:rule]))
    others: list[str] = []
    fields = field_kind(lines[place].text) is not None
    for at in range(place + 1, min(len(lines), place + _MAX_HEADING_LINES)):
        if lines[at].quoted:
            attributed = not fields and bool(others) and may_end_attribution(others[-1])
            return at if attributed or not above else None
        if field_kind(lines[at].text) is not None and not may_end_attribution(lines[at].text):
            fields = True
        elif not lines[at].blank:
            others.append(lines[at].text)
        if len(others) > _MAX_WRAPPED:
            return None
    return None


def _with_rule(lines: Sequence[Line], place: int) -> int:
    """Return the place of the rule above a quoted header, if there is one within three lines."""
    for above in range(place - 1, max(-1, place - 4), -1):
        if is_rule(lines[above].text):
            return above
        if not lines[above].blank:
            break
    return place


def _next_shown(lines: Sequence[Line], place: int) -> int | None:
    return next((at for at in range(place + 1, min(len(lines), place + 12)) if not lines[at].blank), None)


def _drop_quotes(
    lines: Sequence[Line], kinds: list[Kind], marks: Sequence[tuple[int, int]], cut: int, *, lone_quotes: bool
) -> None:
    """Mark attributions and the quotes behind them; answers between the quotes keep those that they answer."""
    texts = [line.text for line in lines]
    runs = _runs(lines, cut)
    interleaved = _is_interleaved(lines, kinds, runs)
    ends = {stop for _, stop in marks}
    shown = [at for at in range(cut) if not lines[at].blank and kinds[at] is Kind.OWN]
    for start, stop in runs:
        before = next((at for at in range(start, -1, -1) if at in ends or (at < start and not lines[at].blank)), -1)
        attributed = before in ends or _begins_with_attribution(texts, start, stop)
        attributed = attributed or any(first < stop and start < behind for first, behind in marks)
        attributed = attributed or any(line.cited for line in lines[start:stop])
        last = not shown or shown[-1] < stop
        long = sum(not lines[at].blank for at in range(start, stop)) >= _QUOTE_LINES_THAT_COUNT
        first = not shown or shown[0] >= start
        if (last or not interleaved) and (attributed or (lone_quotes and (last or long or first))):
            kinds[start:stop] = [Kind.QUOTED] * (stop - start)


def _begins_with_attribution(texts: Sequence[str], start: int, stop: int) -> bool:
    """Say whether the quote itself begins with `On ... wrote:`, as some programs put it."""
    head = [text.lstrip("> ") for text in texts[start : min(stop, start + 3)]]
    return any(attribution_end(head, place, followed_by_quote=True) is not None for place in range(len(head)))


def _runs(lines: Sequence[Line], cut: int) -> list[tuple[int, int]]:
    """Return the runs of marked lines before the cut, blank lines between them included."""
    runs: list[tuple[int, int]] = []
    for place in range(cut):
        if not lines[place].quoted or lines[place].certain:
            continue
        if runs and (
            all(lines[at].blank for at in range(runs[-1][1], place)) or _is_wrapped(lines, runs[-1][1], place)
        ):
            runs[-1] = (runs[-1][0], place + 1)
        else:
            runs.append((place, place + 1))
    return runs


def _is_wrapped(lines: Sequence[Line], start: int, stop: int) -> bool:
    """Say whether one line between two marked ones is the rest of the first, which a program wrapped without its mark."""
    before, line = lines[start - 1].text.rstrip(), lines[start].text.strip()
    torn = len(before) >= _WRAPPED_AT or before.count("(") > before.count(")")
    linked = "://" in before[before.rfind(" ") + 1 :] and " " not in line and "/" in line
    return stop - start == 1 and (torn or linked or line.startswith(("(http", "<http")))


def _is_interleaved(lines: Sequence[Line], kinds: Sequence[Kind], runs: Sequence[tuple[int, int]]) -> bool:
    """Say whether the writer answers between quotes: own words, no attribution, stand between two runs."""
    for (_, end), (start, _) in pairwise(runs):
        if any(kinds[at] is Kind.OWN and _says(lines[at].text.lstrip()) for at in range(end, start)):
            return True
    return False


def _says(text: str) -> bool:
    """Say whether a line between quotes has words (or an emoji): rests of broken marks have none."""
    return not text.startswith("(http") and any(sign.isalnum() or sign > _LAST_PUNCTUATION for sign in text)


def _shows(lines: Sequence[Line], kinds: Sequence[Kind]) -> bool:
    return any(kind is Kind.OWN and not line.blank for line, kind in zip(lines, kinds, strict=True))


def _nothing_own(lines: Sequence[Line], kinds: Sequence[Kind], cut: int, *, attributed: bool) -> Split:
    """Without own words marked quotes of a mail are not shown, all else is: a forward, quotes that name nobody."""
    unmarked = any(not line.blank and not line.quoted and not line.certain for line in lines[cut:])
    forward = any(is_separator(line.text) and is_forward_separator(line.text) for line in lines[:_MAX_HEADING_LINES])
    nobody = not attributed and not any(line.certain or line.cited for line in lines)
    if unmarked or forward or (nobody and not _begins_with_attribution([line.text for line in lines], 0, len(lines))):
        return Split(tuple(Kind.OWN for _ in lines), only_quoted=True)
    return Split(tuple(kinds), only_quoted=True)


def _drop_signatures(lines: Sequence[Line], kinds: list[Kind], cut: int) -> None:
    """Mark the signature at the end of each piece between quotes: words below a quote are no signature above it."""
    pieces: list[list[int]] = [[]]
    for at in range(cut):
        if kinds[at] is Kind.QUOTED or lines[at].quoted:
            pieces.append([])
        elif not lines[at].blank:
            pieces[-1].append(at)
    pieces = [piece for piece in pieces if piece]
    own = [at for piece in pieces for at in piece]
    texts = [line.text for line in lines]
    for piece in pieces:
        begin = signature_begin(texts, piece, own[0])
        for place in range(begin, piece[-1] + 1) if begin is not None else ():
            kinds[place] = Kind.SIGNATURE
    marked = [at for at in own if lines[at].signature]
    if marked and marked[0] != own[0] and len(marked) <= MAX_MARKED_LINES:
        for place in marked:
            kinds[place] = Kind.SIGNATURE
