"""Bytes to text for any charset that a mail may name, or fail to name. Nothing here raises.

Order: a byte order mark, the declared charset (read the way mail programs mean it), UTF-8, what charset-normalizer
detects, and at last replacement characters. Source of the aliases: WHATWG Encoding Standard (labels and supersets),
RFC 1557 and RFC 1842 for the old Korean and Chinese names.
"""

import codecs
import re
from functools import lru_cache

from charset_normalizer import from_bytes

from postroom_ingest.domain.mail.detection import detect, reads_badly

_ALIASES = {
    "ascii": "cp1252",
    "us-ascii": "cp1252",
    "ansi-x3.4-1968": "cp1252",
    "646": "cp1252",
    "iso-8859-1": "cp1252",  # WHATWG: what is labelled Latin-1 is Windows-1252
    "iso8859-1": "cp1252",
    "8859-1": "cp1252",
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "l1": "cp1252",
    "iso-8859-9": "cp1254",
    "latin5": "cp1254",
    "iso-8859-11": "cp874",
    "tis-620": "cp874",
    "windows-874": "cp874",
    "dos-874": "cp874",
    "gb2312": "gb18030",
    "gb-2312": "gb18030",
    "gb2312-80": "gb18030",
    "csgb2312": "gb18030",
    "gb-2312-80": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "cp936": "gb18030",
    "windows-936": "gb18030",
    "euc-cn": "gb18030",
    "x-euc-cn": "gb18030",
    "cn-gb": "gb18030",
    "hz-gb-2312": "hz",
    "ks-c-5601-1987": "cp949",
    "ks-c-5601-1989": "cp949",
    "ks-c-5601": "cp949",
    "ksc5601": "cp949",
    "ksc-5601": "cp949",
    "euc-kr": "cp949",
    "x-euc-kr": "cp949",
    "korean": "cp949",
    "windows-949": "cp949",
    "big5": "big5hkscs",
    "cn-big5": "big5hkscs",
    "x-x-big5": "big5hkscs",
    "big-5": "big5hkscs",
    "shift-jis": "cp932",
    "shiftjis": "cp932",
    "sjis": "cp932",
    "x-sjis": "cp932",
    "ms-kanji": "cp932",
    "windows-31j": "cp932",
    "x-euc-jp": "euc_jp",
    "iso-2022-jp": "iso2022_jp_ext",
    "csiso2022jp": "iso2022_jp_ext",
    "iso-2022-jp-ms": "iso2022_jp_ext",
    "cp50220": "iso2022_jp_ext",
    "cp50221": "iso2022_jp_ext",
    "unicode-1-1-utf-7": "utf-7",
    "unicode-1-1-utf-8": "utf-8",
    "utf8mb4": "utf-8",
    "utf-8mb4": "utf-8",
    "iso-8859-8-i": "iso8859-8",
    "iso-8859-8-e": "iso8859-8",
    "iso-8859-6-i": "iso8859-6",
    "x-mac-roman": "mac_roman",
    "macintosh": "mac_roman",
    "x-mac-cyrillic": "mac_cyrillic",
    "x-mac-ukrainian": "mac_cyrillic",
    "koi8": "koi8-r",
    "x-mac-ce": "mac_latin2",
    "x-mac-centraleurroman": "mac_latin2",
    "x-mac-greek": "mac_greek",
    "x-mac-turkish": "mac_turkish",
    "x-mac-icelandic": "mac_iceland",
    "x-mac-japanese": "cp932",
    "x-mac-chinesesimp": "gb18030",
    "x-mac-chinesetrad": "big5hkscs",
    "x-mac-korean": "cp949",
    "x-johab": "johab",
    "iso-2022-cn": "iso-2022-cn",
    "iso-2022-cn-ext": "iso-2022-cn",
    "visual": "iso8859-8",
    "logical": "iso8859-8",
    "windows-1252http-equivcontent-type": "cp1252",
    "unicode": "utf-16",
    "ucs-2": "utf-16",
    "iso-10646-ucs-2": "utf-16",
}
# Text codecs of Python that are no mail charsets; some of them are quadratic (punycode, idna) or run escapes.
_NO_CHARSETS = frozenset(
    {"idna", "punycode", "raw-unicode-escape", "raw_unicode_escape", "undefined", "unicode-escape"}
)
_NO_CHARSETS_MORE = frozenset({"unicode_escape", "mbcs", "oem", "charmap"})
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SUPERSETS = {"gb18030": "gb18030", "big5hkscs": "cp950", "euc_jp": "cp932", "cp1254": "cp1254"}
_WORTH_DETECTING_BYTES = 16
_DETECT_FROM_BYTES = 16_384
_FEW_ERRORS = 0.02
_NULLS = 0.2
_FEWEST_WIDE = 8
_JAPANESE = re.compile(rb"\x1b\$[@B]")
_SEVEN_BIT_MULTIBYTE = frozenset({"iso2022_jp_ext", "iso2022_jp", "iso2022_kr", "iso-2022-cn", "hz", "utf-7"})
_MULTIBYTE_UTF8 = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_CUT_UTF8 = re.compile(rb"(?:[\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf4][\x80-\xbf]{0,2})\Z")
_NAMED_INSIDE = re.compile(
    r"utf-?8|iso-?8859-?\d{1,2}|(?:windows|cp)-?125\d|koi8-?[ru]|gb-?2312|gbk|gb18030|big5|shift-?jis|iso-2022-jp|euc-(?:jp|kr)"
)


