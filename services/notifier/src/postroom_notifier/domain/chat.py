"""Notifications to chat tools: who gets them, and what they say. No text of a customer but the subject, where that is wanted."""

import json
from collections.abc import Mapping
from typing import Any

from postroom_contracts.configuration import ChatDestination, Configuration
from postroom_contracts.notifying import ways_of
from postroom_contracts.rights import Ability, can

from postroom_notifier.domain.delivery import Delivery
from postroom_notifier.domain.headers import one_line
from postroom_notifier.domain.wording import agent_name, local_time, target

PREFIX = "chat:"
"""Of a delivery's receiver and account: what follows is the id of the destination."""
SUBJECT = 200
_SAID: Mapping[str, str] = {
    "assigned": "{agent} has a new conversation",
    "replied": "The customer wrote again to {agent}",
    "mentioned": "{agent} was mentioned in a note",
    "deadline_warned": "{agent}: {target} is due at {at}",
    "deadline_breached": "{agent}: {target} was due at {at} and is missed",
}
_BACK = "{silent} gave no answer, and it is in the queue again: {target} was due at {at}"


def destinations(
    configuration: Configuration, kind: str, agent_id: str, inbox_id: str | None, team_id: str | None
) -> list[ChatDestination]:
    """Return who is sent this notification to `agent_id`: of what they may read; of a private inbox only who names it.

    A destination that names the agent is theirs, and gets what they want to be told in chat; nobody silences a team's.
    """
    inbox = configuration.inbox(inbox_id or "")
    if inbox is None or kind not in _SAID or not can(configuration, Ability.READ, inbox.id, agent_id):
        return []
    chosen: Any = kind
    personal = "chat" in ways_of(configuration, agent_id, chosen, inbox.id)
    return [
        d
        for d in configuration.notifications.chat
        if d.enabled
        and (not d.kinds or kind in d.kinds)
        and (inbox.id in d.inboxes if d.inboxes else inbox.owner is None)
        and (team_id in d.teams or not (d.agents or d.teams) or (agent_id in d.agents and personal))
    ]


def destination_of(configuration: Configuration, delivery: Delivery) -> ChatDestination | None:
    """Return it if it still stands in the configuration and is enabled."""
    wanted = delivery.receiver.removeprefix(PREFIX)
    return next((d for d in configuration.notifications.chat if d.id == wanted and d.enabled), None)


def chat_body(
    destination: ChatDestination,
    delivery: Delivery,
    configuration: Configuration,
    contents: Mapping[str, Mapping[str, Any]],
    desk_url: str,
) -> bytes:
    """Return the request's body: `{"text": ...}` for Slack and what understands it, else JSON with ids and codes."""
    kind, agent_id = str(delivery.details["kind"]), str(delivery.details["agent"])
    inbox = configuration.inbox(delivery.inbox_id or "")
    link = f"{desk_url.rstrip('/')}/conversations/{delivery.conversation_id}"
    content = contents.get(delivery.contents.get("customer", ""), {}) if destination.subject else {}
    subject = one_line(str(content.get("subject") or ""), SUBJECT)
    if destination.format == "slack":
        pattern = _BACK if "silent" in delivery.details else _SAID[kind]
        said = pattern.format(**_names(delivery, configuration)) + (f" ({inbox.name})" if inbox else "")
        text = "\n".join(filter(None, (_escaped(said), _escaped(subject), link)))
        return json.dumps({"text": text}, ensure_ascii=False).encode()
    told = {
        "kind": kind,
        "agent_id": agent_id,
        "conversation_id": delivery.conversation_id,
        "inbox_id": delivery.inbox_id,
        "team_id": delivery.team_id,
        "at": delivery.cause_at.isoformat(),
        "delivery_id": delivery.id,
        "url": link,
    }
    told |= {"deadline": delivery.details["deadline"]} if "deadline" in delivery.details else {}
    told |= {"taken_from": delivery.details["silent"]} if "silent" in delivery.details else {}
    return json.dumps(told | ({"subject": subject} if subject else {}), ensure_ascii=False).encode()


def _names(delivery: Delivery, configuration: Configuration) -> dict[str, str]:
    """Return the words of a line: of a deadline that nobody owns the team instead of whoever is told."""
    agent_id, team = str(delivery.details["agent"]), configuration.team(delivery.team_id)
    name = agent_name(configuration.agent(agent_id), agent_id)
    if "deadline" not in delivery.details:
        return {"agent": name}
    if not delivery.details.get("owner"):
        name = f"{team.name}, nobody's" if team else "Nobody's"
    silent = str(delivery.details.get("silent", ""))
    about = {"silent": agent_name(configuration.agent(silent), silent)}
    return about | {"agent": name, "target": target(delivery.details), "at": local_time(delivery, configuration)}


def _escaped(text: str) -> str:
    """Source: Slack, "Formatting text for app surfaces": these three make links and mentions such as <!channel>."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
