"""Replies that wait for their time: whose of them somebody sees. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from postroom_contracts.configuration import Configuration
from postroom_contracts.rights import teams_of

from postroom_desk.domain.access import Access
from postroom_desk.domain.view import ConversationView, MessageView


@dataclass(frozen=True, slots=True)
class Scheduled:
    """One reply, and the conversation that it belongs to."""

    conversation_id: str
    view: ConversationView
    message: MessageView
    send_at: datetime


def scheduled_in(found: Iterable[tuple[str, ConversationView]]) -> list[Scheduled]:
    """Return every reply that waits, the next first."""
    waiting = (
        Scheduled(conversation_id, view, message, message.send_at)
        for conversation_id, view in found
        for message in view.messages
        if message.delivery == "scheduled" and message.send_at is not None
    )
    return sorted(waiting, key=lambda s: (s.send_at, s.message.message_id))


def sees(reply: Scheduled, access: Access, acting_id: str | None, configuration: Configuration) -> bool:
    """Say whether a list shows it: one's own; to a lead those of their teams; to admins and auditors all that they may read.

    `acting_id` None: nobody in particular looks, who sees all.
    """
    if reply.view.inbox_id not in access.readable:
        return False
    if acting_id is None or access.role in ("admin", "auditor") or reply.message.actor.id == acting_id:
        return True
    if access.role != "lead":
        return False
    teams = teams_of(configuration, acting_id)
    return reply.view.team_id in teams or bool(teams & teams_of(configuration, reply.message.actor.id or ""))
