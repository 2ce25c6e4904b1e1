"""The Date field as a moment, also when it was not written by the rules. Source: RFC 5322 sections 3.3 and 4.3."""

import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_tz

_COMMENT = re.compile(r"\([^()]*\)")
_LEADING_DAY = re.compile(r"(?i)^\s*[^\W\d]{2,12}\.?,?\s+(?=\d)")
_FRACTION = re.compile(r"(:\d\d)[.,]\d{1,9}(?!\d)")
_DOTTED_TIME = re.compile(r"\b(\d\d)\.(\d\d)\.(\d\d)\b(?=\s+[+-]|\s*$)")
_ZONE_COLON = re.compile(r"(?:\b(?:GMT|UTC?)\s*)?([+-])(\d{1,2}):(\d\d)\s*$", re.IGNORECASE)
_ZONE_PREFIX = re.compile(r"(?i)\b(?:GMT|UTC?)\s*(?=[+-]\d{4})")
_HALF_DAY = re.compile(r"(?i)\b(\d{1,2})((?::\d\d){1,2})\s*([ap])\.?m\.?\b")
_WORD = re.compile(r"[^\W\d]{3,9}\.?")
_LEAP = re.compile(r"(:\d\d):6[01]\b")
_MONTHS = {
    name: month
    for month, names in {
        "Jan": "janv janvier januar ene enero gen gennaio jaan tammi sty oca",
        "Feb": "févr fevr février februar febbraio febrero fev helmi lut şub",
        "Mar": "mrz mär märz maerz mars marzo março mrt maart maalis",
        "Apr": "avr avril abr abril aprile kwi huhti nis",
        "May": "mai mayo maj mei mag maggio maio touko",
        "Jun": "juin juni giu giugno junio junho kesä cze haz",
        "Jul": "juil juillet juli lug luglio julio julho heinä lip tem",
        "Aug": "août aout ago agosto elo sie ağu",
        "Sep": "sept septembre set settembre septiembre setembro syys wrz eyl",
        "Oct": "okt oktober ott ottobre octubre out outubro octobre loka paź eki",
        "Nov": "novembre novembro noviembre marras lis kas",
        "Dec": "dez dezember déc decembre décembre dic dicembre diciembre dezembro joulu gru ara",
    }.items()
    for name in names.split()
}
_ZONES = {
    name: offset
    for offset, names in {
        "+0000": "WET",
        "+0100": "CET MET MEZ BST WEST",
        "+0200": "CEST MEST MESZ EET SAST",
        "+0300": "EEST MSK",
        "+0800": "HKT SGT AWST",
        "+0900": "JST KST",
        "+1000": "AEST",
        "+1100": "AEDT",
        "+1200": "NZST",
        "+1300": "NZDT",
    }.items()
    for name in names.split()
}
"""Abbreviations that the RFC does not know and mails use; those with several meanings (IST, CST of China) are left out."""
_USUAL = re.compile(
    r"(?:[A-Z][a-z]{2}, )? ?\d{1,2} [A-Z][a-z]{2} (?:19|20)\d\d \d\d:[0-5]\d:[0-5]\d [+-]\d{4}(?: \([A-Z]{3,4}\))?"
)
_LAST_ZONE = re.compile(r"\b([A-Z]{3,4})\s*$")
_ODD = re.compile(r"(?i)[+-]\d{1,2}:\d\d\s*$|\b(?:GMT|UTC?)\s*[+-]\d|\d\s*[ap]\.?m\b|:6[01]\b")
"""What the standard library reads as something else than was meant."""


def read_date(text: str) -> tuple[datetime | None, bool]:
    """Return the moment in UTC (None when unreadable), and whether the text had to be mended.

    A missing zone counts as UTC (RFC 5322 section 4.3: -0000 says nothing).
    """
    if _USUAL.fullmatch(text):
        found = _plainly(text)
        if found is not None:
            return found, False
    zone = _LAST_ZONE.search(text)
    if zone and zone[1] in _ZONES:
        text = text[: zone.start()] + _ZONES[zone[1]]
    found = None if _ODD.search(text) else _plainly(text)
    if found is not None:
        return found, False
    mended = _mend(text)
    found = _plainly(mended) or _plainly(_LEADING_DAY.sub("", mended))
    return found, found is not None


def _mend(text: str) -> str:
    text = _COMMENT.sub(" ", text)
    text = _LEAP.sub(r"\1:59", _FRACTION.sub(r"\1", _DOTTED_TIME.sub(r"\1:\2:\3", text))).strip()
    text = _ZONE_PREFIX.sub("", _ZONE_COLON.sub(lambda f: f"{f[1]}{int(f[2]):02d}{f[3]}", text))
    text = _HALF_DAY.sub(_whole_day, text)
    return _WORD.sub(lambda f: _MONTHS.get(f[0].lower().rstrip("."), f[0]), text)


def _whole_day(found: re.Match[str]) -> str:
    hour = int(found[1]) % 12 + (12 if found[3].lower() == "p" else 0)
    return f"{hour if int(found[1]) <= 12 else int(found[1]):02d}{found[2]}"  # noqa: PLR2004 - `13:30 PM` is 13:30


def _plainly(text: str) -> datetime | None:
    try:
        fields = parsedate_tz(text)
        if fields is None:
            moment = datetime.fromisoformat(text.strip())
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        year = fields[0] + 1900 if 100 <= fields[0] < 200 else fields[0]  # noqa: PLR2004 - RFC 5322 section 4.3
        zone = timezone(timedelta(seconds=fields[9] or 0))
        return datetime(year, *fields[1:6], tzinfo=zone).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
