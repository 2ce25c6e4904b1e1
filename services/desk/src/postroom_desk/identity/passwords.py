"""Which passwords are taken. Length counts, not composition (NIST SP 800-63B section 3.1.1.2). Pure."""

import unicodedata
from collections.abc import Iterable

MINIMUM_CHARACTERS = 12
MAXIMUM_CHARACTERS = 200
"""Longer ones are refused, not cut: nobody types them, and hashing takes them whole."""
MINIMUM_DIFFERENT = 5
_NAME_CHARACTERS = 4
"""Shorter names are part of too many words to be looked for."""


def normalised(password: str) -> str:
    """Return the form that is hashed, the same from every keyboard (NFKC, as SP 800-63B asks)."""
    return unicodedata.normalize("NFKC", password)


def fault_of(password: str, names: Iterable[str]) -> str | None:
    """Return why this password is not taken, as a sentence, or None. `names`: the person's names and address."""
    text = normalised(password)
    if len(text) < MINIMUM_CHARACTERS:
        return f"The password needs at least {MINIMUM_CHARACTERS} characters."
    if len(text) > MAXIMUM_CHARACTERS:
        return f"The password has more than {MAXIMUM_CHARACTERS} characters."
    if len(set(text.casefold())) < MINIMUM_DIFFERENT:
        return f"The password needs at least {MINIMUM_DIFFERENT} different characters."
    plain = text.casefold()
    if any(len(name) >= _NAME_CHARACTERS and name.casefold() in plain for name in names):
        return "The password must not contain your name or address."
    return None
