"""What stands around a reply when it leaves: the sender's name and the signature, as the notifier fills them in. Pure."""

import re
from dataclasses import dataclass

from postroom_contracts.configuration import Agent, Configuration
from postroom_contracts.templates import filled, variables_of


@dataclass(frozen=True, slots=True)
class Preview:
    from_name: str
    from_address: str
    signature: str
    needs_approval: bool


def preview(configuration: Configuration, inbox_id: str, agent_id: str | None) -> Preview:
    """Return what a reply of this agent from this inbox will have; empty for an unknown inbox."""
    inbox, agent = configuration.inbox(inbox_id), configuration.agent(agent_id)
    if inbox is None:
        return Preview("", "", "", needs_approval=False)
    nobody = agent is None and any(name.startswith("agent.") for name in variables_of(inbox.sender_name))
    name = "" if nobody else filled(inbox.sender_name, values(configuration, agent)).strip()
    approvers = configuration.approvers(inbox_id)
    return Preview(
        from_name=name or configuration.company.name,
        from_address=inbox.address,
        signature=filled(inbox.signature, values(configuration, agent)).strip(),
        needs_approval=approvers is not None and agent_id not in approvers,
    )


def values(configuration: Configuration, agent: Agent | None) -> dict[str, str]:
    """Return what the variables of texts stand for, each in one line."""
    found = {"company": configuration.company.name}
    if agent is not None:
        found |= {f"agent.{field}": getattr(agent, field) for field in ("first_name", "last_name", "title")}
    shown = {
        name: " ".join(re.sub(r"[\x00-\x1f\x7f\u2028\u2029]", " ", value).split())[:100]
        for name, value in found.items()
    }
    return shown | ({"calendar_link": agent.calendar_link} if agent is not None else {})
