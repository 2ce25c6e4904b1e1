"""Addresses of a header as a person would read them, however they were written. Linear, never raises.

Source: RFC 5322 sections 3.4 and 4.4 (mailboxes, groups, obsolete forms), RFC 6532 (UTF-8 addresses).
"""

import re
from dataclasses import dataclass

from postroom_ingest.domain.mail.headers import decode_words, unfold

MAX_RECIPIENTS = 1_000
_EMAIL = re.compile(r"[^\s<>()\[\]\",;:@]{1,200}@[^\s<>()\",;:@]{1,255}")
_SIMPLE = re.compile(r'(?:"([^"\\<>]*)"|([^"<>(),;:@\\]*))\s*<([^\s<>()",;:@\\]{1,200}@[^\s<>()",;:@\\]{1,255})>')
_SPECIAL = re.compile(r"[\"();:]|<[^>]*[,<]")
_ANGLE_END = re.compile(r"[<>;]")
_CLOSING = {"<": ">", "(": ")", '"': '"'}


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox: `email` as it was written, without comments ('' when there was only a name); `name` decoded or ''."""

    email: str
    name: str = ""


def parse_addresses(raw: bytes, limit: int = MAX_RECIPIENTS) -> tuple[tuple[Address, ...], bool]:
    """Return the mailboxes of a header in their order, groups dissolved, and whether more than `limit` were there."""
    text = unfold(raw)
    if not text:
        return (), False
    simple = _SIMPLE.fullmatch(text)
    if simple:
        return (Address(simple[3], _clean_name(simple[1] or simple[2] or "")),), False
    found: list[Address] = []
    carried = ""
    for piece in _split(text):
        address = _read(f"{carried}, {piece}" if carried else piece)
        if address is None:
            carried = f"{carried}, {piece}".strip(", ")[:200]  # `Doe, Jane <jane@a.test>` without its quotes
            continue
        carried = ""
        if len(found) >= limit:
            return tuple(found), True
        found.append(address)
    if carried and not found:
        found.extend(_from_decoded(carried))
    return tuple(found), False


def _split(text: str) -> list[str]:
    """Split at commas and semicolons outside quotes, comments and angles; an opening mark that never closes is text."""
    if not _SPECIAL.search(text):
        return [piece.strip() for piece in text.split(",") if piece.strip()]
    pieces: list[str] = []
    start = position = 0
    last_at = -1
    closable = {opening for opening, closing in _CLOSING.items() if closing in text}
    while position < len(text):
        char = text[position]
        if char == "@":
            last_at = position
        elif char in closable:
            end = _skip(text, position, _CLOSING[char])
            if end == position and char != "<":
                closable.discard(char)  # one that never closes: looking again for each would be quadratic
            position = end
        elif char in ",;":
            pieces.append(text[start:position])
            start = position + 1
        elif char == ":" and last_at < start:
            start = position + 1  # the name of a group
        position += 1
    pieces.append(text[start:])
    return [piece.strip() for piece in pieces if piece.strip()]


def _skip(text: str, position: int, closing: str) -> int:
    """Return the place of the mark that closes; comments nest, a backslash keeps the next character."""
    if closing == ">":
        found = _ANGLE_END.search(text, position + 1)
        return found.start() if found and found[0] == ">" else position
    opening, depth, place = text[position], 1, position + 1
    while place < len(text):
        char = text[place]
        if char == "\\":
            place += 1
        elif char == closing:
            depth -= 1
            if depth == 0:
                return place
        elif char == opening:
            depth += 1
        place += 1
    return position


def _read(piece: str) -> Address | None:
    """Return the mailbox of one piece, None when it holds no address."""
    opening = piece.rfind("<")
    if opening >= 0:
        closing = piece.find(">", opening)
        inner = piece[opening + 1 : closing if closing >= 0 else len(piece)]
        inner = inner.removeprefix("mailto:").rsplit(":", 1)[-1]  # RFC 5322 section 4.4: a source route goes
        email = re.sub(r"\s+|\([^()]*\)", "", inner).strip("'\"") if len(inner) < 1000 else ""  # noqa: PLR2004
        name = _clean_name(piece[:opening])
        if "@" in email or (name and email):
            return Address(email, name or _comment(piece[closing + 1 :] if closing >= 0 else ""))
        found = _EMAIL.search(piece)
        return Address(found[0], name) if found else None
    bare = _without_comments(piece)
    found = _EMAIL.search(bare)
    if found is None:
        decoded = decode_words(piece) if "=?" in piece else ""
        return _read(decoded.replace("=?", "")) if "@" in decoded else None
    rest = (bare[: found.start()] + " " + bare[found.end() :]).strip(" []<>'\"")
    return Address(found[0].strip("'."), _comment(piece) or _clean_name(rest))


def _from_decoded(text: str) -> list[Address]:
    name = _clean_name(text)
    found = _EMAIL.search(name)
    if found:
        return [Address(found[0], name[: found.start()].strip(" <\"'"))]
    local = re.fullmatch(r"([\w.+-]{1,64})\s*(?:\(([^()]*)\))?", text)  # `MAILER-DAEMON (Mail Delivery System)`
    if local:
        return [Address(local[1], _clean_name(local[2] or ""))]
    return [Address("", name.strip(" <>"))] if name else []


def _comment(piece: str) -> str:
    start, end = piece.find("("), piece.rfind(")")
    return _clean_name(piece[start + 1 : end]) if 0 <= start < end else ""


def _without_comments(piece: str) -> str:
    if "(" not in piece:
        return piece
    out, depth = [], 0
    for char in piece:
        depth += char == "("
        if not depth:
            out.append(char)
        depth -= char == ")" and depth > 0
    return "".join(out)


def _clean_name(name: str) -> str:
    name = name.strip()
    if '"' in name:
        name = re.sub(r'\\(.)|"', lambda found: found[1] or "", name)
    name = decode_words(name).strip()
    if len(name) > 1 and name[0] == name[-1] and name[0] in "'\"":
        name = name[1:-1].strip()
    return name
