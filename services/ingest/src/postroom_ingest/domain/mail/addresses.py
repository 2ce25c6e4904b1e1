"""Addresses of a header as a person would read them, however they were written. Linear, never raises.

Source: RFC 5322 sections 3.4 and 4.4 (mailboxes, groups, obsolete forms), RFC 6532 (UTF-8 addresses).
"""

import re
from dataclasses import dataclass

from postroom_ingest.domain.mail.headers import WORD, decode_words, unfold

MAX_RECIPIENTS = 1_000
_DOMAIN = r'(?:\[[^\s\[\]<>]{1,255}\]|[^\s<>()\[\]",;:@]{1,255})'
_EMAIL = re.compile(rf'(?:"[^"\\<>\r\n]{{1,64}}"|[^\s<>()\[\]",;:@]{{1,200}})@{_DOMAIN}')
_PLAIN = re.compile(r"[\w.+-]{1,200}@[\w.-]{1,255}", re.ASCII)
_SIMPLE = re.compile(r'(?:"([^"\\<>]*)"|([^"<>(),;:@\\]*))\s*<([^\s<>()",;:@\\\'=]{1,200}@[^\s<>()",;:@\\\']{1,255})>')
_SPECIAL = re.compile(r"[\"();:]|=\?")
_ANGLE_END = re.compile(r"[<>;]")
_CLOSING = {"<": ">", "(": ")", '"': '"'}
_SCHEME = re.compile(r"(?i)^(?:mailto|smtp|rfc822|internet|email|e-mail)\s*[:;]\s*")
_ROUTE = re.compile(r"^@[^\s:]{1,998}:")
_SPELT = re.compile(r"(?i)^([\w.+-]{1,64})\s*(?:\(at\)|\[at\]|\s+at\s+)\s*([\w-]{1,63}(?:\.[\w-]{1,63}){1,8})$")
_MAILTO = re.compile(r"(?i)[\[(<]?\s*mailto:\s*")
_NOBODY = re.compile(
    r"(?i)^\W*(?:(?:undisclosed|unlisted|unspecified|suppressed|hidden|no)[-_ ]{0,3}(?:to[-_ ])?recipients?|"
    r"recipients?[-_ ]list[-_ ](?:not[-_ ]shown|suppressed))\W*$"
)
_BLANKS = re.compile(r"[ \t]{2,}")
_MAX_INNER = 1_000


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
        addresses = _read_all(f"{carried}, {piece}" if carried else piece)
        if not addresses:
            carried = f"{carried}, {piece}".strip(", ")[:200]  # `Doe, Jane <jane@a.test>` without its quotes
            continue
        carried = ""
        found.extend(addresses)
        if len(found) > limit:
            return tuple(found[:limit]), True
    if carried and not found:
        found.extend(_from_decoded(carried))
    return tuple(found), False


def _split(text: str) -> list[str]:  # noqa: C901 - one pass over characters, a branch for each kind
    """Split at commas and semicolons outside quotes, comments, angles and encoded words, and behind `<...@...>`.

    An opening mark that never closes is text.
    """
    if not _SPECIAL.search(text):
        pieces = [piece.strip() for piece in text.split(",") if piece.strip()]
        if all(piece.count("<") < 2 for piece in pieces):  # noqa: PLR2004 - two would be two mailboxes, or nonsense
            return pieces
    pieces = []
    start = position = 0
    last_at, angle_end, last_semicolon = -1, -1, text.rfind(";")
    closable = {opening for opening, closing in _CLOSING.items() if closing in text}
    while position < len(text):
        char = text[position]
        if char == "@":
            last_at = position
        elif char in closable:
            end = _skip(text, position, _CLOSING[char])
            if end == position and char != "<":
                closable.discard(char)  # one that never closes: looking again for each would be quadratic
            elif char == "<" and end > position:
                if angle_end > 0:
                    pieces.append(text[start:angle_end])
                    start = angle_end
                angle_end = end + 1 if "@" in text[position:end] else angle_end
            position = end
        elif char in ",;":
            pieces.append(text[start:position])
            start, angle_end = position + 1, -1
        elif char == ":" and last_at < start and angle_end < 0 and last_semicolon > position:
            start = position + 1  # the name of a group
        elif char == "=" and (word := WORD.match(text, position)):
            position = word.end() - 1
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


