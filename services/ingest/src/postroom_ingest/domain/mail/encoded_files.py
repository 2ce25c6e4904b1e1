"""Files that stand encoded in the text itself: uuencode and yEnc. Linear.

Source: IEEE Std 1003.1 (uuencode), yEnc draft 1.3.
"""

import re

from postroom_ingest.domain.mail.structure import uudecode

_UU_BEGIN = re.compile(r"begin [0-7]{3,4} (.{1,200})")
_UU_LINE = re.compile(r"[\x20-\x60]{1,62}")
_Y_BEGIN = re.compile(rb"(?m)^=ybegin [^\r\n]{0,200}?name=([^\r\n]{1,200})\r?\n(?:=ypart [^\r\n]{0,200}\r?\n)?")
_Y_END = re.compile(rb"(?m)^=yend(?: [^\r\n]{0,200})?(?:\r?\n|\Z)")
_Y_ESCAPE = re.compile(rb"=(.)", re.DOTALL)
_Y_ESCAPED = [bytes([(byte - 64) % 256]) for byte in range(256)]
_Y_CHUNK = 64 * 1024
_Y_SHIFT = bytes((byte - 42) % 256 for byte in range(256))


def take_uuencoded(text: str) -> tuple[str, list[tuple[str, bytes]]]:
    """Return the text without its uuencoded files, and these as (name, content)."""
    lines = text.split("\n")
    kept: list[str] = []
    files: list[tuple[str, bytes]] = []
    place = 0
    while place < len(lines):
        begin = _UU_BEGIN.fullmatch(lines[place].rstrip())
        end = _uu_end(lines, place + 1) if begin else None
        if begin is None or end is None:
            kept.append(lines[place])
            place += 1
            continue
        data = uudecode([line.encode("ascii", "replace") for line in lines[place + 1 : end]])
        files.append((begin[1], data))
        place = end + 1
    return "\n".join(kept), files


def _uu_end(lines: list[str], place: int) -> int | None:
    while place < len(lines) and _UU_LINE.fullmatch(lines[place].rstrip("\r")):
        if lines[place].rstrip() == "`" and place + 1 < len(lines) and lines[place + 1].strip() == "end":
            return place + 1
        place += 1
    return place if place < len(lines) and lines[place].strip() == "end" else None


def take_yencoded(data: bytes) -> tuple[bytes, list[tuple[str, bytes]]]:
    """Return the bytes of a text without its yEnc files, and these as (name, content); one without an end stays."""
    kept: list[bytes] = []
    files: list[tuple[str, bytes]] = []
    position = 0
    while begin := _Y_BEGIN.search(data, position):
        end = _Y_END.search(data, begin.end())
        if end is None:
            break
        body = data[begin.end() : end.start()].translate(None, b"\r\n")
        files.append((begin[1].decode("utf-8", "replace").strip(' "'), _y_decoded(body)))
        kept.append(data[position : begin.start()])
        position = end.end()
    return b"".join([*kept, data[position:]]), files


def _y_decoded(body: bytes) -> bytes:
    """Return the content; piece by piece, since a replaced match costs fifty times its bytes."""
    out = bytearray()
    position = 0
    while position < len(body):
        end = position + _Y_CHUNK
        escapes = len(body[position:end]) - len(body[position:end].rstrip(b"="))
        end += escapes % 2  # a piece does not end within an escape
        out += _Y_ESCAPE.sub(lambda found: _Y_ESCAPED[found[1][0]], body[position:end]).translate(_Y_SHIFT)
        position = end
    return bytes(out)
