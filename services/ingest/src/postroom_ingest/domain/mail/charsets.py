"""Bytes to text for any charset that a mail may name, or fail to name. Nothing here raises.

Order: a byte order mark, the declared charset (read the way mail programs mean it), UTF-8, what charset-normalizer
detects, and at last replacement characters. Source of the aliases: WHATWG Encoding Standard (labels and supersets),
RFC 1557 and RFC 1842 for the old Korean and Chinese names.
"""

import codecs
import re
from functools import lru_cache

from charset_normalizer import from_bytes

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
_JAPANESE = re.compile(rb"\x1b\$[@B]")
_SEVEN_BIT_MULTIBYTE = frozenset({"iso2022_jp_ext", "iso2022_jp", "iso2022_kr", "hz", "utf-7"})


@lru_cache(maxsize=512)
def python_codec(label: str) -> str | None:
    """Return the name of the codec that reads what mails label so, or None when nobody knows the label."""
    name = re.sub(r"^[\s\"'_=]+|[\s\"';,]+$", "", label[:60]).lower().replace("_", "-").replace(" ", "-")
    name = name.split("$", 1)[0].split("*", 1)[0].strip("-")
    name = _ALIASES.get(name) or _ALIASES.get(name.removeprefix("x-"), name)
    name = re.sub(r"^(?:x-)?(?:windows|cp|win|microsoft-cp)-?(\d{3,4})$", r"cp\1", name)
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
    return (text.replace("\x00", ""), warning) if "\x00" in text else (text, warning)


def _decode(data: bytes, declared: str | None) -> tuple[str, str | None]:
    codec = python_codec(declared) if declared else None
    if data.isascii() and codec not in _SEVEN_BIT_MULTIBYTE and not (codec or "").startswith("utf-16"):
        if b"\x1b$" not in data or not _JAPANESE.search(data):
            unknown = declared and codec is None
            return data.decode("ascii"), f"unknown charset {_short(declared)}" if unknown else None
        return _decode_japanese(data), None if declared and "2022" in declared else "charset detected as iso-2022-jp"
    for mark, name in _MARKS:
        if data.startswith(mark):
            return data[len(mark) if name == "utf-8" else 0 :].decode(name, "replace"), None
    if codec is not None:
        text = _strictly(data, codec)
        if text is not None:
            # Mails that say "us-ascii" or "iso-8859-1" and hold valid multibyte UTF-8 mean UTF-8.
            better = _strictly(data, "utf-8") if codec == "cp1252" else None
            return (text, None) if better is None else (better, f"charset {_short(declared)} was utf-8")
    return _decode_undeclared(data, declared, codec)


def _strictly(data: bytes, codec: str) -> str | None:
    if codec.startswith("iso2022_jp"):
        return _decode_japanese(data)
    try:
        return data.decode(codec)
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
    if codec is not None and codec != "cp1252":  # a few broken bytes in an otherwise right charset
        mended = data.decode(codec, "replace")
        if mended.count("�") <= 1 + _FEW_ERRORS * len(mended):
            return mended, f"bytes that are not {_short(declared)} were replaced"
    if codec != "cp1252" or len(data) >= _WORTH_DETECTING_BYTES:
        detected = _detect(data) if len(data) >= _WORTH_DETECTING_BYTES else None
        text = _strictly(data, detected) if detected else None
        if text is not None:
            return text, f"{said} detected as {detected}"
    try:
        return data.decode("cp1252"), f"{said} read as windows-1252"
    except UnicodeDecodeError:
        return data.decode("latin-1"), f"{said} read as iso-8859-1"


def _detect(data: bytes) -> str | None:
    try:
        best = from_bytes(data[:_DETECT_FROM_BYTES]).best()
    except Exception:  # noqa: BLE001 - a detector's own bug must not lose a mail; the caller falls back
        return None
    return python_codec(best.encoding) if best is not None else None


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
