"""Which passwords are taken. Length counts, not composition (NIST SP 800-63B section 3.1.1.2). Pure."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

MINIMUM_CHARACTERS = 12
MAXIMUM_CHARACTERS = 200
"""Longer ones are refused, not cut: nobody types them, and hashing takes them whole."""
MINIMUM_DIFFERENT = 5
_NAME_CHARACTERS = 4
"""Shorter names are part of too many words to be looked for."""


@dataclass(frozen=True, slots=True)
class PasswordFault:
    """Why a password is not taken; `limit` is the number of characters that it is about, 0 for `holds_name`."""

    code: Literal["too_short", "too_long", "too_plain", "holds_name"]
    limit: int = 0


def normalised(password: str) -> str:
    """Return the form that is hashed, the same from every keyboard (NFKC, as SP 800-63B asks)."""
    return unicodedata.normalize("NFKC", password)


def fault_of(password: str, names: Iterable[str]) -> PasswordFault | None:
    """Return why this password is not taken, or None. `names`: the person's names and address."""
    text = normalised(password)
    if len(text) < MINIMUM_CHARACTERS:
        return PasswordFault("too_short", MINIMUM_CHARACTERS)
    if len(text) > MAXIMUM_CHARACTERS:
        return PasswordFault("too_long", MAXIMUM_CHARACTERS)
    if len(set(text.casefold())) < MINIMUM_DIFFERENT:
        return PasswordFault("too_plain", MINIMUM_DIFFERENT)
    plain = text.casefold()
    if any(len(name) >= _NAME_CHARACTERS and name.casefold() in plain for name in names):
        return PasswordFault("holds_name")
    return None
