"""RTF to plain text, or to the HTML that Outlook has wrapped into it. One pass, linear, never raises.

Source: Rich Text Format Specification 1.9.1 (destinations, character sets), [MS-OXRTFEX] (HTML in RTF), [MS-OXRTFCP]
(its compression). RTFDE and compressed_rtf were looked at: a grammar of lark and oletools for one pass of a stack.
"""

import codecs
import re
import struct
from dataclasses import dataclass, replace

MAX_RTF_BYTES = 2 * 1024 * 1024
"""Of all RTF in a mail: a second of work."""
_MAX_COMPRESSED = 1024 * 1024
_MAX_DEPTH = 500
_TOKEN = re.compile(
    rb"\\'([0-9a-fA-F]{2})|\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\([^a-zA-Z'])|([{}])|([^\\{}\r\n]+)|[\r\n]+|\\", re.DOTALL
)
_HIDDEN = frozenset(
    "fonttbl colortbl stylesheet info pict header headerl headerr headerf footer footerl footerr footerf object "  # noqa: SIM905 - reads as a list
    "listtable listoverridetable revtbl rsidtbl generator themedata datastore latentstyles xmlnstbl fldinst "
    "bkmkstart bkmkend filetbl mmathPr pntext".split()
)  # fmt: skip
_CHARACTERS = {"par": "\n", "line": "\n", "sect": "\n\n", "page": "\n\n", "row": "\n", "tab": "\t", "cell": "\t", "emdash": "—",
               "endash": "–", "lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”", "bullet": "•", "emspace": " ",
               "enspace": " "}  # fmt: skip
