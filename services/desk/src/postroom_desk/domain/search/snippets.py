"""The place of a text at which it was found, with the words that were looked for marked."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from postroom_desk.domain.search.query import Term
from postroom_desk.domain.search.words import occurrences, plain, unspaced

LENGTH = 180
_BEFORE = 50
_READ = 20_000


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of plain text, as it was written; whoever shows it escapes it."""

    text: str
    marked: bool = False


def matches(term: Term, spellings: Sequence[str]) -> bool:
    """Say whether a word of a text is one that was looked for."""
    if term.prefix:
        return any(s.startswith(t) for t in term.spellings for s in spellings)
    return any(s in term.spellings for s in spellings)


def snippet(text: str, terms: Sequence[Term]) -> list[Piece]:
    """Return some 180 characters of `text` in one line, from just before the first hit on; its beginning without one."""
    line = " ".join(text[:_READ].split())
    hits = [(a, b) for a, b, s in occurrences(line) if any(matches(t, s) for t in terms)]
    start = _start(line, hits[0][0]) if hits else 0
    end = min(len(line), start + LENGTH)
    pieces = [Piece("…")] if start else []
    place = start
    for a, b in hits:
        if b > end:
            break
        pieces += [Piece(line[place:a])] if a > place else []
        pieces.append(Piece(line[a:b], marked=True))
        place = b
    pieces += [Piece(line[place:end])] if end > place else []
    return [*pieces, Piece("…")] if end < len(line) else pieces


def _start(line: str, hit: int) -> int:
    if hit <= _BEFORE:
        return 0
    space = line.find(" ", hit - _BEFORE, hit)
    return space + 1 if space >= 0 else hit - _BEFORE


def phrase_finder(phrase: Sequence[Term]) -> Callable[[str], bool]:
    """Return what says whether the words of `phrase` follow one another in a text; single letters may stand between."""
    if any(unspaced(s) for term in phrase for s in term.spellings):
        return partial(_holds_signs, phrase)
    alternatives = ["|".join(map(re.escape, term.spellings)) for term in phrase]
    between = r"[\W_]+(?:[^\W_][\W_]+)*"
    end = "" if phrase[-1].prefix else r"(?![^\W_])"
    pattern = re.compile(r"(?<![^\W_])" + between.join(f"(?:{a})" for a in alternatives) + end)
    return lambda text: pattern.search(plain(text)) is not None


def _holds_signs(phrase: Sequence[Term], text: str) -> bool:
    found = [(s,) for _, _, spellings in occurrences(text) for s in spellings]
    return any(
        all(matches(term, found[i + n]) for n, term in enumerate(phrase)) for i in range(len(found) - len(phrase) + 1)
    )
