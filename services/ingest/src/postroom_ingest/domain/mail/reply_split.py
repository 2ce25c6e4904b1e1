"""Which lines of a reply are the writer's own: one pass, linear, for text and for flattened HTML alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from postroom_ingest.domain.mail.reply_marks import (
    attribution_end,
    is_forward_separator,
    is_header_block,
    is_mobile_footer,
    is_original_separator,
    is_rule,
    is_separator,
    is_signature_delimiter,
    may_end_attribution,
)

_MAX_SIGNATURE_LINES = 12
_MAX_FOOTER_LINES = 4
_QUOTE_LINES_THAT_COUNT = 3
_MAX_CANDIDATES = 500
_MAX_ATTRIBUTIONS = 50
"""No person's mail has more; past them lines that only look so are words."""
_WRAPPED_AT = 66
_WORD = 4
"""Shorter lines between quotes are broken quote marks, not answers."""


class Kind(Enum):
    """What a line is."""

    OWN = "own"
    QUOTED = "quoted"
    SIGNATURE = "signature"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a body: `quoted` when it is marked so (`>` or a blockquote), `certain` when its program says history."""

    text: str
    quoted: bool = False
    certain: bool = False

    @property
    def blank(self) -> bool:
        return not self.text.strip()


@dataclass(frozen=True, slots=True)
class Split:
    """The kind of each line, and whether nothing of the writer's own was found (then all lines count as own)."""

    kinds: tuple[Kind, ...]
    only_quoted: bool = False


def split_lines(lines: Sequence[Line], *, lone_quotes: bool = True) -> Split:
    """Return what each line is. `lone_quotes` says that marked lines count as history also without an attribution."""
    kinds = [Kind.QUOTED if line.certain else Kind.OWN for line in lines]
    cut, marks = _cut(lines, kinds)
    for place in range(cut, len(lines)):
        kinds[place] = Kind.QUOTED
    _drop_quotes(lines, kinds, marks, cut, lone_quotes=lone_quotes)
    if not _shows(lines, kinds):
        return _nothing_own(lines, kinds, cut)
    _drop_signature(lines, kinds, cut)
    return Split(tuple(kinds))


def _cut(lines: Sequence[Line], kinds: Sequence[Kind]) -> tuple[int, list[tuple[int, int]]]:
    """Return the line from which on all is history, and the attributions (first, behind last) before it."""
    texts = [line.text for line in lines]
    marks: list[tuple[int, int]] = []
    candidates = 0
    for place, line in enumerate(lines):
        if line.blank or kinds[place] is Kind.QUOTED:
            continue
        if is_separator(line.text):
            if is_forward_separator(line.text):
                return len(lines), marks
            if not line.quoted and is_original_separator(line.text):
                return place, marks
        if not line.quoted and is_header_block(texts, place):
            return _with_rule(lines, place), marks
        if not may_end_attribution(line.text) or candidates == _MAX_CANDIDATES or len(marks) == _MAX_ATTRIBUTIONS:
            continue
        candidates += 1
        following = _next_shown(lines, place)
        quoted_next = following is not None and (lines[following].quoted or lines[following].certain)
        back = attribution_end(texts, place, quoted_next)
        if back is None or (line.quoted and not back):
            continue
        if not quoted_next and following is not None:
            return place - back, marks
        marks.append((place - back, place + 1))
    return len(lines), marks


def _with_rule(lines: Sequence[Line], place: int) -> int:
    """Return the place of the rule above a quoted header, if there is one within three lines."""
    for above in range(place - 1, max(-1, place - 4), -1):
        if is_rule(lines[above].text) or lines[above].text.strip() in {"-----", "----", "***", "* * *"}:
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
    interleaved = _is_interleaved(lines, runs, marks, cut)
    ends = {stop for _, stop in marks}
    for start, stop in runs:
        before = next((at for at in range(start, -1, -1) if at in ends or (at < start and not lines[at].blank)), -1)
        attributed = before in ends or _begins_with_attribution(texts, start, stop)
        attributed = attributed or any(first < stop and start < behind for first, behind in marks)
        last = not any(not lines[at].blank and kinds[at] is Kind.OWN for at in range(stop, cut))
        long = sum(not lines[at].blank for at in range(start, stop)) >= _QUOTE_LINES_THAT_COUNT
        first = not any(not lines[at].blank for at in range(start))
        if last or (not interleaved and attributed) or (not interleaved and lone_quotes and (long or first)):
            if not (lone_quotes or attributed):
                continue
            for place in range(start, stop):
                kinds[place] = Kind.QUOTED
    for start, stop in marks:
        for place in range(start, stop):
            kinds[place] = Kind.QUOTED


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
    before = lines[start - 1].text.rstrip()
    torn = len(before) >= _WRAPPED_AT or before.count("(") > before.count(")")
    return stop - start == 1 and (torn or lines[start].text.lstrip().startswith(("(http", "<http")))


def _is_interleaved(
    lines: Sequence[Line], runs: Sequence[tuple[int, int]], marks: Sequence[tuple[int, int]], cut: int
) -> bool:
    """Say whether the writer answers between quotes: own words, no attribution, stand between two runs."""
    attributed = {place for start, stop in marks for place in range(start, stop)}
    for (_, end), (start, _) in pairwise(runs):
        between = [at for at in range(end, min(start, cut)) if not lines[at].blank and at not in attributed]
        if between and not all(
            len(lines[at].text.strip()) < _WORD or lines[at].text.lstrip().startswith("(http") for at in between
        ):
            return True
    return False


def _shows(lines: Sequence[Line], kinds: Sequence[Kind]) -> bool:
    return any(kind is Kind.OWN and not line.blank for line, kind in zip(lines, kinds, strict=True))


def _nothing_own(lines: Sequence[Line], kinds: Sequence[Kind], cut: int) -> Split:
    """Without own words: history that only a heading tells apart is shown, marked quotes are not."""
    if cut < len(lines) and any(not line.blank and not line.quoted and not line.certain for line in lines[cut:]):
        return Split(tuple(Kind.OWN for _ in lines), only_quoted=True)
    return Split(tuple(kinds), only_quoted=True)


def _drop_signature(lines: Sequence[Line], kinds: list[Kind], cut: int) -> None:
    own = [at for at in range(min(cut, len(lines))) if kinds[at] is Kind.OWN and not lines[at].blank]
    begin = _signature_begin(lines, own)
    if begin is not None and begin != own[0]:
        for place in range(begin, len(lines)):
            if kinds[place] is Kind.OWN:
                kinds[place] = Kind.SIGNATURE


def _signature_begin(lines: Sequence[Line], own: Sequence[int]) -> int | None:
    tail = own[-_MAX_SIGNATURE_LINES - 1 :]
    for at in tail:
        if is_signature_delimiter(lines[at].text) and at != own[0]:
            return at
    for at in own[-_MAX_FOOTER_LINES:]:
        if is_mobile_footer(lines[at].text) and at != own[0]:
            return at
    return None
