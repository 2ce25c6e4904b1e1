"""Where a mail came for: the recipients of SMTP, and the inbox that each of them is. Pure.

Source: RFC 5321 sections 2.3.1 (the envelope) and 4.4 (Return-Path), RFC 5233 (plus parts).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from postroom_contracts.configuration import Configuration, Inbox, MailAccount
from postroom_contracts.thread_keys import without_plus

_SRS = re.compile(
    r"(?i)(?:SRS1[=+-][^=@]{1,64}=[^=@]{1,255}=[=+-]|SRS0[=+-])"
    r"[^=@]{1,64}=[^=@]{1,16}=([^=@]{1,255}\.[^=@]{1,63})=([^@]{1,200})@[^@]{1,255}"
)
_BATV = re.compile(r"(?i)prvs=[0-9a-z]{10}=([^@]{1,200}@[^@]{1,255})")
_RETURN_PATH = re.compile(rb"[\x00-\x1f\x7f<>]")


@dataclass(frozen=True, slots=True)
class Envelope:
    """How a mail was handed over. `inbox` is the one that it came for, None for the answer address of our agents."""

    sender: str
    """Empty: the null path of a bounce."""
    recipients: tuple[str, ...]
    inbox: Inbox | None


@dataclass(frozen=True, slots=True)
class Route:
    """What one recipient is."""

    account: MailAccount
    inbox: Inbox | None


def route_of(configuration: Configuration, recipient: str, peer: str) -> Route | None:
    """Return what `recipient` is for a sending host with the IP address `peer`; None: not one of ours.

    Only inboxes of accounts with a door are reached, by address and aliases, whatever the plus part is. The answer
    address goes by the first such account that takes mail from this host, best one without an inbox of its own.
    """
    doors = {a.id: a for a in configuration.accounts if isinstance(a, MailAccount) and takes_from(a, peer)}
    wanted = without_plus(recipient)
    for inbox in configuration.inboxes:
        if inbox.account in doors and wanted in {without_plus(a) for a in (inbox.address, *inbox.aliases)}:
            return Route(doors[inbox.account], inbox)
    answer = configuration.company.answer_address
    if not doors or answer is None or wanted != without_plus(answer):
        return None
    serving = {inbox.account for inbox in configuration.inboxes}
    return Route(min(doors.values(), key=lambda account: account.id in serving), None)


def takes_from(account: MailAccount, peer: str) -> bool:
    """Say whether the account has a door and it is open for the host `peer`."""
    if account.door is None:
        return False
    return not account.door.networks or in_networks(peer, account.door.networks)


def in_networks(peer: str, networks: Sequence[str]) -> bool:
    """Say whether an IP address lies in one of the networks; what is no address lies in none."""
    try:
        address: IPv4Address | IPv6Address = ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in ip_network(network) for network in networks)


def with_return_path(raw: bytes, sender: str) -> bytes:
    """Return the mail with its envelope's sender on top, as the last server has to write it; an older one then counts no more."""
    path = _RETURN_PATH.sub(b"", sender.encode("utf-8", "surrogateescape"))
    return b"Return-Path: <" + path + b">\r\n" + raw


def without_srs(address: str) -> str:
    """Return the address that a forwarder wrote into its own by SRS, or a sender by BATV; any other as it is.

    Source: the Sender Rewriting Scheme of M. Wong and S. Mughal (`SRS0=HHH=TT=domain=local@forwarder`, `SRS1=HHH=first==...`),
    draft-levine-smtp-batv (`prvs=tag=local@domain`). Whom it names is as little proven as any sender.
    """
    if found := _SRS.fullmatch(address):
        return f"{found[2]}@{found[1]}"
    found = _BATV.fullmatch(address)
    return found[1] if found else address


def forwarding_addresses(fields: Sequence[str]) -> list[str]:
    """Return the addresses of trace fields that may hold several (`X-Forwarded-For: one@a.test two@b.test`)."""
    return [word.strip("<>") for field in fields for word in field.replace(",", " ").split() if "@" in word]
