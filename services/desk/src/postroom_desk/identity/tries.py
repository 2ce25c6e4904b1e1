"""How often somebody may try: a sliding window that all replicas share."""

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `tries` within `seconds`."""

    name: str
    tries: int
    seconds: int

    @property
    def window(self) -> timedelta:
        return timedelta(seconds=self.seconds)


BY_ADDRESS = Limit("address", 5, 300)
BY_ACCOUNT = Limit("account", 10, 900)
BY_LINK = Limit("link", 10, 300)
"""Links cannot be guessed; this only keeps the load of guessing low."""


class TriesStore(Protocol):
    async def take(self, limit: Limit, key: str, try_id: str, now: datetime) -> float | None:
        """Count a try before it is made; return None, or in how many seconds the next one is free when none is.

        Of tries at the same time on all replicas together no more than the limit are taken.
        """
        ...

    async def give_back(self, limit: Limit, key: str, try_id: str) -> None:
        """Forget a try that was right: people behind one address do not lock each other out."""
        ...


def address_key(address: str) -> str:
    """Return the key of a network address; the 2^64 addresses of one IPv6 network are one (RFC 6177 section 2)."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return key_of(address)
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return key_of(str(ipaddress.ip_network((parsed, 64), strict=False)))
    return key_of(str(getattr(parsed, "ipv4_mapped", None) or parsed))


def key_of(text: str) -> str:
    """Return a key that names nobody; an unknown account has one as a known one has."""
    return hashlib.sha256(text.strip().casefold().encode("utf-8", "surrogatepass")).hexdigest()[:32]
