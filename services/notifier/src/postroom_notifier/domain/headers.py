"""Header values that cannot break out of their line, and the policy that writes them.

The standard library's `policy.SMTP` parses every header (2.5 ms a mail) and turns ids longer than a line into encoded
words, which no mail client can thread by. Here a value is made safe and ASCII once, and only folded when it is written.
"""

import re
import unicodedata
from collections.abc import Iterable
from email.header import Header
from email.policy import EmailPolicy
from typing import Any

import idna

LINE = 76
"""Octets in a line that we write (RFC 5322 section 2.1.1 recommends at most 78)."""
_NAME_CHARACTERS = 100
_SUBJECT_CHARACTERS = 250
_MAX_REFERENCES = 20
_PLAIN_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~ ]*")
_ID = re.compile(r"[\x21-\x3b\x3d\x3f-\x7e]{1,900}")
"""What may stand between the angle brackets of an id: visible ASCII without angle brackets. At most 900 octets, because a
line may hold 998 (RFC 5322 section 2.1.1) and an id cannot be folded."""
_LOCAL = re.compile(r"[^\x00-\x20\x7f-\xa0\"(),:;<>@\[\\\]]{1,64}")
_DOMAIN = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9])?")
_ANSWER_PREFIX = re.compile(
    r"(?i)^\s*((re|aw|antw|sv|vs|odp|rif|res|fw|fwd|wg|tr|rv|回复|转发|返信)\s*(\[\d+\])?\s*[:：]\s*)+"
)


def one_line(value: str, limit: int) -> str:
    """Return `value` on one line: whatever could end a line or hide text becomes a space; at most `limit` characters."""
    # isprintable is false for just these categories, and much faster: most values are of one line already.
    clean = value if value.isprintable() else "".join(_visible(c) for c in value)
    return " ".join(clean.split())[:limit].strip()


def _visible(character: str) -> str:
    joins = character in "\u200c\u200d"  # joiners, without which some scripts and emoji fall apart
    return " " if unicodedata.category(character)[0] in "CZ" and not joins else character


def encoded(value: str) -> str:
    """Return `value` as ASCII: itself, or encoded words separated by spaces (RFC 2047). Must be one line."""
    if value.isascii() and "=?" not in value:
        return value
    return Header(value, "utf-8", maxlinelen=LINE - 12).encode(linesep="").replace("\n", "")


def subject(value: str) -> str:
    return encoded(one_line(value, _SUBJECT_CHARACTERS))


def base_subject(value: str) -> str:
    """Return the subject without its answer and forward prefixes, on one line."""
    return _ANSWER_PREFIX.sub("", one_line(value, _SUBJECT_CHARACTERS)).strip()


def mail_address(value: str) -> str | None:
    """Return the address if it can stand in a header and an SMTP command, else None. The domain comes out in ASCII
    (RFC 5891, mapped by UTS 46: the older rules of the standard library would write to strasse.de what is for straße.de).

    Quoted local parts and literals are refused: nobody is reached by them, and they are what injections are made of.
    So are characters that are not seen or turn the text around: the address would be read as another's.
    """
    local, at, domain = value.strip().rpartition("@")
    if (
        not (at and _LOCAL.fullmatch(local) and local.isprintable())
        or local.startswith(".")
        or local.endswith(".")
        or ".." in local
    ):
        return None
    try:
        ascii_domain = domain if domain.isascii() else idna.encode(domain, uts46=True).decode("ascii")
    except UnicodeError:  # idna's own errors are of this type
        return None
    if not _DOMAIN.fullmatch(ascii_domain) or ".." in ascii_domain:
        return None
    return f"{local}@{ascii_domain.lower()}"


def mailbox(name: str, address: str) -> str:
    """Return `Name <address>`; `address` must come from `mail_address`."""
    shown = one_line(name, _NAME_CHARACTERS)
    if not shown:
        return address
    if not shown.isascii() or "=?" in shown:
        return f"{encoded(shown)} <{address}>"
    quoted = shown if _PLAIN_NAME.fullmatch(shown) else '"' + shown.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{quoted} <{address}>"


def message_ids(values: Iterable[str]) -> list[str]:
    """Return the usable ones of foreign ids, each once, in order, in angle brackets: the first and the last 19."""
    stripped = (value.strip().strip("<>") for value in values)
    usable = list(dict.fromkeys(f"<{v}>" for v in stripped if _ID.fullmatch(v)))
    return usable if len(usable) <= _MAX_REFERENCES else [usable[0], *usable[-(_MAX_REFERENCES - 1) :]]


class OutgoingPolicy(EmailPolicy):
    """Stores values as given, refuses line ends in them, folds at spaces and nowhere else, ends lines with CR LF."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"linesep": "\r\n", "cte_type": "7bit", "max_line_length": LINE + 2, **options})

    def header_max_count(self, name: str) -> int | None:  # noqa: ARG002 - the builders name each header once
        return None

    def header_store_parse(self, name: str, value: Any) -> tuple[str, Any]:
        text = str(value)
        if "\r" in text or "\n" in text:
            raise ValueError(f"header {name} holds a line end")
        return name, text

    def header_fetch_parse(self, _name: str, value: Any) -> Any:
        return value

    def fold(self, name: str, value: Any) -> str:
        lines: list[str] = []
        line = f"{name}:"
        for word in str(value).split(" "):
            if len(line) + 1 + len(word) > LINE and line != f"{name}:" and line.strip():
                lines.append(line)
                line = ""
            line += f" {word}"
        return "\r\n".join([*lines, line]) + "\r\n"

    def fold_binary(self, name: str, value: Any) -> bytes:
        # Only an address beyond ASCII leaves other octets here; it goes out with SMTPUTF8 (RFC 6532).
        return self.fold(name, value).encode("utf-8", "surrogateescape")


POLICY = OutgoingPolicy()
