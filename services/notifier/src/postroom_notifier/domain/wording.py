"""What notifications say, in plain words."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from postroom_contracts.configuration import Agent, Configuration

from postroom_notifier.domain.delivery import Delivery
from postroom_notifier.domain.headers import one_line

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
    "from_stranger": "who wrote last takes no part in the conversation; answer in the desk, where you say to whom it goes",
    "needs_approval": "this inbox wants replies approved; write it in the desk, where a colleague lets it go",
    "no_reply_channel": "the conversation did not come by mail, and no answer can be sent on its channel",
    "wrong_status": "the conversation is in a state in which nothing can be sent (spam, deleted or merged)",
    "no_right": "you have no right to write to customers from this inbox",
    "not_found": "the conversation does not exist any more",
}
_FAILURES: Mapping[str, str] = {
    "refused": "the customer's mail server refused it",
    "bounced": "it was sent, and came back",
    "gave_up": "it was tried for days, and the mail server took it never",
    "too_large": "it is larger than the mail server takes: send it with fewer or smaller attachments, or a link to them",
    "no_sender": "your address in the configuration cannot stand in a mail, and this inbox needs it as Sender",
    "no_recipient": "there is no address that it could go to",
    "internal_content": "it holds our marker line or a personal answer address, which must not reach the customer",
    "address_not_supported": "the mail server cannot send to an address with such letters",
    "unknown_inbox": "its inbox is not in the configuration any more",
}
_STATUS: Mapping[str, str] = {
    "5.1.0": "the address is not known",
    "5.1.1": "there is no such mailbox",
    "5.1.2": "there is no such mail domain",
    "5.1.3": "the address is not written as one",
    "5.1.6": "the mailbox has moved",
    "5.1.10": "there is no such mailbox",
    "5.2.1": "the mailbox is disabled",
    "5.2.2": "the mailbox is full",
    "5.2.3": "it is too large for this mailbox",
    "5.3.4": "it is too large for the mail server",
    "5.7.1": "the server refuses mail like this",
}
"""Source: RFC 3463 section 3, and the registry that RFC 5248 made."""
_CHANGES: Mapping[str, str] = {
    "message_received": "the customer wrote again",
    "reply_accepted": "a colleague answered",
    "status_changed": "its status was changed",
}
_TARGETS: Mapping[str, str] = {
    "first_response": "the first answer",
    "next_response": "the next answer",
    "resolution": "the resolution",
}
_POLICIES: Mapping[str, str] = {
    "round_robin": "it was your turn",
    "least_loaded": "you had the fewest open conversations",
}
_PREFERRED: Mapping[str, str] = {
    "previous_owner": "It was yours before.",
    "rule": "A rule names you for mail like this.",
    "own_inbox": "It came to an inbox of your own.",
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
        case "deadline_warned":
            when = local_time(delivery, configuration)
            return f"{hello}{target(delivery.details)} is due at {when}.\n{_why_told(delivery, configuration)}"
        case "deadline_breached" if delivery.details.get("silent"):
            when = local_time(delivery, configuration)
            due = f"{hello}{target(delivery.details)} was due at {when}, and there is still no answer."
            return f"{due}\n{_taken_back(delivery, configuration)}"
        case "deadline_breached":
            when = local_time(delivery, configuration)
            return f"{hello}{target(delivery.details)} was due at {when}, and is missed.\n{_why_told(delivery, configuration)}"
        case "undelivered":
            return f"{hello}your reply did NOT reach the customer.\n{why_undelivered(delivery)}"
        case _:
            return f"{hello}your answer was NOT sent to the customer.\n{why_refused(delivery.details)}"


def target(details: Mapping[str, Any]) -> str:
    """Return what a policy promises, in words."""
    return _TARGETS.get(str(details.get("deadline")), "an answer")


def local_time(delivery: Delivery, configuration: Configuration) -> str:
    """Return when a deadline is, by the clock of the calendar that counts it."""
    zone = configuration.calendar_for(delivery.inbox_id or "", delivery.team_id).time_zone
    at = datetime.fromisoformat(str(delivery.details["at"])).astimezone(ZoneInfo(zone))
    return f"{at:%Y-%m-%d %H:%M} ({zone})"


def _why_told(delivery: Delivery, configuration: Configuration) -> str:
    if delivery.details.get("owner"):
        return "You are told because this conversation is yours."
    team = configuration.team(delivery.team_id)
    return f"Nobody has it yet; you are told as one of {team.name}." if team else "Nobody has it yet."


def _taken_back(delivery: Delivery, configuration: Configuration) -> str:
    team = configuration.team(delivery.team_id)
    queue = f"the queue of {team.name}" if team else "the queue"
    if delivery.details.get("owner"):
        return f"The conversation was yours, and went back to {queue}, where others are asked first. You may still take it."
    name = agent_name(configuration.agent(delivery.details.get("silent")))
    return f"{name} had it; it went back to {queue}. You are told as a lead of this team."


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


def why_undelivered(delivery: Delivery) -> str:
    """Return why a reply did not get through, and to whom, as far as that is still known."""
    reason, code = str(delivery.details.get("reason")), delivery.details.get("code")
    why = _FAILURES.get(reason, f"it failed ({reason})")
    lines = [f"Why: {why}{_status(code)}."]
    if delivery.refused:
        named = (f"{one_line(r.address, 254)}{_status(r.code)}" for r in delivery.refused)
        lines.append(f"Not reached: {', '.join(named)}. Who is not named here has it.")
    return "\n".join(lines)


def _status(code: str | None) -> str:
    if not code:
        return ""
    meaning = _STATUS.get(code)
    return f" ({code}: {meaning})" if meaning else f" ({code})"
