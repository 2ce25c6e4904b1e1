"""Header fields of a mail: split, unfold, decode. Linear in the size, never raises.

Source: RFC 5322 section 2.2 (fields), RFC 2047 (encoded words), RFC 2231 (parameters), RFC 6532 (UTF-8 in headers).
"""

import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from postroom_ingest.domain.mail.charsets import decode_bytes

MAX_HEADER_BYTES = 512 * 1024
"""What is read of a header block; Postfix stops at 100 KiB (header_size_limit), Exim at 1 MiB."""
LONG_HEADERS = "headers longer than 512 KiB, only their beginning was read"
_MAX_PARAMETERS = 200
_END = re.compile(rb"\n[ \t]*\r?\n(?![ \t])|\n\r?\n")
_FIELD = re.compile(rb"([!-9;-~]{1,100})[ \t]*:(.*)", re.DOTALL)
_KNOWN = re.compile(
    rb"(?im)^(?:from|to|cc|subject|date|message-id|mime-version|content-[a-z-]+|received|return-path|reply-to|references|"
    rb"in-reply-to|sender|x-mailer)[ \t]*:"
)
_FOLDS = re.compile(r"(?<![ \t])[ \t]*+[\r\n][ \t\r\n]*+|\t")
_LINES = re.compile(r"[\x0b\x0c\x85\u2028\u2029]+")
_BINARY = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Headers:
    """Fields of one part in their order: (lower-case name, raw value with its folds)."""

    fields: tuple[tuple[str, bytes], ...]
    index: Mapping[str, bytes] = field(default_factory=dict)
    """The first value of each name that holds something."""
    ascii: bool = True

    def raw(self, name: str) -> bytes:
        """Return the first value of a field, b'' when there is none."""
        return self.index.get(name, b"")

    def all(self, name: str) -> list[bytes]:
        return [value for key, value in self.fields if key == name]

    def plain(self, name: str) -> str:
        """Return the first value unfolded, in one line, encoded words left alone; '' when there is none."""
        value = self.index.get(name)
        return "" if value is None else unfold(value)


def split_headers(data: bytes, start: int, stop: int, warnings: list[str]) -> tuple[Headers, int]:
    """Return the fields of the part that lies in data[start:stop] and the offset at which its body begins.

    A line that is no field is glued to the one before it when known fields still follow (a fold that lost its
    blank), and is the begin of the body otherwise (the empty line is missing).
    """
    block_end = _block_end(data, start, stop)
    body = block_end
    if block_end == start + MAX_HEADER_BYTES < stop:
        warnings.append(LONG_HEADERS)
        rest = _END.search(data, block_end - 2, stop)
        body = rest.end() if rest else stop
    fields: list[tuple[str, list[bytes]]] = []
    position = start
    while position < block_end:
        end = data.find(b"\n", position, block_end) + 1 or block_end
        line = data[position:end]
        found = None if line[0] in b" \t" else _FIELD.match(line)
        if found:
            fields.append((found[1].decode("ascii").lower(), [found[2]]))
        elif line[0] in b" \t" and fields:
            fields[-1][1].append(line)
        elif line.strip() and not line.startswith((b"From ", b">From ")):
            if not _KNOWN.search(data, end, block_end):
                warnings.append("no empty line between headers and body")
                return _headers(fields, ascii_only=data[start:position].isascii()), position
            warnings.append("a broken header line")
            if fields:
                fields[-1][1].append(b" " + line)
        position = end
    return _headers(fields, ascii_only=data[start:block_end].isascii()), body


def _headers(fields: list[tuple[str, list[bytes]]], *, ascii_only: bool) -> Headers:
    done = tuple((name, b"".join(pieces)) for name, pieces in fields)
    return Headers(done, first_values(done), ascii_only)


def first_values(fields: tuple[tuple[str, bytes], ...]) -> dict[str, bytes]:
    """Return the first value of each name that holds something."""
    index = dict(reversed(fields))
    if len(index) < len(fields):  # only then may one that holds nothing hide another
        index.update(dict(reversed([pair for pair in fields if not pair[1].isspace()])))
    return index


def _block_end(data: bytes, start: int, stop: int) -> int:
    """Return the offset behind the empty line that ends the header block."""
    if data.startswith((b"\n", b"\r\n"), start, stop):
        return data.index(b"\n", start) + 1
    limit = min(stop, start + MAX_HEADER_BYTES)
    found = _END.search(data, start, limit)
    while found and found[0].strip(b"\r\n") and _KNOWN.match(data, found.end()):  # a fold of blanks alone
        found = _END.search(data, found.end() - 1, limit)
    return found.end() if found else limit


