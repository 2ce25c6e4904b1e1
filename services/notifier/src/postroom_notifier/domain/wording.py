"""What notifications say, in plain words."""

from collections.abc import Mapping
from typing import Any

from postroom_contracts.configuration import Agent, Configuration

from postroom_notifier.domain.delivery import Delivery

_REASONS: Mapping[str, str] = {
    "stale": "the conversation changed after the mail that you answered",
    "already_answered": "it was answered already",
    "not_authentic": "your mail could not be shown to be yours (its sender was not authenticated)",
    "expired_key": "the mail that you answered is older than 14 days",
    "empty_text": "no text was found above the marker line",
    "empty": "no text was found above the marker line",
    "holds_marker": "the text still held our marker line, so it could not be told what you wrote",
    "holds_link": "the text still held our link to the conversation, which must not reach the customer",
    "holds_key": "the text still held your personal answer address, which must not reach the customer",
    "wrong_status": "the conversation is in a state in which nothing can be sent (spam, deleted or merged)",
    "not_found": "the conversation does not exist any more",
}
_CHANGES: Mapping[str, str] = {
    "message_received": "the customer wrote again",
    "reply_accepted": "a colleague answered",
    "status_changed": "its status was changed",
}
_POLICIES: Mapping[str, str] = {
    "round_robin": "it was your turn",
    "least_loaded": "you had the fewest open conversations",
}
_PREFERRED: Mapping[str, str] = {
    "previous_owner": "It was yours before.",
    "rule": "A rule names you for mail like this.",
    "started": "You started this conversation.",
}


def agent_name(agent: Agent | None, fallback: str = "somebody") -> str:
    return f"{agent.first_name} {agent.last_name}".strip() if agent else fallback


def headline(delivery: Delivery, configuration: Configuration) -> str:
    """Return the first sentences: what happened, and why this person is told."""
    agent = configuration.agent(delivery.receiver)
    hello = f"{agent.first_name}, " if agent else ""
    match delivery.kind:
        case "assigned":
            return f"{hello}this conversation is yours now.\n{why_assigned(delivery.details, delivery.team_id, configuration)}"
        case "replied" if delivery.details.get("watching"):
            return f"{hello}the customer wrote again.\nYou are told because you watch this conversation."
        case "replied":
            return f"{hello}the customer wrote again.\nYou are told because this conversation is yours."
        case "mentioned":
            author = agent_name(configuration.agent(delivery.details.get("actor")))
            return f"{hello}{author} mentioned you in a note."
        case _:
            return f"{hello}your answer was NOT sent to the customer.\n{why_refused(delivery.details)}"


def why_assigned(details: Mapping[str, Any], team_id: str | None, configuration: Configuration) -> str:
    """Return one sentence that says why this agent owns it."""
    team = configuration.team(team_id)
    of_team = f" of {team.name}" if team else ""
    load, capacity = details.get("load"), details.get("capacity")
    had = "" if load is None else f" (you had {load}{'' if capacity is None else f' of {capacity}'} open)"
    match details.get("reason"):
        case "claim" | "manual":
            actor = configuration.agent(details.get("actor"))
            return f"Assigned to you by {agent_name(actor)}." if actor else "It was assigned to you by hand."
        case "rule":
            return _PREFERRED["rule"]
        case "queue":
            return f"It waited in the queue{of_team} and you were free{had}."
    if details.get("because") in _PREFERRED:
        return _PREFERRED[details["because"]]
    policy = _POLICIES.get(str(details.get("policy")), "you were chosen")
    return f"Among those on duty{of_team} {policy}{had}."


def why_refused(details: Mapping[str, Any]) -> str:
    """Return why, and what the agent had not seen."""
    reason = _REASONS.get(str(details.get("reason")), f"it was refused ({details.get('reason')})")
    changed = [_CHANGES[c] for c in details.get("changed") or [] if c in _CHANGES]
    since = f"\nSince the mail that you answered: {', '.join(changed)}." if changed else ""
    return f"Why: {reason}.{since}\nYour text is kept below. To send it, answer this mail, or open the conversation."