def _read_all(piece: str) -> list[Address]:
    """Return the mailboxes of one piece: one, none, or several that have only blanks between them."""
    if piece.count("@") > 1 and "<" not in piece:
        words = piece.split()
        addresses = [Address(word) for word in words if _EMAIL.fullmatch(word)]
        if len(addresses) > 1 and len(addresses) >= len(words) - 1:
            return addresses
    found = _read(piece)
    return [found] if found else []


def _read(piece: str) -> Address | None:
    """Return the mailbox of one piece, None when it holds no address."""
    if _PLAIN.fullmatch(piece):
        return Address(piece.strip("."))
    if piece.startswith("=?") and piece.endswith("?="):  # name and address inside of one encoded word
        decoded = decode_words(piece)
        return _read(decoded.replace("=?", "")) if "@" in decoded else None
    opening = piece.rfind("<")
    if opening >= 0:
        return _read_angles(piece, opening)
    bare = _without_comments(piece)
    found = _EMAIL.search(bare)
    if found is None:
        decoded = decode_words(piece) if "=?" in piece else ""
        if "@" in decoded:
            return _read(decoded.replace("=?", ""))
        spelt = _SPELT.match(bare.strip())
        return Address(f"{spelt[1]}@{spelt[2]}", _comment(piece)) if spelt else None
    rest = _MAILTO.sub(" ", bare[: found.start()]) + " " + bare[found.end() :]
    return Address(found[0].strip("'."), _comment(piece) or _clean_name(rest.strip(" []<>'\"")))


def _read_angles(piece: str, opening: int) -> Address | None:
    """Return the mailbox of `name <address>`; what stands behind the angles names it when nothing stands before."""
    closing = piece.find(">", opening)
    email = _inner(piece[opening + 1 : closing if closing >= 0 else len(piece)])
    before, behind = piece[:opening].rstrip(" <"), piece[closing + 1 :].strip(" <>") if closing >= 0 else ""
    if "@" in email:
        name = _clean_name(before) or _comment(behind)
        return Address(email, name or ("" if "@" in behind else _clean_name(behind)))
    found = _EMAIL.search(before) or _EMAIL.search(behind)
    if found:
        rest = _clean_name(before.replace(found[0], ""))
        return Address(found[0], rest if rest.strip("[]()<>'\" ") else "")
    name = _clean_name(before)
    return Address(email, name) if name and email else None


def _inner(text: str) -> str:
    """Return the address between angle brackets without what does not belong to it."""
    if len(text) >= _MAX_INNER:
        return ""
    if _PLAIN.fullmatch(text):
        return text
    text = decode_words(text) if "=?" in text else text
    text = _ROUTE.sub("", _SCHEME.sub("", text.strip(" '")))  # RFC 5322 section 4.4: a source route goes
    quoted = _EMAIL.fullmatch(text)
    if quoted and text.startswith('"'):
        return text
    spelt = _SPELT.match(text)
    if spelt:
        return f"{spelt[1]}@{spelt[2]}"
    return re.sub(r"\s+|\([^()]*\)", "", text).strip("'\"")


def _from_decoded(text: str) -> list[Address]:
    name = _clean_name(text)
    found = _EMAIL.search(name)
    if found:
        return [Address(found[0], name[: found.start()].strip(" <\"'"))]
    local = re.fullmatch(r"([\w.+-]{1,64})\s*(?:\(([^()]*)\))?", text)  # `MAILER-DAEMON (Mail Delivery System)`
    if local:
        return [Address(local[1], _clean_name(local[2] or ""))]
    if text.startswith("(") or _NOBODY.match(name):
        return []
    name = name.strip(" <>")
    return [Address("", name)] if name else []


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
    return _BLANKS.sub(" ", name) if "  " in name else name