def unfold(raw: bytes, charset: str | None = None) -> str:
    """Return one line of text: folds become a blank, raw 8-bit bytes are decoded, control characters go."""
    if raw.isascii() and b"\x1b" not in raw:
        text = raw.decode("ascii")
    else:
        text = decode_bytes(raw, None if is_utf8(raw) else charset)[0]
    text = text.strip()
    if "\n" in text or "\t" in text or "\r" in text:
        text = _FOLDS.sub(" ", text)
    return text if text.isprintable() else _BINARY.sub("", _LINES.sub(" ", text))


def is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def unfold_text(text: str) -> str:
    """Return the text in one line."""
    return _FOLDS.sub(" ", text).strip()


def decode_words(value: str, warnings: list[str] | None = None, *, once_more: bool = True) -> str:
    """Return the text with its encoded words decoded (RFC 2047), also those that are not quite right.

    Broken forms that are read: blanks inside a word, no blank between words, words inside quotes, a character cut
    between two words of one charset, a missing end. What was repaired is added to `warnings`.
    """
    if "=?" not in value:
        return value
    if warnings is not None and "=?" in WORD.sub("", value):
        warnings.append("a broken encoded word was read")
    out: list[str] = []
    pending: tuple[str, bytearray] | None = None
    position = 0
    while True:
        start = value.find("=?", position)
        word = _read_word(value, start) if start >= 0 else None
        if start >= 0 and word is None:
            _flush(pending, out, warnings)
            pending = None
            out.append(value[position : start + 2])
            position = start + 2
            continue
        between = value[position:start] if start >= 0 else value[position:]
        if between and not (pending is not None and word is not None and between.isspace()):
            _flush(pending, out, warnings)
            pending = None
            out.append(between)
        if word is None:
            break
        charset, data, position = word
        if pending is not None and pending[0].lower() == charset.lower():
            pending[1].extend(data)
        else:
            _flush(pending, out, warnings)
            pending = (charset, bytearray(data))
    _flush(pending, out, warnings)
    text = unfold_text("".join(out))
    # Some programs encode what was encoded already; once more is enough for those, and bounded for all others.
    return decode_words(text, once_more=False) if once_more and text.startswith("=?") and WORD.fullmatch(text) else text


def _flush(pending: tuple[str, bytearray] | None, out: list[str], warnings: list[str] | None) -> None:
    if pending is not None:
        text, warning = decode_bytes(bytes(pending[1]), pending[0])
        if warning and warnings is not None:
            warnings.append(f"an encoded word: {warning}")
        out.append(_BINARY.sub("", text))


_WORD_HEAD = re.compile(r"=\?([^?\s*]{0,60})(?:\*[^?\s]{0,20})?\?([bBqQ])\?")
WORD = re.compile(r"=\?[^?\s]{0,80}\?[bBqQ]\?[^?\s]{0,2000}\?=")
"""One encoded word as RFC 2047 has it."""
_WORD_END = re.compile(r"\?=(?![0-9A-F]{2}[^?\s]{0,80}\?=)")
"""A question mark that was not encoded, before an encoded character (`?=3D?=`), ends nothing."""


def _read_word(value: str, start: int) -> tuple[str, bytes, int] | None:
    head = _WORD_HEAD.match(value, start)
    if head is None:
        return None
    following = value.find("=?", head.end())
    interrupted = following >= 0 and _WORD_HEAD.match(value, following) is not None
    limit = following if interrupted else len(value)
    ending = _WORD_END.search(value, head.end(), limit) if head[2] in "qQ" else None
    end = ending.start() if ending else value.find("?=", head.end(), limit)
    if end >= 0:
        content, stop = value[head.end() : end], end + 2
    elif interrupted:  # this word lost its end
        content, stop = value[head.end() : following].rstrip(" ?="), following
    else:
        content, stop = value[head.end() :].rstrip(" ?"), len(value)
    return head[1], _word_bytes(head[2], content), stop


def _word_bytes(encoding: str, content: str) -> bytes:
    data = content.encode("utf-8", "replace")
    if encoding in "bB":
        return decode_base64(data)[0]
    return binascii.a2b_qp(data.replace(b" ", b"_"), header=True)


_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]+")


