"""To whom an answer goes, as a mail program would choose. Pure; the person who writes sees it and may change it.

Source: RFC 5322 section 3.6.3.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from postroom_contracts.configuration import Configuration
from postroom_contracts.thread_keys import normalised_address, without_plus

Content = Mapping[str, Any]
Mode = Literal["reply", "reply_all", "forward"]
MAX_RECIPIENTS = 50


@dataclass(frozen=True, slots=True)
class Person:
    address: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Suggested:
    """Who gets it if nobody changes that; no address twice, none of our own."""

    to: tuple[Person, ...] = ()
    cc: tuple[Person, ...] = ()


def own_addresses(configuration: Configuration) -> frozenset[str]:
    """Return the addresses at which we receive, without plus parts."""
    ours = [a for inbox in configuration.inboxes for a in (inbox.address, *inbox.aliases)]
    ours += [a for a in (configuration.company.answer_address, configuration.notifications.sender) if a]
    return frozenset(without_plus(a) for a in ours)


def suggested(answered: Content, mode: Mode, own: frozenset[str]) -> Suggested:
    """Return the recipients of an answer to a message of the content store, which may be one of ours.

    To: its Reply-To, else its From; of our own message, those to whom it went. Reply all: Cc has everybody else to whom it
    went.
    """
    if mode == "forward":
        return Suggested()
    sender = [answered["from"]] if answered.get("from") else []
    ours = not sender or not _people(sender, own)
    to = _people(answered.get("to") or [] if ours else answered.get("reply_to") or sender, own)
    if not to and sender:
        to = _people(sender, own)
    if mode == "reply":
        return Suggested(to)
    others = _people([*(() if ours else answered.get("to") or ()), *(answered.get("cc") or ())], own)
    first = {normalised_address(p.address) for p in to}
    return Suggested(to, tuple(p for p in others if normalised_address(p.address) not in first))


def _people(addresses: Iterable[Mapping[str, Any]], own: frozenset[str]) -> tuple[Person, ...]:
    found: dict[str, Person] = {}
    for item in addresses:
        address = str(item.get("address") or "").strip()
        if "@" in address and without_plus(address) not in own:
            found.setdefault(normalised_address(address), Person(address, str(item.get("name") or "")))
    return tuple(found.values())[:MAX_RECIPIENTS]
