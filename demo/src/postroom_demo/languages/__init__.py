"""The six languages of the demo's customers."""

import re

from postroom_demo.languages.base import Language
from postroom_demo.languages.de import GERMAN
from postroom_demo.languages.en import ENGLISH
from postroom_demo.languages.es import SPANISH
from postroom_demo.languages.fr import FRENCH
from postroom_demo.languages.it import ITALIAN
from postroom_demo.languages.pl import POLISH

LANGUAGES: dict[str, Language] = {one.code: one for one in (ENGLISH, GERMAN, FRENCH, SPANISH, POLISH, ITALIAN)}
_WORD = re.compile(r"[^\W\d_]+")


def recognise(text: str) -> Language:
    """Return the language whose frequent words the text holds most of; English when none stands out."""
    words = _WORD.findall(text)
    lower = [word.lower() for word in words]
    score = {code: sum(w in one.words for w in lower) for code, one in LANGUAGES.items()}
    best = max(score, key=lambda code: score[code])
    return LANGUAGES[best] if score[best] > score["en"] else ENGLISH


__all__ = ["LANGUAGES", "Language", "recognise"]