def decode_base64(data: bytes) -> tuple[bytes, bool]:
    """Return the decoded bytes and whether something was repaired (padding, foreign bytes, several pieces)."""
    try:
        return binascii.a2b_base64(data, strict_mode=True), False
    except binascii.Error:
        pass
    clean = _NOT_BASE64.sub(b"", data)
    repaired = len(clean) != len(data) - data.count(b"\n") - data.count(b"\r") - data.count(b" ")
    out = bytearray()
    for piece in re.split(rb"=+", clean) if b"=" in clean.rstrip(b"=") else [clean.rstrip(b"=")]:
        usable = piece[: len(piece) - 1] if len(piece) % 4 == 1 else piece
        repaired = repaired or len(usable) != len(piece)
        out += binascii.a2b_base64(usable + b"=" * (-len(usable) % 4))
    return bytes(out), repaired


def parse_parameters(raw: bytes, charset: str | None = None) -> tuple[str, dict[str, str]]:
    """Return a structured value and its parameters: (`text/plain`, {`charset`: `utf-8`}), names in lower case.

    Reads RFC 2231 continuations and charsets, encoded words where none are allowed, unquoted values with blanks,
    and raw 8-bit names (in `charset`, else detected). At most 200 parameters.
    """
    value, *pieces = _split_parameters(unfold(raw, charset))
    if "=" in value or " " in value or "," in value:
        value, pieces = _parted_value(value, pieces)
    plain: dict[str, str] = {}
    parts: dict[str, dict[int, tuple[str, bool]]] = {}
    for piece in pieces:
        name, equals, content = piece.partition("=")
        if not equals:
            name, equals, content = piece.partition(":")
        name = name.strip().lower()
        if equals and name:
            content = content.strip()
            _keep_parameter(name, content if content.startswith("=?") else content.lstrip(" ="), plain, parts)
    for name, numbered in parts.items():
        plain[name] = _join_continuations(numbered)
    return value.strip().strip('"').lower(), plain


_PARTED = re.compile(r"\s*([\w.+-]{1,80}(?:\s*/\s*[\w.+-]{1,80})?)(?:\([^()]*\)|[\s,])+(.*)", re.DOTALL)


def _parted_value(value: str, pieces: list[str]) -> tuple[str, list[str]]:
    """Part a value from a comment, and from parameters that lack the semicolon before them."""
    found = _PARTED.fullmatch(value)
    if found is None:
        return ("", [value, *pieces]) if "=" in value and "/" not in value.split("=", 1)[0] else (value, pieces)
    return found[1], [found[2], *pieces] if "=" in found[2] else pieces


def _keep_parameter(
    name: str, content: str, plain: dict[str, str], parts: dict[str, dict[int, tuple[str, bool]]]
) -> None:
    quoted = content.startswith('"')
    content = _unquote(content)
    base, star, tail = name.partition("*")
    if not star:
        plain.setdefault(name, content if quoted and "=?" not in content else decode_words(content))
        return
    number, extended = tail.rstrip("*"), tail.endswith("*") or not tail
    index = int(number) if number.isascii() and number.isdigit() and len(number) < 4 else 0  # noqa: PLR2004
    parts.setdefault(base, {}).setdefault(index, (content, extended))


def _join_continuations(numbered: Mapping[int, tuple[str, bool]]) -> str:
    charset, data = "", bytearray()
    for place, index in enumerate(sorted(numbered)):
        content, extended = numbered[index]
        if extended and place == 0 and content.count("'") >= 2:  # noqa: PLR2004 - charset'language'value
            charset, _, content = content.split("'", 2)
        data += unquote_to_bytes(content) if extended else content.encode("utf-8", "replace")
    return decode_words(decode_bytes(bytes(data), charset or None)[0])


_PIECE = re.compile(r'(?:[^;"\\]++|\\.|"(?:[^"\\]++|\\.)*+"|["\\])*+', re.DOTALL)


def _split_parameters(text: str) -> list[str]:
    """Split at semicolons outside quotes; a quote that never closes is an ordinary character."""
    if '"' not in text or text.count('"') % 2:
        return text.split(";", _MAX_PARAMETERS)
    pieces: list[str] = []
    position = 0
    while len(pieces) < _MAX_PARAMETERS:
        found = _PIECE.match(text, position)
        end = found.end() if found else len(text)
        pieces.append(text[position:end])
        if end >= len(text):
            return pieces
        position = end + 1
    return [*pieces, text[position:]]


def _unquote(content: str) -> str:
    if content.startswith('"'):
        end = content.rfind('"')
        inner = content[1:end] if end > 0 else content[1:]
        return re.sub(r'\\(["\\])', r"\1", inner)
    return content.strip("'") if content.startswith("'") and content.endswith("'") else content


def join_text(values: Iterable[str], separator: str = "\n\n") -> str:
    """Return the texts that hold something, joined."""
    return separator.join(value.strip("\n") for value in values if value.strip())
