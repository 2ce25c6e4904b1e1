"""What a trusted server found out about who sent a mail. Source: RFC 8601 (the field), RFC 7489 (DMARC).

Anybody can write an Authentication-Results field, also one with our server's name in it. What counts:

- only the fields above the first foreign Received, the first whose `by` is no host of ours: what stands below it was in
  the mail before it reached us. Ours are the hosts named in `trusted_authserv_ids` and those of the same domain; a
  Received without `from` or `by` is a step within one host and is passed over.
- of those only the topmost that bears a trusted id, since ours is added last; whatever it says, none below is asked.
- ARC (RFC 8617) is not believed: a seal proves who handed a mail on, not that this one was honest.
"""

import re
from collections.abc import Collection
from typing import Literal

import authres

from postroom_ingest.domain.mail.model import ParsedMail

_MAX_FIELD = 8_192
_COMMENT = re.compile(r"\([^()]*\)")
_MAX_NESTED = 5
_ANGLES = re.compile(r"=\s*<([^<>\s]*)>")
_BY = re.compile(r"(?i)(?:^|\s)by\s+([^\s;()]+)")
_FROM = re.compile(r"(?i)^from\s")
_SUBDOMAIN_LABELS = 3
_SENDER_NOT_FROM = ("several senders", "several From fields", "no address in From", "no sender")
"""Warnings of `parse_mail` that say that its sender is not what a server has to look at: the one mailbox of the one From."""


def dmarc_result(parsed: ParsedMail, trusted_authserv_ids: Collection[str]) -> Literal["pass", "fail"] | None:
    """Return what our own server says of DMARC; None when it says neither pass nor fail, or nothing.

    A pass for another domain than that of From (two From fields, for instance) is a fail.
    """
    trusted = frozenset(name.strip().lower() for name in trusted_authserv_ids)
    if not trusted:
        return None
    for name, value in parsed.trace:
        if name == "received" and _is_foreign(value, trusted):
            return None
        if name == "authentication-results" and _serving(value) in trusted:
            return _dmarc(value, parsed)
    return None


def _is_foreign(received: str, trusted: Collection[str]) -> bool:
    plain = _without_comments(received)
    found = _BY.search(plain)
    if found is None or not _FROM.match(plain):
        return False
    host = found[1].strip(".").lower()
    return not any(host == name or host.endswith(f".{_domain(name)}") for name in trusted)


def _domain(authserv_id: str) -> str:
    """Return the domain that a server's host name lies in: `mx.acme.test` in `acme.test`, `acme.test` in itself."""
    labels = authserv_id.split(".")
    return ".".join(labels[1:]) if len(labels) >= _SUBDOMAIN_LABELS else authserv_id


def _serving(value: str) -> str:
    """Return the authserv-id of a field, '' when it has none that can be read (RFC 8601 section 2.2)."""
    head = next(iter(_pieces(value)), "").split()
    return head[0].strip('"').lower() if head and len(head) <= 2 else ""  # noqa: PLR2004 - the id and a version


def _pieces(value: str) -> list[str]:
    """Return what stands between semicolons, without comments, which nest; empty when a quote or a comment never closes."""
    pieces = [""]
    depth, quoted, escaped = 0, False, False
    for char in value[:_MAX_FIELD]:
        if escaped or char == "\\":
            escaped = not escaped
        elif char == '"' and not depth:
            quoted = not quoted
        elif not quoted and char in "()":
            depth += 1 if char == "(" else -1
            char = " "  # noqa: PLW2901 - a comment counts as a blank
        elif char == ";" and not quoted and not depth:
            pieces.append("")
            continue
        if depth < 0:
            return []
        if not depth:
            pieces[-1] += char
    return [] if depth or quoted else [piece.strip() for piece in pieces]


def _without_comments(text: str) -> str:
    """Return the text without comments, which nest; what never closes is cut off."""
    for _ in range(_MAX_NESTED):
        text, count = _COMMENT.subn(" ", text)
        if not count:
            break
    return text.split("(", 1)[0].strip()


def _dmarc(value: str, parsed: ParsedMail) -> Literal["pass", "fail"] | None:
    """Return what the field says of DMARC. Its other results are not looked at, for some servers write them freely."""
    said = [piece for piece in _pieces(value)[1:] if piece.lower().startswith("dmarc")]
    if len(value) > _MAX_FIELD or not said:
        return None
    line = _ANGLES.sub(r"=\1", "; ".join(said))
    try:
        results = authres.AuthenticationResultsHeader.parse(f"Authentication-Results: server; {line}").results
    except Exception:  # noqa: BLE001 - a field that cannot be read proves nothing, whatever the reader's error is
        return None
    found = [result for result in results or () if result.method == "dmarc"]
    verdicts = {str(result.result).lower() for result in found}
    if verdicts == {"pass"}:
        return "pass" if all(_is_of_sender(result, parsed) for result in found) else "fail"
    return "fail" if "fail" in verdicts else None


def _is_of_sender(result: object, parsed: ParsedMail) -> bool:
    domains = [
        str(prop.value).rsplit("@", 1)[-1].lower()
        for prop in getattr(result, "properties", ())
        if prop.type == "header" and prop.name == "from" and prop.value
    ]
    email = parsed.from_.email if parsed.from_ else ""
    sender = email.rsplit("@", 1)[-1].lower()
    unclear = any(warning.startswith(_SENDER_NOT_FROM) for warning in parsed.warnings)
    return not unclear and all(domain == sender for domain in domains)
