"""Which charset bytes are in when nobody says so, or what is said cannot be: by how much the text looks like writing.

charset-normalizer, made for whole documents, was tried on subjects and short bodies: it took KOI8-R for Johab and
Windows-1251 for Big5; it still judges what is undecided here. Source of the ranges: GB 2312, Big5, KS X 1001 and
JIS X 0208, whose first levels hold the characters in daily use. Linear in the bytes given.
"""

import re
import unicodedata
from dataclasses import dataclass
from itertools import pairwise

_MULTIBYTE = {
    "cp949": re.compile(rb"[\xb0-\xc8][\xa1-\xfe]|\xa1[\xa1-\xfe]|\xa3[\xa1-\xfe]"),
    "gb18030": re.compile(rb"[\xb0-\xd7][\xa1-\xfe]|\xa1[\xa1-\xfe]|\xa3[\xa1-\xfe]"),
    "cp950": re.compile(rb"[\xa4-\xc6][\x40-\x7e\xa1-\xfe]|\xa1[\x40-\x7e\xa1-\xfe]"),
    "euc_jp": re.compile(rb"\xa4[\xa1-\xf3]|\xa5[\xa1-\xf6]|[\xb0-\xcf][\xa1-\xfe]|\xa1[\xa1-\xfe]|\xa3[\xa1-\xfe]"),
    "cp932": re.compile(rb"\x82[\x4f-\x9a\x9f-\xf1]|\x83[\x40-\x96]|[\x88-\x97][\x40-\xfc]|\x81[\x40-\xac]"),
}
_KANA = re.compile(r"[\u3041-\u3096\u30a1-\u30fa]")
_PAIR = re.compile(rb"[\x80-\xff][\x40-\xff]")
_LATIN_WEST = frozenset("äöüßéèêëàâîïôûùçñáíóúãõåæøœìòÄÖÜÉÈÀÁÂÇÑÓÚÅÆØÍÊÎÔ")
_LATIN_EAST = frozenset("ąćęłńśźżáčďéěíňóřšťúůýžöőüűäôľĺŕßĄĆĘŁŃŚŹŻČĎĚŇŘŠŤŮŽÁÉÍÓÚÝÖŐÜŰşţăâîŞŢĂÂÎđĐ")
_LATIN_TURKISH = frozenset("ğışçöüĞİŞÇÖÜâîû")
_CYRILLIC = frozenset("оеаинтсрвлкмдпуяыьгзбчйОЕАИНТСРВЛКМДПУЯГЗБЧії")
_SINGLE = (
    ("cp1252", "LATIN", _LATIN_WEST),
    ("cp1254", "LATIN", _LATIN_TURKISH),
    ("cp1250", "LATIN", _LATIN_EAST),
    ("iso8859-2", "LATIN", _LATIN_EAST),
    ("cp1251", "CYRILLIC", _CYRILLIC),
    ("koi8-u", "CYRILLIC", _CYRILLIC),
    ("cp866", "CYRILLIC", _CYRILLIC),
    ("cp1255", "HEBREW", frozenset("אבגדהוזחטיכלמנסעפצקרשתםןךףץ")),
    ("cp1253", "GREEK", frozenset("αειουσςτνρπκλμάέήίόύώηω")),
    ("cp1256", "ARABIC", frozenset("ابتجحدرسعفقكلمنهويةأإى")),
    ("cp874", "THAI", frozenset("กขคงจชซดตทนบปผพมยรลวสหอาีิืุเแโไ่้็์")),
)
_MARKS = frozenset("–—‘’‚“”„•…«»€£§°©®™´·\xa0¿¡№†‰‹›")
_WORD = re.compile(r"[^\W\d_]+|[^\x00-\x7f]")
_RAISED = re.compile(r"[^\W\d_A-Z][A-Z]")
_BETWEEN_LETTERS = re.compile(r"[A-Za-z][^\x00-\x7f]{1,2}[a-z]")
_SURE = 0.35
_MOST_ACCENTED = 0.75
"""Of a word's letters; Polish has words with two in three."""
_MOST_BYTES = 4_096
_FEWEST_HIGH_BYTES = 2
_FEWEST_HANGUL = 4
_FEWEST_FOR_DOUBT = 12
_ASCII = bytes(range(128))


