"""Subjects for comparing: without what mail programs put in front when they answer or forward.

The prefixes are those that Gmail, Outlook, Apple Mail, Thunderbird, Notes and their translations write: `Re:`, `AW:`,
`SV:`, `RE[2]:`, `Fwd:`, `WG:`.
"""

import re

_REPLIES = (
    "re|aw|antw|antwort|sv|svar|vs|vast|r|ref|rif|res|resp|odp|odpowiedź|ynt|yan|yanıt|cevap|atb|at|bls|balas|ad|αντ|απ|σχετ|"
    "ha|vá|válasz|na|отв|ответ|відп|відповідь|на|hs|rép|rép|rv|答复|回复|回覆|返信|답장|회신|رد|ردّ|תגובה|השב|תשובה"
)
_FORWARDS = (
    "fwd|fw|wg|wtr|weitergeleitet|doorst|tr|trans|i|inoltr|enc|reenv|pd|vb|vl|vidb|fs|továbbítás|tov|ilt|i̇lt|πρθ|пересл|"
    "переслано|转发|轉寄|轉發|転送|전달|إعادة توجيه|הועבר"
)
_COUNT = r"\s*(?:\[\s*\d{1,3}\s*\]|\(\s*\d{1,3}\s*\)|\*\s*\d{1,3}|\^\s*\d{1,3})?\s*[:：]\s*"
_PREFIX = re.compile(rf"\s*(?:{_REPLIES}|{_FORWARDS}){_COUNT}", re.IGNORECASE)
_FORWARD = re.compile(rf"\s*(?:{_FORWARDS}){_COUNT}", re.IGNORECASE)
_MAX_PREFIXES = 50
MAX_CHARACTERS = 500


def normalised_subject(subject: str) -> str:
    """Return the subject without prefixes, blanks made one, in one case; '' when nothing but prefixes is left."""
    text = " ".join(subject[:MAX_CHARACTERS].split())
    for _ in range(_MAX_PREFIXES):
        found = _PREFIX.match(text)
        if found is None:
            break
        text = text[found.end() :]
    return text.casefold().strip()


def is_forward(subject: str) -> bool:
    """Say whether the first prefix of a subject is one of forwarded mail."""
    return _FORWARD.match(subject[:MAX_CHARACTERS]) is not None