@lru_cache(maxsize=512)
def python_codec(label: str) -> str | None:
    """Return the name of the codec that reads what mails label so, or None when nobody knows the label."""
    name = re.sub(r"^[\s\"'_=]+|[\s\"';,]+$", "", label[:60]).lower().replace("_", "-").replace(" ", "-")
    name = name.split("$", 1)[0].split("*", 1)[0].strip("-")
    name = _ALIASES.get(name) or _ALIASES.get(name.removeprefix("x-"), name)
    name = re.sub(r"^(?:x-)?(?:windows|cp|win|ibm|microsoft-cp)-?(\d{3,4})$", r"cp\1", name)
    if name == "iso-2022-cn":  # Python has no codec for it
        return name
    codec = _looked_up(name)
    if codec is None and name not in _NO_CHARSETS:
        inside = _NAMED_INSIDE.search(name)  # `utf-8format=flowed`, `charset=utf-8`
        codec = python_codec(inside[0]) if inside and inside[0] != name else None
    return codec


def _looked_up(name: str) -> str | None:
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError, UnicodeError):
        return None
    textual = getattr(info, "_is_text_encoding", True)
    return info.name if textual and info.name not in _NO_CHARSETS | _NO_CHARSETS_MORE else None


def decode_bytes(data: bytes, declared: str | None) -> tuple[str, str | None]:
    """Return the text, without null characters, and a warning when the declared charset was not enough (else None).

    Time is linear in the size: detection looks at the first 16 KiB only.
    """
    text, warning = _decode(data, declared)
    return (text.replace("\x00", ""), warning or "null characters were left out") if "\x00" in text else (text, warning)


def _decode(data: bytes, declared: str | None) -> tuple[str, str | None]:
    codec = python_codec(declared) if declared else None
    if data.isascii() and codec not in _SEVEN_BIT_MULTIBYTE and b"\x00" not in data:
        if b"\x1b$" in data and _JAPANESE.search(data):
            return _decode_japanese(
                data
            ), None if declared and "2022" in declared else "charset detected as iso-2022-jp"
        return data.decode("ascii"), _ascii_warning(declared, codec)
    if codec == "utf-8" and not data.startswith(codecs.BOM_UTF8) and (text := _strictly(data, codec)) is not None:
        return text, None
    for mark, name in _MARKS:
        if data.startswith(mark):
            return data[len(mark) if name == "utf-8" else 0 :].decode(name, "replace"), None
    if (codec or "").startswith(("utf-16", "utf-32")) or data.find(b"\x00", 0, _DETECT_FROM_BYTES) >= 0:
        wide = _wide(data, codec)
        if wide is not None:
            return wide, None if codec and "utf" in codec[:3] else "missing charset detected as utf-16"
    if codec is not None:
        text = _strictly(data, codec)
        if text is not None:
            return _checked(text, data, declared, codec)
    return _decode_undeclared(data, declared, codec)


def _ascii_warning(declared: str | None, codec: str | None) -> str | None:
    if declared and codec is None:
        return f"unknown charset {_short(declared)}"
    return f"charset {_short(declared)} was us-ascii" if (codec or "").startswith(("utf-16", "utf-32")) else None


def _checked(text: str, data: bytes, declared: str | None, codec: str) -> tuple[str, str | None]:
    """Return the text, or another reading of it where the charset that was named can be any bytes and reads badly.

    Mails that say "us-ascii" or "iso-8859-1" and hold valid multibyte UTF-8 mean UTF-8.
    """
    if codec != "cp1252":
        return text, None
    better = _strictly(data, "utf-8")
    if better is not None:
        return better, f"charset {_short(declared)} was utf-8"
    detected = detect(data) if reads_badly(data) else None
    other = _strictly(data, detected) if detected not in {None, "cp1252"} else None
    return (text, None) if other is None else (other, f"charset {_short(declared)} detected as {detected}")


def _wide(data: bytes, codec: str | None) -> str | None:
    """Read UTF-16 or UTF-32 without its mark, by where the null bytes of ASCII characters stand (RFC 2781: big first)."""
    if codec and "32" in codec:
        return data.decode("utf-32-be" if data[:1] == b"\x00" else "utf-32-le", "replace")
    sample = data[:_DETECT_FROM_BYTES]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if codec and codec.startswith("utf-16"):
        little = codec.endswith("le") if even == odd else odd > even
    elif len(sample) < _FEWEST_WIDE or max(even, odd) < _NULLS * len(sample) or min(even, odd) > max(even, odd) / 4:
        return None
    else:
        little = odd > even
    return data.decode("utf-16-le" if little else "utf-16-be", "replace")


