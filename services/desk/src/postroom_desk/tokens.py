"""Tokens of the deployment: `name=token` acts for the house, `name@agent=token` as that agent, with that agent's rights."""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass

from postroom_desk.identity.principal import Principal

MINIMUM_CHARACTERS = 16
_ENTRY = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]{0,62})(@(?P<agent>[a-z0-9][a-z0-9-]{0,62}))?=(?P<token>\S+)")


class TokenFormatError(ValueError):
    """An entry that is none; the message names its number."""


@dataclass(frozen=True, slots=True)
class Token:
    principal: Principal
    digest: bytes


def credential_of(token: Token) -> str:
    """Return what a session that was begun with this token remembers of it: another token of that name ends it."""
    return hashlib.sha256(token.digest).hexdigest()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def parse_tokens(text: str) -> list[Token]:
    """Return the tokens of `name=token` and `name@agent=token` entries. Raises TokenFormatError."""
    found = []
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    entries = [e.strip() for line in lines for e in line.split(",") if e.strip()]
    for n, entry in enumerate(entries, 1):
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise TokenFormatError(f"API token {n} is not of the form name=token or name@agent=token")
        if len(match["token"]) < MINIMUM_CHARACTERS:
            raise TokenFormatError(f"API token {n} ({match['name']}) is shorter than {MINIMUM_CHARACTERS} characters")
        found.append(Token(Principal(match["name"], match["agent"]), _digest(match["token"])))
    if len({t.principal.name for t in found}) != len(found):
        raise TokenFormatError("two API tokens have the same name")
    return found


def authenticate(given: str, tokens: Sequence[Token]) -> Principal | None:
    """Return whose token it is. Takes the same time whichever it is, and whether it is one."""
    digest = _digest(given)
    found = None
    for token in tokens:
        if hmac.compare_digest(token.digest, digest):
            found = token.principal
    return found
