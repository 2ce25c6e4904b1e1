"""Inline styles without what loads, hides the page or leaves the mail's box. Source: CSS 2.2, the properties of mails."""

import re
from functools import lru_cache

_BOX = "top right bottom left"
_PROPERTIES = frozenset(
    "background background-color border border-collapse border-color border-radius border-spacing border-style "  # noqa: SIM905 - reads as a list
    "border-width caption-side clear color direction display empty-cells float font font-family font-size "
    "font-style font-variant font-weight height letter-spacing line-height list-style list-style-position "
    "list-style-type margin max-height max-width min-height min-width overflow overflow-wrap padding quotes table-layout "
    "text-align text-decoration text-decoration-color text-decoration-line text-decoration-style text-indent "
    "text-transform vertical-align visibility white-space width word-break word-spacing word-wrap".split()
) | {f"{kind}-{side}" for kind in ("margin", "padding", "border") for side in _BOX.split()} | {
    f"border-{side}-{what}" for side in _BOX.split() for what in ("color", "style", "width")
}  # fmt: skip
_VALUE = re.compile(r"[\w\s#%.,+'\"!/-]*(?:(?:rgb|hsl)a?\([\d\s.,%/]{1,60}\)[\w\s#%.,+'\"!/-]*)*", re.IGNORECASE)
_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_NUMBER = re.compile(r"(-?)(\d{0,9}(?:\.\d{1,9})?)\s*([a-z%]{0,4})", re.IGNORECASE)
_NAMES = frozenset({"font-family", "color", "background-color", "background", "quotes"})
_DISPLAYS = frozenset(
    "none block inline inline-block list-item table table-cell table-row table-row-group table-header-group "  # noqa: SIM905 - reads as a list
    "table-footer-group table-column table-caption inline-table".split()
)
_OVERFLOWS = frozenset({"hidden", "auto", "visible", "clip"})
_PIXELS = {
    "": 1.0,
    "px": 1.0,
    "pt": 1.34,
    "pc": 16.0,
    "in": 96.0,
    "cm": 37.8,
    "mm": 3.78,
    "em": 16.0,
    "rem": 16.0,
    "ex": 8.0,
    "ch": 8.0,
}
_MOST_PIXELS = 1_200.0
_MOST_FONT_PIXELS = 120.0
_MOST_PERCENT = 300.0
_MOST_DECLARATIONS = 100
_MAX_CHARACTERS = 8_000


@lru_cache(maxsize=4096)
def safe_style(style: str) -> str:
    """Return the declarations that may stay, in their order; '' when none may. Escapes, functions but colours, and
    negative or huge lengths take their declaration with them.
    """
    if len(style) > _MAX_CHARACTERS:
        return ""
    kept = []
    for declaration in _COMMENT.sub(" ", style).split(";")[:_MOST_DECLARATIONS]:
        name, colon, value = declaration.partition(":")
        name, value = name.strip().lower(), value.strip()
        if colon and name in _PROPERTIES and value and _may_stay(name, value):
            kept.append(f"{name}: {value}")
    return "; ".join(kept)


def _may_stay(name: str, value: str) -> bool:
    if not value.isascii() and name != "font-family":
        return False
    if not _VALUE.fullmatch(value) or value.count('"') % 2 or value.count("'") % 2:
        return False
    plain = value.lower().removesuffix("!important").strip()
    if name == "display":
        return plain in _DISPLAYS
    if name == "overflow":
        return plain in _OVERFLOWS
    return name in _NAMES or all(_fits(name, *found.groups()) for found in _NUMBER.finditer(plain) if found[2])


def _fits(name: str, sign: str, digits: str, unit: str) -> bool:
    number = float(digits)
    if sign and number:
        return False
    if unit == "%":
        return number <= _MOST_PERCENT
    if unit not in _PIXELS:
        return number == 0 or unit.startswith("e") or name.startswith("font")  # vw, vh and such measure the window
    if name in {"font-weight", "line-height"} and not unit:
        return number <= _MOST_PIXELS
    most = (
        _MOST_FONT_PIXELS
        if name in {"font", "font-size", "line-height", "letter-spacing", "word-spacing"}
        else _MOST_PIXELS
    )
    return number * _PIXELS[unit] <= most
