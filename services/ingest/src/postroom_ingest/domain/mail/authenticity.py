"""What a trusted server found out about who sent a mail. Source: RFC 8601 (the field), RFC 7489 (DMARC)."""

from collections.abc import Collection
from typing import Literal

import authres

from postroom_ingest.domain.mail.model import ParsedMail

_MAX_FIELD = 8_192


def dmarc_result(parsed: ParsedMail, trusted_authserv_ids: Collection[str]) -> Literal["pass", "fail"] | None:
    """Return what the topmost field of a trusted server says of DMARC; None when no such field says pass or fail.

    Anybody can write such a field, so only those with one of our servers' ids count, and of them the topmost: ours
    is added last, and those that pretend to be ours are removed at our border (RFC 8601 section 5). A pass for another
    domain than that of From (two From fields, for instance) is a fail.
    """
    trusted = {name.lower() for name in trusted_authserv_ids}
    for value in parsed.authentication_results:
        serving = value.split(";", 1)[0].split("(", 1)[0].strip().split(" ")[0].lower()
        if serving in trusted:
            return _dmarc(value, parsed)
    return None


def _dmarc(value: str, parsed: ParsedMail) -> Literal["pass", "fail"] | None:
    if len(value) > _MAX_FIELD:
        return None
    try:
        results = authres.AuthenticationResultsHeader.parse(f"Authentication-Results: {value}").results
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
    several = any("several" in warning for warning in parsed.warnings)
    return not several and all(domain == sender for domain in domains)
