"""Header fields of a mail as bytes: what the mail front takes out and puts in. Pure."""

import re
from collections.abc import Sequence
from email.utils import getaddresses

_END = re.compile(rb"(\r?\n)\r?\n")


def split(raw: bytes) -> tuple[list[bytes], bytes]:
    """Return the header fields, each with its folded lines and line end, and the rest from the empty line on.

    Where there is no empty line, one is added.
    """
    found = _END.search(raw)
    head, rest = (raw[: found.end(1)], raw[found.end(1) :]) if found else (raw.rstrip(b"\r\n") + b"\r\n", b"\r\n")
    fields: list[bytes] = []
    for line in head.splitlines(keepends=True):
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1] += line
        else:
            fields.append(line)
    return fields, rest


def name_of(field: bytes) -> str:
    return field.partition(b":")[0].strip().lower().decode("ascii", "replace")


def without_foreign_results(fields: Sequence[bytes], authserv_id: str) -> list[bytes]:
    """Return the fields but those Authentication-Results that pretend to be ours (RFC 8601 section 5)."""
    return [f for f in fields if not (name_of(f) == "authentication-results" and _serving(f) == authserv_id)]


def _serving(field: bytes) -> str:
    value = field.partition(b":")[2].decode("utf-8", "replace")
    value = re.sub(r"\([^()]*\)", " ", value)
    return (value.partition(";")[0].split() or [""])[0].lower()


def from_addresses(fields: Sequence[bytes]) -> list[str]:
    """Return the addresses of all From fields, lower case."""
    values = [f.partition(b":")[2].decode("utf-8", "replace") for f in fields if name_of(f) == "from"]
    unfolded = [re.sub(r"\r?\n[ \t]", " ", value).strip() for value in values]
    return [address.lower() for _, address in getaddresses(unfolded) if address]


def results_field(authserv_id: str, senders: Sequence[str], login: str | None, own_domain: str) -> bytes | None:
    """Return the Authentication-Results field for a mail; None when nothing is known of its sender.

    DMARC passes for the one sender that has logged in as itself; a mail that claims our domain without it fails.
    """
    if len(senders) == 1 and login is not None and senders[0] == login.lower():
        verdict, domain = "pass", senders[0].rpartition("@")[2]
    elif any(sender.rpartition("@")[2] == own_domain for sender in senders):
        verdict, domain = "fail", own_domain
    else:
        return None
    return f"Authentication-Results: {authserv_id}; dmarc={verdict} header.from={domain}\r\n".encode()
