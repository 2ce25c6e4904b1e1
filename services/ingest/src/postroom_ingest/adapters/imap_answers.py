"""What the lines of an IMAP answer say: pure readers over aioimaplib's flat lists (literals are bytearrays).

Source: RFC 3501 section 7 (responses), section 5.1.3 (modified UTF-7).
"""

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

Answer = Sequence[bytes | bytearray]

_FETCH = re.compile(rb"\d+ FETCH \(", re.IGNORECASE)
_UID = re.compile(rb"\bUID (\d{1,10})", re.IGNORECASE)
_FLAGS = re.compile(rb"\bFLAGS \(([^()]*)\)", re.IGNORECASE)
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d{1,12})", re.IGNORECASE)
_DATE = re.compile(rb'\bINTERNALDATE "([^"]{1,40})"', re.IGNORECASE)
_QUOTED_BODY = re.compile(rb'\bBODY\[[^\]]*\](?:<\d+>)? (?:"((?:[^"\\]|\\.)*)"|NIL)', re.IGNORECASE)
_CODE = re.compile(rb"\[(UIDVALIDITY|UIDNEXT) (\d{1,10})\]", re.IGNORECASE)
_EXISTS = re.compile(rb"(?:\* )?(\d{1,10}) EXISTS", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Folder:
    """A selected folder. `uidnext` is None when the server does not tell it."""

    uidvalidity: int
    uidnext: int | None
    exists: int


@dataclass(frozen=True, slots=True)
class RawMail:
    """A mail as the server keeps it; `size_bytes` is what the server says, which need not be len(raw)."""

    uid: int
    flags: tuple[str, ...]
    internal_date: datetime | None
    """UTC."""
    size_bytes: int
    raw: bytes


def read_folder(lines: Answer) -> Folder | None:
    """Return what SELECT told, None without a UIDVALIDITY: no cursor can be kept on such a folder."""
    codes: dict[bytes, int] = {}
    exists = 0
    for line in _plain(lines):
        for name, value in _CODE.findall(line):
            codes[name.upper()] = int(value)
        found = _EXISTS.match(line)
        exists = int(found[1]) if found else exists
    validity = codes.get(b"UIDVALIDITY")
    return None if validity is None else Folder(validity, codes.get(b"UIDNEXT"), exists)


def read_uids(lines: Answer) -> list[int]:
    """Return the numbers of a SEARCH answer, ascending, each once."""
    found: set[int] = set()
    for line in _plain(lines):
        words = line.removeprefix(b"* ").removeprefix(b"SEARCH").split()
        if words and all(word.isdigit() for word in words):
            found.update(map(int, words))
    return sorted(found)


def read_mails(lines: Answer) -> Iterator[RawMail]:
    """Yield the mails of a FETCH answer; pushed flag changes, which have no body, are passed over."""
    for told, literals in _fetches(lines):
        uid = _UID.search(told)
        if uid is None:
            continue
        body = literals[-1] if literals else _quoted_body(told)
        if body is not None:
            yield RawMail(int(uid[1]), _flags(told), _date(told), _number(_SIZE, told) or len(body), bytes(body))


def read_sizes(lines: Answer) -> dict[int, int]:
    """Return size by UID, bytes."""
    sizes: dict[int, int] = {}
    for told, _ in _fetches(lines):
        uid, size = _number(_UID, told), _number(_SIZE, told)
        if uid is not None and size is not None:
            sizes[uid] = size
    return sizes


def _fetches(lines: Answer) -> Iterator[tuple[bytes, list[bytearray]]]:
    """Group a flat answer by message: the text around its literals, and the literals in order."""
    told: list[bytes] = []
    literals: list[bytearray] = []
    for line in lines:
        if isinstance(line, bytearray):
            literals.append(line)
        elif _FETCH.match(line.removeprefix(b"* ")):
            if told:
                yield b" ".join(told), literals
            told, literals = [line], []
        elif told:
            told.append(line)
    if told:
        yield b" ".join(told), literals


def _plain(lines: Answer) -> Iterator[bytes]:
    return (line for line in lines if isinstance(line, bytes))


def _number(pattern: re.Pattern[bytes], told: bytes) -> int | None:
    found = pattern.search(told)
    return int(found[1]) if found else None


def _flags(told: bytes) -> tuple[str, ...]:
    found = _FLAGS.search(told)
    return tuple(flag.decode("ascii", "replace") for flag in found[1].split()) if found else ()


def _date(told: bytes) -> datetime | None:
    found = _DATE.search(told)
    try:
        return datetime.strptime(found[1].decode().strip(), "%d-%b-%Y %H:%M:%S %z").astimezone(UTC) if found else None
    except ValueError:
        return None


def _quoted_body(told: bytes) -> bytes | None:
    found = _QUOTED_BODY.search(told)
    return None if found is None else re.sub(rb"\\(.)", rb"\1", found[1] or b"")


def quoted_folder(name: str) -> str:
    """Return the folder's name as an IMAP string: modified UTF-7 in quotes (RFC 3501 section 5.1.3)."""
    encoded = re.sub(r"[^\x20-\x7e]+|&", _shifted, name)
    return '"' + encoded.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _shifted(found: re.Match[str]) -> str:
    if found[0] == "&":
        return "&-"
    packed = base64.b64encode(found[0].encode("utf-16-be")).decode("ascii")
    return "&" + packed.rstrip("=").replace("/", ",") + "-"
