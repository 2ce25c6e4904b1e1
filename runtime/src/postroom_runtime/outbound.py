"""Requests to addresses that others chose: they reach the public internet and nothing else.

The check is made on the address that is connected to, after the name was resolved, so that a name cannot be bound anew
between check and use. Source: OWASP, Server-Side Request Forgery Prevention Cheat Sheet; IANA special-purpose registries.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

import httpcore

Network = IPv4Network | IPv6Network
_NAT64 = IPv6Network("64:ff9b::/96")
_NOT_PUBLIC: tuple[Network, ...] = (IPv4Network("192.0.0.0/24"), IPv6Network("fec0::/10"))
"""Beside what `ipaddress` knows: IETF protocol assignments, where a cloud has its metadata, and site-local addresses."""
RESOLVE_SECONDS = 5.0
ADDRESSES = 3
"""Of a name so many are tried, in the resolver's order: the first may lie in a network that does not work from here."""


class ForbiddenAddressError(httpcore.ConnectError):
    """The name leads to addresses that no request of ours may reach."""


def parse_networks(text: str) -> list[Network]:
    """Return the networks of a list such as `10.20.0.0/16, fd00::/8`. Raises ValueError naming the faulty one."""
    found = []
    for part in filter(None, (p.strip() for p in text.split(","))):
        try:
            found.append(ipaddress.ip_network(part))
        except ValueError as error:
            raise ValueError(f"{part!r} is not a network such as 10.20.0.0/16") from error
    return found


def is_allowed(address: str, allowed: Iterable[Network] = ()) -> bool:
    """Say whether a request may go to `address`: it is public, or lies in `allowed`.

    An IPv6 address that carries an IPv4 one (mapped, 6to4, Teredo, NAT64) is judged by both.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    networks = list(allowed)
    return all(_is_public(ip) or any(ip in n for n in networks if n.version == ip.version) for ip in _meant(found))


def _meant(ip: IPv4Address | IPv6Address) -> Sequence[IPv4Address | IPv6Address]:
    if isinstance(ip, IPv4Address):
        return [ip]
    if ip.ipv4_mapped is not None:
        return [ip.ipv4_mapped]
    within = [ip.sixtofour, *(ip.teredo or ()), IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None]
    return [ip, *(address for address in within if address is not None)] if ip not in _NAT64 else [within[-1] or ip]


def _is_public(ip: IPv4Address | IPv6Address) -> bool:
    special = ip.is_multicast or ip.is_reserved or ip.is_unspecified
    return ip.is_global and not special and not any(ip in n for n in _NOT_PUBLIC if n.version == ip.version)


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to public addresses and `allowed` networks alone. A name of which no address is allowed is refused."""

    def __init__(self, allowed: Sequence[Network] = ()) -> None:
        self._allowed = allowed
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = [a for a in await _resolve(host, port) if is_allowed(a, self._allowed)]
        if not addresses:
            raise ForbiddenAddressError("the name leads to no address that may be reached")
        tried = addresses[:ADDRESSES]
        share = timeout / len(tried) if timeout else timeout
        for address in tried[:-1]:
            try:
                return await self._backend.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._backend.connect_tcp(tried[-1], port, share, local_address, socket_options)

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        raise ForbiddenAddressError("no request of ours goes to a socket of this machine")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def _resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a name. Raises ConnectError."""
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError) as error:
        raise httpcore.ConnectError("the name cannot be resolved") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def guarded_pool(allowed: Sequence[Network] = (), **options: Any) -> httpcore.AsyncConnectionPool:
    """Return a connection pool that follows no redirect, uses no proxy of the environment, and reaches public addresses alone."""
    return httpcore.AsyncConnectionPool(network_backend=GuardedBackend(allowed), **options)