@dataclass(frozen=True, slots=True)
class Guess:
    codec: str
    score: float
    """-1 (cannot be) to 1 (reads like writing)."""


def detect(data: bytes) -> str | None:
    """Return the codec in which the bytes read like writing, None when none does well enough."""
    sample = data[:_MOST_BYTES]
    if len(sample.translate(None, _ASCII)) < _FEWEST_HIGH_BYTES:
        return None
    best = max(_guesses(sample), key=lambda guess: guess.score, default=None)
    return best.codec if best is not None and best.score >= _SURE else None


def reads_badly(data: bytes) -> bool:
    """Say whether bytes cannot be Western European: every third one is accented, in words of accented letters alone."""
    sample = data[:_MOST_BYTES]
    if 3 * len(sample.translate(None, _ASCII)) < len(sample) or len(sample) < _FEWEST_FOR_DOUBT:
        return False
    return _single_score(sample.decode("cp1252", "replace"), "LATIN", _LATIN_WEST) < -_SURE


def _guesses(sample: bytes) -> list[Guess]:
    found = []
    for codec, common in _MULTIBYTE.items():
        text = _decoded(sample, codec)
        if text is not None:
            found.append(Guess(codec, _multibyte_score(sample, text, codec, common)))
    for codec, script, letters in _SINGLE:
        text = _decoded(sample, codec)
        if text is not None:
            found.append(Guess(codec, _single_score(text, script, letters)))
    return found


def _decoded(sample: bytes, codec: str) -> str | None:
    for cut in range(4 if len(sample) == _MOST_BYTES else 1):  # the sample may end inside a character
        try:
            return sample[: len(sample) - cut].decode(codec)
        except UnicodeError:
            continue
    return None


def _multibyte_score(sample: bytes, text: str, codec: str, common: re.Pattern[bytes]) -> float:
    foreign = sum(char > "\x7f" for char in text)
    pairs = _PAIR.findall(sample)
    if not foreign or not pairs:
        return -1.0
    usual = sum(common.fullmatch(pair) is not None for pair in pairs)
    score = 2.0 * usual / max(len(pairs), foreign) - 1.0
    if _BETWEEN_LETTERS.search(text):
        score -= 0.6
    kana = len(_KANA.findall(text))
    if codec in {"euc_jp", "cp932"}:  # Japanese without any kana is rare, kana in Chinese or Korean too
        return score - (0.15 if kana == 0 else 0.0)
    score -= 0.5 if kana > 0.2 * foreign else 0.0
    # Rows of hangul are a part of the rows of common hanzi: only text that is all within them is Korean.
    if codec != "cp949":
        return score - 0.05
    return score - 0.3 if usual < len(pairs) or len(pairs) < _FEWEST_HANGUL else score


def _single_score(text: str, script: str, letters: frozenset[str]) -> float:
    total = weight = 0.0
    for word in _WORD.findall(text):
        foreign = [char for char in word if char > "\x7f" and char not in _MARKS]
        if foreign:
            total += len(foreign) * _word_score(word, foreign, script, letters)
            weight += len(foreign)
    return total / weight if weight else 0.4 if script == "LATIN" else -1.0  # typographic marks alone


def _word_score(word: str, foreign: list[str], script: str, letters: frozenset[str]) -> float:
    usual = sum(char in letters for char in foreign) / len(foreign)
    if not all(unicodedata.name(char, "").startswith(script) for char in foreign):
        return -1.0
    if any(a.islower() and b.isupper() for a, b in pairwise(word)):
        return -1.0
    if script == "LATIN":
        if len(word) > 1 and len(foreign) > _MOST_ACCENTED * len(word):
            return 0.65 if usual == 1.0 and len(word) == len(foreign) <= 4 else -1.0  # noqa: PLR2004 - `äöüß`, a test
        return 2.0 * usual - 1.0
    if len(foreign) < len(word):  # Latin and other letters in one word
        return -1.0
    return 0.3 + 0.6 * usual
