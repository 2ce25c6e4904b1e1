"""Names of files as a person would read them: never empty, without a path, no two the same in one mail."""

import mimetypes
import re
from collections.abc import Container

from postroom_ingest.domain.mail.headers import Headers, decode_words, parse_parameters, split_headers, unfold

_UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\\u202a-\u202e\u2066-\u2069]+")
_MAX_NAME = 200
_FIXED = {
    "message/delivery-status": "delivery-status.txt",
    "message/global-delivery-status": "delivery-status.txt",
    "message/disposition-notification": "read-receipt.txt",
    "message/feedback-report": "feedback-report.txt",
    "text/rfc822-headers": "headers.txt",
    "application/pgp-signature": "signature.asc",
    "application/pgp-encrypted": "version.asc",
    "application/pgp-keys": "key.asc",
    "application/pkcs7-signature": "smime.p7s",
    "application/x-pkcs7-signature": "smime.p7s",
    "application/pkcs7-mime": "smime.p7m",
    "application/x-pkcs7-mime": "smime.p7m",
    "application/ms-tnef": "winmail.dat",
    "text/calendar": "calendar.ics",
    "text/plain": "document.txt",
    "text/html": "document.html",
    "text/vcard": "contact.vcf",
    "text/x-vcard": "contact.vcf",
    "text/directory": "contact.vcf",
}
_SEALS = frozenset(kind for kind in _FIXED if "pgp" in kind or "pkcs7" in kind)
_GIVEN_BY_KIND = frozenset({"text/plain", "text/html", "text/calendar"})
_KINDS = {"image": "image", "audio": "audio", "video": "video", "message": "mail"}
_SUFFIXES = {
    "image/jpg": ".jpg",
    "image/pjpeg": ".jpg",
    "image/x-png": ".png",
    "video/quicktime": ".mov",
    "application/rtf": ".rtf",
    "text/rtf": ".rtf",
    "application/x-zip-compressed": ".zip",
    "text/markdown": ".md",
}
_NAMED_ID = re.compile(r"([^<>@/\\\s]{1,100}\.[A-Za-z0-9]{2,5})@")
MAILS = frozenset({"message/rfc822", "message/global", "message/partial"})
REPORTS = frozenset({"message/delivery-status", "message/global-delivery-status", "message/disposition-notification"})
FILES = frozenset({"text/calendar", "text/vcard", "text/x-vcard", "text/directory", "text/csv"})
"""Texts that are files for programs, also when they are the whole mail."""


def safe_name(name: str) -> str:
    """Return the name without path separators, control and direction characters, at most 200 characters."""
    name = _UNSAFE.sub("_", name).strip(" .")
    if len(name) <= _MAX_NAME:
        return name
    stem, dot, suffix = name.rpartition(".")
    return stem[: _MAX_NAME - 12] + dot + suffix[:10] if dot else name[:_MAX_NAME]


def made_up_name(headers: Headers, content_type: str, data: bytes) -> str:
    """Return the name of an unnamed part: an attached mail is called by its subject, other parts by what is said of them.

    That is Content-Location, Content-Description, a Content-ID that is a file's name (Outlook's), and the kind.
    """
    described = safe_name(decode_words(headers.plain("content-description")))[:100]
    if content_type in MAILS:
        inner, _ = split_headers(data, 0, min(len(data), 65_536), [])
        subject = safe_name(decode_words(unfold(inner.raw("subject"))))[: _MAX_NAME - 4]
        return f"{subject or described or 'mail'}.eml"
    location = parse_parameters(headers.raw("content-location"))[0].rsplit("/", 1)[-1]
    if "." in location[1:-1]:
        return safe_name(location)
    fixed = _FIXED.get(content_type)
    if fixed and content_type not in _GIVEN_BY_KIND and (not described or content_type in _SEALS):
        return fixed
    named = _NAMED_ID.match(headers.plain("content-id").strip("< "))
    if named:
        return safe_name(named[1])
    suffix = f".{fixed.rpartition('.')[2]}" if fixed else suffix_of(content_type)
    if described:
        return described if described.lower().endswith(suffix) else described + suffix
    return fixed or _KINDS.get(content_type.split("/", 1)[0], "attachment") + suffix


def suffix_of(content_type: str) -> str:
    return _SUFFIXES.get(content_type) or mimetypes.guess_extension(content_type) or ".bin"


def type_of(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def unlike(name: str, taken: Container[str]) -> str:
    """Return the name, with a number before its ending when it is taken: `chair.png`, `chair1.png`."""
    if name not in taken:
        return name
    stem, dot, suffix = name.rpartition(".")
    stem, ending = (stem, dot + suffix) if stem else (name, "")
    number = 1
    while f"{stem}{number}{ending}" in taken:
        number += 1
    return f"{stem}{number}{ending}"
