"""Notifications to chat tools: who gets them, and what they say. No text of a customer but the subject, where that is wanted."""

import json
from collections.abc import Mapping
from typing import Any

from postroom_contracts.configuration import ChatDestination, Configuration
from postroom_contracts.rights import Ability, can

from postroom_notifier.domain.delivery import Delivery
from postroom_notifier.domain.headers import one_line

PREFIX = "chat:"
"""Of a delivery's receiver and account: what follows is the id of the destination."""
SUBJECT = 200
_SAID: Mapping[str, str] = {
    "assigned": "{agent} has a new conversation",
    "replied": "The customer wrote again to {agent}",
    "mentioned": "{agent} was mentioned in a note",
}


def destinations(
    configuration: Configuration, kind: str, agent_id: str, inbox_id: str | None, team_id: str | None
) -> list[ChatDestination]:
    """Return who is sent this notification to `agent_id`: of what they may read; of a private inbox only who names it."""
    inbox = configuration.inbox(inbox_id or "")
    if inbox is None or kind not in _SAID or not can(configuration, Ability.READ, inbox.id, agent_id):
        return []
    return [
        d
        for d in configuration.notifications.chat
        if d.enabled
        and (not d.kinds or kind in d.kinds)
        and (inbox.id in d.inboxes if d.inboxes else inbox.owner is None)
        and (agent_id in d.agents or team_id in d.teams or not (d.agents or d.teams))
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
    agent, inbox = configuration.agent(agent_id), configuration.inbox(delivery.inbox_id or "")
    name = f"{agent.first_name} {agent.last_name}".strip() if agent else agent_id
    link = f"{desk_url.rstrip('/')}/conversations/{delivery.conversation_id}"
    content = contents.get(delivery.contents.get("customer", ""), {}) if destination.subject else {}
    subject = one_line(str(content.get("subject") or ""), SUBJECT)
    if destination.format == "slack":
        said = _SAID[kind].format(agent=name) + (f" ({inbox.name})" if inbox else "")
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
    return json.dumps(told | ({"subject": subject} if subject else {}), ensure_ascii=False).encode()


def _escaped(text: str) -> str:
    """Source: Slack, "Formatting text for app surfaces": these three make links and mentions such as <!channel>."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