_SYMBOLS = {b"~": "\xa0", b"_": "-", b"{": "{", b"}": "}", b"\\": "\\", b"\n": "\n", b"\r": "\n"}
_CHARSETS = {0: "cp1252", 128: "cp932", 129: "cp949", 134: "gb18030", 136: "cp950", 161: "cp1253", 162: "cp1254", 163: "cp1258",
             177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250"}  # fmt: skip
_PRELOADED = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans Serif"
    b"SymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)


@dataclass(frozen=True, slots=True)
class _State:
    """What a closing brace brings back."""

    hidden: bool = False
    tag: bool = False
    """Inside of `\\*\\htmltag`: its text is HTML."""
    codec: str = "cp1252"
    skip: int = 1
    """Characters that stand for one `\\u` in old readers."""
    fonts: bool = False


@dataclass(slots=True)
class Allowance:
    """How many bytes of RTF may still be read of one mail, wherever they stand in it."""

    left: int = MAX_RTF_BYTES

    def take(self, wanted: int) -> int:
        """Return how many of the bytes that are wanted may be read."""
        given = min(wanted, self.left)
        self.left -= given
        return given


def read_rtf(data: bytes, allowance: Allowance) -> tuple[str, bool]:
    """Return the text of an RTF document and whether it is HTML that was wrapped."""
    data = data[: allowance.take(len(data))]
    if not data.lstrip().startswith(b"{\\rtf"):
        return "", False
    reader = _Reader(is_html=b"\\fromhtml" in data[:2_000])
    for token in _TOKEN.finditer(data):
        reader.take(token)
    reader.flush()
    text = "".join(reader.out)
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\x00", "")
    return (text if reader.is_html else text.strip()), reader.is_html


class _Reader:
    def __init__(self, *, is_html: bool) -> None:
        self.is_html = is_html
        self.out: list[str] = []
        self._state, self._stack, self._deeper = _State(), [_State()], 0
        self._bytes = bytearray()
        self._to_skip = 0
        self._starred = False
        self._suppressed = False
        self._default = "cp1252"
        self._fonts: dict[int, str] = {}
        self._font = 0

    def take(self, token: re.Match[bytes]) -> None:
        code, word, number, symbol, brace, text = token.groups()
        if brace:
            self._brace(brace)
        elif code:
            self._raw(bytes([int(code, 16)]))
        elif word:
            self._word(word.decode("ascii"), int(number) if number else None)
        elif symbol == b"*":
            self._starred = True
        elif symbol is not None:
            self._write(_SYMBOLS.get(symbol, ""))
        elif text:
            self._raw(text)

    def _brace(self, brace: bytes) -> None:
        self.flush()
        self._starred, self._to_skip = False, 0
        if brace == b"{":
            if len(self._stack) < _MAX_DEPTH:
                self._stack.append(self._state)
            else:
                self._deeper += 1
        elif self._deeper:
            self._deeper -= 1
        elif len(self._stack) > 1:
            self._state = self._stack.pop()

    def _word(self, word: str, number: int | None) -> None:
        starred, self._starred = self._starred, False
        if word == "u" and number is not None:
            self._write(chr(number & 0xFFFF))
            self._to_skip = self._state.skip
            return
        self.flush()
        if word == "htmlrtf":
            self._suppressed = number != 0
        elif word == "htmltag":
            self._state = replace(self._state, hidden=not self.is_html, tag=True)
        elif word == "fonttbl":
            self._state = replace(self._state, hidden=True, fonts=True)
        elif starred or word in _HIDDEN:
            self._state = replace(self._state, hidden=True)
        elif word in _CHARACTERS and not self._state.tag:
            self._write(_CHARACTERS[word])
        elif number is not None:
            self._set(word, number)

    def _set(self, word: str, number: int) -> None:
        if word == "ansicpg":
            self._default = _known(f"cp{number}") or "cp1252"
            self._state = replace(self._state, codec=self._default)
        elif word == "uc":
            self._state = replace(self._state, skip=min(max(number, 0), 10))
        elif word == "f" and self._state.fonts:
            self._font = number
        elif word == "f":
            self._state = replace(self._state, codec=self._fonts.get(number, self._default))
        elif word == "fcharset" and self._state.fonts and len(self._fonts) < _MAX_DEPTH and number in _CHARSETS:
            self._fonts[self._font] = _CHARSETS[number] if number else self._default

    def _raw(self, data: bytes) -> None:
        if self._to_skip:
            cut = min(self._to_skip, len(data))
            self._to_skip -= cut
            data = data[cut:]
        if data and self._shown():
            self._bytes += data

    def _write(self, text: str) -> None:
        self.flush()
        if self._shown():
            self.out.append(text)

    def _shown(self) -> bool:
        return not self._state.hidden and not (self.is_html and self._suppressed)

    def flush(self) -> None:
        if self._bytes:
            self.out.append(self._bytes.decode(self._state.codec, "replace"))
            self._bytes.clear()


def _known(codec: str) -> str | None:
    try:
        return codecs.lookup("utf-8" if codec == "cp65001" else codec).name
    except LookupError:
        return None


def decompress_rtf(data: bytes, most_bytes: int) -> bytes:
    """Return the RTF of a PR_RTF_COMPRESSED property, b'' when it is none; of its input 1 MiB is read. [MS-OXRTFCP] 2.2."""
    if len(data) < 16:  # noqa: PLR2004 - the header
        return b""
    _, raw_size, magic = struct.unpack_from("<III", data)
    if magic == 0x414C454D:  # noqa: PLR2004 - MELA: not compressed
        return data[16 : 16 + min(raw_size, most_bytes)]
    if magic != 0x75465A4C:  # noqa: PLR2004 - LZFu
        return b""
    return _inflate(data[16 : 16 + _MAX_COMPRESSED], min(raw_size, most_bytes))


def _inflate(data: bytes, limit: int) -> bytes:
    """Copy literals and references into the last 4,096 bytes. The window is the output itself behind the preloaded text."""
    out = bytearray(_PRELOADED)
    start = len(out)
    position = 0
    while position < len(data) and len(out) - start < limit:
        control = data[position]
        position += 1
        for bit in range(8):
            if position >= len(data):
                break
            if not control >> bit & 1:
                out.append(data[position])
                position += 1
                continue
            if position + 1 >= len(data):
                return bytes(out[start:])
            reference = data[position] << 8 | data[position + 1]
            position += 2
            here = len(out) % 4096
            distance = (here - (reference >> 4)) % 4096
            if distance == 0:
                return bytes(out[start:])  # the end mark
            _copy(out, distance, (reference & 15) + 2)
    return bytes(out[start : start + limit])


def _copy(out: bytearray, distance: int, length: int) -> None:
    source = len(out) - distance
    if source < 0:
        out += b" " * length  # before the preloaded text: a broken stream
    elif distance >= length:
        out += out[source : source + length]
    else:
        out += (bytes(out[source:]) * (length // distance + 1))[:length]
