"""Who sent a mail and who wrote it, as far as a configuration has to say: its agents and inboxes. Pure."""

from dataclasses import dataclass

from postroom_contracts.configuration import Configuration
from postroom_contracts.inbound import Authentication
from postroom_contracts.thread_keys import normalised_address, without_plus

from postroom_ingest.domain.envelope import without_srs
from postroom_ingest.domain.forwarding import original_sender
from postroom_ingest.domain.mail import Address, ParsedMail

_FROM_ELSEWHERE = "no address in From, taken from"
"""How the warning of `parse_mail` begins when its sender is not that of From."""


def sender_of(mail: ParsedMail) -> Address | None:
    """Return who sent a mail: From, else Sender; one taken from the return path as it was before it was forwarded.

    A From is left as it is: what DMARC proves of `SRS0=...=acme.test=ann@evil.test` it proves of evil.test.
    """
    found = mail.from_ or mail.sender
    if found is None or not any(warning.startswith(_FROM_ELSEWHERE) for warning in mail.warnings):
        return found
    return Address(without_srs(found.email), found.name)


def author_of(mail: ParsedMail, configuration: Configuration, proof: Authentication) -> Address | None:
    """Return the author of a forwarded mail, None when From is the author (`forwarding.original_sender`)."""
    own = _own(configuration)
    sender = normalised_address(mail.from_.email) if mail.from_ else ""
    if sender not in own.agents and without_plus(sender) not in own.inboxes:
        return None
    proven = sender in own.agents and (proof.dmarc == "pass" or proof.internal_account)
    return original_sender(mail, inbox_addresses=own.inboxes, proven_agent=proven, own_addresses=own.all)


@dataclass(frozen=True, slots=True)
class _Own:
    """Addresses of a configuration: of its enabled agents, of its inboxes, and all that are ours, without plus parts."""

    configuration: Configuration
    agents: frozenset[str]
    inboxes: frozenset[str]
    all: frozenset[str]


_latest: list[_Own] = []


def _own(configuration: Configuration) -> _Own:
    """Return the addresses, kept for the configuration that was asked for last: a company has hundreds, a mail one."""
    if not _latest or _latest[0].configuration is not configuration:
        inboxes = frozenset(without_plus(a) for inbox in configuration.inboxes for a in (inbox.address, *inbox.aliases))
        people = frozenset(without_plus(agent.email) for agent in configuration.agents)
        answer = configuration.company.answer_address
        ours = inboxes | people | ({without_plus(answer)} if answer else frozenset())
        agents = frozenset(normalised_address(agent.email) for agent in configuration.agents if agent.enabled)
        _latest[:] = [_Own(configuration, agents, inboxes, ours)]
    return _latest[0]
