"""What Outlook packed into winmail.dat: its text and its files. Total: lengths that lie are cut, never believed.

Source: [MS-OXTNEF] sections 2.1 (attributes) and 2.1.3 (MAPI properties), [MS-OXPROPS]. tnefparse (last release of 2021)
was looked at: it raises on short input and copies all that a length field promises.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from postroom_ingest.domain.mail.charsets import decode_bytes
from postroom_ingest.domain.mail.rtf import Allowance, decompress_rtf, read_rtf

SIGNATURE = b"\x78\x9f\x3e\x22"
_MAX_FILES = 200
_MAX_ATTRIBUTES = 10_000
_MAX_PROPERTIES = 2_000
_MAX_NESTING = 3
_NEW_ATTACHMENT, _TITLE, _DATA, _ATTACHMENT_PROPERTIES = 0x9002, 0x8010, 0x800F, 0x9005
_MESSAGE_PROPERTIES, _BODY, _CODEPAGE, _SUBJECT = 0x9003, 0x800C, 0x9007, 0x8004
_FIXED = {0x02: 4, 0x03: 4, 0x04: 4, 0x05: 8, 0x06: 8, 0x07: 8, 0x0A: 4, 0x0B: 4, 0x14: 8, 0x40: 8, 0x48: 16}
_VARIABLE = frozenset({0x1E, 0x1F, 0x0102, 0x0D})
_P_TEXT, _P_RTF, _P_HTML, _P_CODEPAGE, _P_SUBJECT = 0x1000, 0x1009, 0x1013, 0x3FDE, 0x0037
_P_NAME, _P_SHORT_NAME, _P_LONG_NAME, _P_OBJECT = 0x3001, 0x3704, 0x3707, 0x3701
_P_TYPE, _P_CONTENT_ID = 0x370E, 0x3712
_MESSAGE_INTERFACE = bytes.fromhex("0703020000000000c000000000000046")


@dataclass(slots=True)
class PackedFile:
    """A file out of winmail.dat; `name` and `content_type` are '' when they were not given."""

    name: str = ""
    content_type: str = ""
    content_id: str | None = None
    content: bytes = b""


@dataclass(slots=True)
class Packed:
    """What a TNEF stream holds; `broken` says that it ended early or lied."""

    text: str = ""
    html: str = ""
    subject: str = ""
    files: list[PackedFile] = field(default_factory=list)
    broken: bool = False


def unpack(data: bytes, allowance: Allowance, depth: int = 0) -> Packed | None:
    """Return what the stream holds, None when it is no TNEF at all. At most 200 files, three messages within another."""
    if not data.startswith(SIGNATURE):
        return None
    packed, codec, rtf = Packed(), "cp1252", b""
    for name, value in _attributes(data, packed):
        if name == _CODEPAGE and len(value) >= 4:  # noqa: PLR2004 - the first of two numbers
            codec = f"cp{struct.unpack_from('<I', value)[0]}"
        elif name == _NEW_ATTACHMENT:
            if len(packed.files) >= _MAX_FILES:
                packed.broken = True
                break
            packed.files.append(PackedFile())
        elif name in {_BODY, _SUBJECT}:
            text = _string(value, codec)
            packed.text, packed.subject = (text, packed.subject) if name == _BODY else (packed.text, text)
        elif name == _MESSAGE_PROPERTIES:
            rtf = _message(value, codec, packed, allowance) or rtf
        elif packed.files:
            _file(name, value, codec, packed, allowance, depth)
    _read_rtf(rtf, packed, allowance)
    return packed


def _attributes(data: bytes, packed: Packed) -> Iterator[tuple[int, memoryview]]:
    """Yield (name, value) of each attribute; a length beyond the end is cut there."""
    view, position = memoryview(data), 6
    for _ in range(_MAX_ATTRIBUTES):
        if position + 9 > len(data):
            packed.broken = packed.broken or position < len(data)
            return
        name, _kind, length = struct.unpack_from("<HHI", data, position + 1)
        begin = position + 9
        packed.broken = packed.broken or begin + length > len(data)
        yield name, view[begin : begin + length]
        position = begin + length + 2
    packed.broken = True


def _message(value: memoryview, codec: str, packed: Packed, allowance: Allowance) -> bytes:
    found = dict(reversed(list(_properties(value, packed))))
    kind_text = found.get(_P_TEXT)
    if kind_text:
        packed.text = _typed(*kind_text, codec)
    if _P_SUBJECT in found:
        packed.subject = _typed(*found[_P_SUBJECT], codec)
    if _P_HTML in found:
        page = found[_P_CODEPAGE][1] if _P_CODEPAGE in found else b""
        number = struct.unpack_from("<I", page)[0] if len(page) >= 4 else 0  # noqa: PLR2004 - 65001 is UTF-8
        charset = "utf-8" if number in {0, 65001} else f"cp{number}"
        packed.html = _typed(*found[_P_HTML], charset)
    return decompress_rtf(bytes(found[_P_RTF][1]), allowance.left) if _P_RTF in found else b""


def _read_rtf(rtf: bytes, packed: Packed, allowance: Allowance) -> None:
    if not rtf or packed.html:
        return
    text, is_html = read_rtf(rtf, allowance)
    if is_html:
        packed.html = text
    elif not packed.text.strip():
        packed.text = text


def _file(name: int, value: memoryview, codec: str, packed: Packed, allowance: Allowance, depth: int) -> None:
    current = packed.files[-1]
    if name == _TITLE:
        current.name = current.name or _string(value, codec)
    elif name == _DATA:
        current.content = bytes(value)
    elif name == _ATTACHMENT_PROPERTIES:
        found = dict(reversed(list(_properties(value, packed))))
        for key in (_P_LONG_NAME, _P_SHORT_NAME, _P_NAME):
            if key in found and (text := _typed(*found[key], codec)):
                current.name = text
                break
        current.content_type = _typed(*found[_P_TYPE], codec) if _P_TYPE in found else current.content_type
        current.content_id = _typed(*found[_P_CONTENT_ID], codec) or None if _P_CONTENT_ID in found else None
        if _P_OBJECT in found:
            _embedded(found[_P_OBJECT][1], packed, current, allowance, depth)


def _embedded(value: memoryview, packed: Packed, current: PackedFile, allowance: Allowance, depth: int) -> None:
    """Take a message within the message: its text becomes a file, its files stand beside it."""
    inner_bytes = bytes(value[16:]) if bytes(value[:16]) == _MESSAGE_INTERFACE else bytes(value)
    inner = unpack(inner_bytes, allowance, depth + 1) if depth < _MAX_NESTING else None
    if inner is None:
        current.content = current.content or bytes(value)
        return
    packed.broken = packed.broken or inner.broken
    current.content = (inner.html or inner.text).encode("utf-8", "replace")
    current.content_type = "text/html" if inner.html else "text/plain"
    current.name = (inner.subject or current.name or "message") + (".html" if inner.html else ".txt")
    packed.files[-1:-1] = inner.files[: _MAX_FILES - len(packed.files)]


def _properties(value: memoryview, packed: Packed) -> Iterator[tuple[int, tuple[int, memoryview]]]:
    """Yield (id, (type, value)); of several values the first."""
    if len(value) < 4:  # noqa: PLR2004 - the number of properties
        return
    position = 4
    for _ in range(min(struct.unpack_from("<I", value)[0], _MAX_PROPERTIES)):
        if position + 4 > len(value):
            packed.broken = True
            return
        kind, number = struct.unpack_from("<HH", value, position)
        position += 4
        try:
            if number >= 0x8000:  # noqa: PLR2004 - a named property
                position = _behind_name(value, position)
            held, position = _value(value, position, kind)
        except (struct.error, ValueError):
            packed.broken = True
            return
        yield number, (kind & 0x0FFF, held)


def _behind_name(value: memoryview, position: int) -> int:
    by_name: int = struct.unpack_from("<I", value, position + 16)[0]
    if not by_name:
        return position + 24
    length: int = struct.unpack_from("<I", value, position + 20)[0]
    return position + 24 + (length + 3) // 4 * 4


def _value(value: memoryview, position: int, kind: int) -> tuple[memoryview, int]:
    base = kind & 0x0FFF
    several = bool(kind & 0x1000)
    if base in _FIXED:
        count = 1
        if several:
            count = struct.unpack_from("<I", value, position)[0]
            position += 4
        end = position + _FIXED[base] * count
        if end > len(value):
            raise ValueError
        return value[position : position + _FIXED[base]], end
    if base not in _VARIABLE:
        raise ValueError
    count = struct.unpack_from("<I", value, position)[0]
    position += 4
    first: memoryview | None = None
    for _ in range(min(count, _MAX_PROPERTIES)):
        length = struct.unpack_from("<I", value, position)[0]
        held = value[position + 4 : position + 4 + length]
        first = held if first is None else first
        position += 4 + (length + 3) // 4 * 4
    return first if first is not None else value[:0], position


def _typed(kind: int, value: memoryview, codec: str) -> str:
    if kind == 0x1F:  # noqa: PLR2004 - Unicode
        return bytes(value).decode("utf-16-le", "replace").replace("\x00", "")
    return _string(value, codec)


def _string(value: memoryview, codec: str) -> str:
    return decode_bytes(bytes(value).rstrip(b"\x00"), codec)[0]
