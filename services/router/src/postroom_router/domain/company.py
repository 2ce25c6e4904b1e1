"""One version of the configuration, prepared for the hot path: looked up by key instead of searched."""

from collections.abc import Mapping
from dataclasses import dataclass

from postroom_contracts.configuration import Agent, Configuration, Inbox
from postroom_contracts.thread_keys import normalised_address, without_plus
from postroom_contracts.values import Actor

from postroom_router.domain.rules import Rules, compile_rules


@dataclass(frozen=True, slots=True)
class Company:
    """`agents` and `own_addresses` by normalised address; disabled agents are no agents."""

    configuration: Configuration
    version: int
    rules: Rules
    inboxes: Mapping[str, Inbox]
    agents: Mapping[str, Agent]
    own_addresses: frozenset[str]
    answer_address: str | None


def approved(company: Company, inbox_id: str, actor: Actor, approved_by: str | None) -> bool:
    """Say whether a reply of `actor` may leave this inbox: it asks for no approval, or an approver wrote it or let it go."""
    if actor.kind != "agent":
        return True
    approvers = company.configuration.approvers(inbox_id)
    return approvers is None or actor.id in approvers or approved_by in approvers


def company_of(configuration: Configuration, version: int) -> Company:
    answer = configuration.company.answer_address
    answer_address = without_plus(answer) if answer else None
    inboxes = [normalised_address(a) for i in configuration.inboxes for a in (i.address, *i.aliases)]
    agents = [normalised_address(a.email) for a in configuration.agents]
    return Company(
        configuration=configuration,
        version=version,
        rules=compile_rules(configuration),
        inboxes={i.id: i for i in configuration.inboxes},
        agents={normalised_address(a.email): a for a in configuration.agents if a.enabled},
        own_addresses=frozenset([*inboxes, *agents, *([answer_address] if answer_address else [])]),
        answer_address=answer_address,
    )