def _strictly(data: bytes, codec: str | None) -> str | None:
    if codec is None:
        return None
    if codec.startswith("iso2022_jp"):
        return _decode_japanese(data)
    if codec == "iso-2022-cn":
        return _decode_chinese(data)
    try:
        text = data.decode(codec)
        # Python's UTF-7 gives halves of characters, which nothing else can take.
        return text if codec != "utf-7" else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    except (UnicodeError, ValueError):
        pass
    superset = _SUPERSETS.get(codec)
    try:
        return data.decode(superset) if superset else None
    except (UnicodeError, ValueError):
        return None


def _decode_undeclared(data: bytes, declared: str | None, codec: str | None) -> tuple[str, str]:
    said = f"charset {_short(declared)}" if declared else "missing charset"
    utf8 = _strictly(data, "utf-8")
    if utf8 is not None:
        return utf8, f"{said} was utf-8"
    mended = _almost(data, codec) or (_almost(data, "utf-8") if codec != "utf-8" else None)
    if mended is not None:
        return mended, f"bytes that are not {_short(declared or 'utf-8')} were replaced"
    detected = detect(data) or (_detect(data) if len(data) >= _WORTH_DETECTING_BYTES else None)
    text = _strictly(data, detected)
    if text is not None:
        return text, f"{said} read as windows-1252" if detected == "cp1252" else f"{said} detected as {detected}"
    try:
        return data.decode("cp1252"), f"{said} read as windows-1252"
    except UnicodeDecodeError:
        return data.decode("latin-1"), f"{said} read as iso-8859-1"


def _almost(data: bytes, codec: str | None) -> str | None:
    """Return the text when only a few bytes are not of the charset; a character cut at the end goes without a trace."""
    if codec in {None, "cp1252", "utf-7"}:
        return None
    if codec == "utf-8":
        if not _MULTIBYTE_UTF8.search(data):
            return None
        if b"\xed" in data:
            data = _SURROGATES.sub(_joined_surrogates, data)
        data = _CUT_UTF8.sub(b"", data)
    mended = data.decode(codec or "utf-8", "replace")
    wrong = mended.count("\ufffd")
    foreign = sum(map("\x7f".__lt__, mended)) - wrong
    return mended if wrong <= 1 + _FEW_ERRORS * len(mended) and (foreign >= wrong) else None


_SURROGATES = re.compile(rb"\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]")


def _joined_surrogates(found: re.Match[bytes]) -> bytes:
    """Return one character out of two halves that were encoded apart. Source: Unicode TR 26 (CESU-8)."""
    return found[0].decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass").decode("utf-16").encode()


def _detect(data: bytes) -> str | None:
    try:
        best = from_bytes(data[:_DETECT_FROM_BYTES]).best()
    except Exception:  # noqa: BLE001 - a detector's own bug must not lose a mail; the caller falls back
        return None
    return python_codec(best.encoding) if best is not None else None


def _decode_chinese(data: bytes) -> str:
    """Read ISO-2022-CN: shift out and in around GB 2312 (or CNS 11643, which is not read). Source: RFC 1922."""
    pieces = re.split(rb"\x1b\$[)*+][A-Z]|\x1b[NO]", data.replace(b"\x1b$)A", b""))
    out: list[str] = []
    for piece in b"".join(pieces).split(b"\x0e"):
        shifted, _, plain = piece.partition(b"\x0f") if out else (b"", b"", piece)
        out.append(bytes(byte | 0x80 for byte in shifted).decode("gb18030", "replace") + _ascii(plain))
    return "".join(out)


def _decode_japanese(data: bytes) -> str:
    """Read ISO-2022-JP with the characters that vendors added (NEC row 13, IBM extensions) through Windows-31J."""
    try:
        return data.decode("iso2022_jp_ext")
    except (UnicodeError, ValueError):
        pass
    pieces = re.split(rb"(\x1b(?:\$\([@BDOPQ]|\$[@AB]|\([BJI]))", data)
    out, mode = [_ascii(pieces[0])], b""
    for escape, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        mode = escape
        if mode in {b"\x1b$B", b"\x1b$@"}:
            out.append(_jis_to_text(piece))
        elif mode == b"\x1b(I":
            out.append(bytes(b | 0x80 for b in piece).decode("cp932", "replace"))
        else:
            out.append(_ascii(piece))
    return "".join(out)


def _ascii(piece: bytes) -> str:
    return piece.decode("utf-8", "replace")


def _jis_to_text(piece: bytes) -> str:
    """Shift each pair of 7-bit JIS bytes to Shift-JIS. Source: JIS X 0208 annex 1."""
    out = bytearray()
    for first, second in zip(piece[::2], piece[1::2], strict=False):
        row = (first - 0x21) // 2 + 0x81
        row += 0x40 if row > 0x9F else 0  # noqa: PLR2004 - the gap for half-width katakana
        if first % 2:
            second += 0x1F + (second >= 0x60)  # noqa: PLW2901, PLR2004 - the cell of an odd row
        else:
            second += 0x7E  # noqa: PLW2901 - the cell of an even row
        out += bytes((row & 0xFF, second & 0xFF))
    return out.decode("cp932", "replace")


def _short(declared: str | None) -> str:
    return re.sub(r"[^\w.:-]", "?", (declared or "")[:30], flags=re.ASCII)
