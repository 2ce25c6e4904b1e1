"""From text to words as they are compared: without case, accents and the ways of writing the same letter.

Folding follows Unicode: compatibility decomposition (NFKD, UAX 15) without combining marks, then full case folding. What
that leaves apart but people do not (ø and o, ł and l) is mapped by hand. German umlauts are found by both ways of writing
them without: `müller` has the words `muller` and `mueller`. Chinese, Japanese and Thai write without spaces: pairs of
neighbouring signs stand for words there, as in CJK bigram analysers (Apache Lucene).
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

SHORTEST = 2
"""Latin letters of a word: single ones stand in every text."""
LONGEST = 40
"""Letters of a word that are compared: longer ones are keys and encoded data."""
_WORD = re.compile(r"[^\W_]+")
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+"
)
_BY_HAND = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h", "ŧ": "t", "ŋ": "n"}
)
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})


def fold(text: str) -> str:
    """Return text as it is compared; folding it again changes nothing."""
    if text.isascii():
        return text.lower()
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return plain.casefold().translate(_BY_HAND)


def plain(text: str) -> str:
    """Return a whole text as its words are compared, with all that stands between them."""
    return text.lower() if text.isascii() else fold(unicodedata.normalize("NFKC", text))


def words(text: str) -> Iterator[str]:
    """Yield the words of a text in order, folded; single Latin letters and words without sound are none.

    An umlaut's second spelling comes right behind the first.
    """
    if text.isascii():
        yield from (w[:LONGEST] for w in _WORD.findall(text.lower()) if len(w) >= SHORTEST or w.isdigit())
        return
    for raw in raw_words(text):
        yield from spellings(raw)


def raw_words(text: str) -> list[str]:
    """Return the words of a text as they are written, in compatibility form: ¼ has two, the ligature of ﬁne one."""
    found: list[str] = _WORD.findall(unicodedata.normalize("NFKC", text))
    return found


@lru_cache(maxsize=50_000)
def spellings(raw: str) -> tuple[str, ...]:
    """Return how one word of a text (letters and digits alone) is compared: mostly one spelling."""
    if unspaced(raw):
        return tuple(_signs(raw))
    first = fold(raw)[:LONGEST]
    if len(first) < SHORTEST and first.isascii() and not first.isdigit():
        return ()
    lowered = raw.casefold()
    second = fold(lowered.translate(_UMLAUTS))[:LONGEST]
    return (first,) if second == first else (first, second)


def unspaced(raw: str) -> bool:
    """Say whether some of it is written without spaces: then its spellings are pairs of signs, which all stand there."""
    return _UNSPACED.search(raw) is not None


def _signs(raw: str) -> Iterator[str]:
    """Yield pairs of signs of what is written without spaces, and the words of what is not."""
    start = 0
    for run in _UNSPACED.finditer(raw):
        yield from words(raw[start : run.start()])
        signs = run[0]
        yield from ([signs] if len(signs) == 1 else (signs[i : i + 2] for i in range(len(signs) - 1)))
        start = run.end()
    yield from words(raw[start:])


def occurrences(text: str) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Yield start, end and spellings of each run of signs that words are made of, as it stands in `text`."""
    if text.isascii():
        for found in _WORD.finditer(text):
            yield found.start(), found.end(), tuple(words(found[0]))
        return
    start = None
    for place, sign in enumerate(text):
        if _belongs(sign):
            start = place if start is None else start
        elif start is not None:
            yield start, place, tuple(words(text[start:place]))
            start = None
    if start is not None:
        yield start, len(text), tuple(words(text[start:]))


@lru_cache(maxsize=10_000)
def _belongs(sign: str) -> bool:
    """Say whether a word can hold it: a letter or digit, in compatibility form if not as it stands, or a mark upon one."""
    return bool(unicodedata.combining(sign)) or _WORD.search(unicodedata.normalize("NFKC", sign)) is not None
