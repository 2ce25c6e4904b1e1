"""Which fact rings for whom: the fact and the conversation as it stood before, in; rings out. Pure."""

from collections.abc import Callable, Iterator
from typing import Any

from postroom_contracts import facts as f
from postroom_contracts.events import Event
from postroom_contracts.ids import derived_id
from postroom_contracts.values import Actor, Status

from postroom_desk.domain.notifications import Kind, Ring
from postroom_desk.domain.view import ConversationView

_TAKEN_AWAY = frozenset({"released", "removed", "team_changed"})
"""Reasons for which an owner loses a conversation that goes on without them."""
_SILENT = frozenset({"automatic"})
"""Refusals that nobody is told of: a machine wrote the answer."""
Said = dict[str, Any]
Ringing = Callable[[ConversationView, Any], Iterator[Said]]


def rings_of(before: ConversationView | None, after: ConversationView, event: Event) -> tuple[Ring, ...]:
    """Return what rings because of a fact; who of them wants it, and may read it, is decided when it is told."""
    ringing = _RINGING.get(type(event.data))
    if ringing is None:
        return ()
    about = {"conversation_id": event.subject, "inbox_id": after.inbox_id, "team_id": after.team_id, "at": event.time}
    return tuple(Ring(**about | _cause(said, event) | said) for said in ringing(before or after, event.data))


def _cause(said: Said, event: Event) -> Said:
    """Return what the ring's identity comes from: the fact, or what is told but `once` of the conversation."""
    once = said.pop("once", None)
    return {"cause_id": event.id if once is None else derived_id("ring", event.subject, once)}


def _agent(actor: Actor) -> str | None:
    return actor.id if actor.kind == "agent" else None


def _one(agent_id: str | None) -> tuple[str, ...]:
    return (agent_id,) if agent_id else ()


def _assigned(before: ConversationView, fact: f.ConversationAssigned) -> Iterator[Said]:
    if fact.epoch < before.epoch or before.owner_id == fact.agent_id:
        return
    by = {"actor_id": _agent(fact.actor)}
    yield by | {"kind": "assigned", "agent_ids": (fact.agent_id,), "details": {"reason": fact.reason}}
    yield by | {"kind": "unassigned", "agent_ids": _one(before.owner_id), "details": {"to": fact.agent_id}}


def _unassigned(before: ConversationView, fact: f.ConversationUnassigned) -> Iterator[Said]:
    if fact.epoch < before.epoch or fact.reason not in _TAKEN_AWAY:
        return
    if (missed := fact.unanswered) is not None:
        details = {"deadline": missed.deadline, "silent": fact.previous_agent_id}
        yield {"kind": "deadline_breached", "agent_ids": (fact.previous_agent_id,), "details": details}
    else:
        by = _agent(fact.actor)
        details = {"reason": fact.reason}
        yield {"kind": "unassigned", "agent_ids": (fact.previous_agent_id,), "actor_id": by, "details": details}


def _received(before: ConversationView, fact: f.MessageReceived) -> Iterator[Said]:
    if fact.imported or fact.opened or fact.message_kind != "message" or fact.status is Status.SPAM:
        return
    yield {"kind": "replied", "agent_ids": _one(before.owner_id)}
    watching = tuple(a for a in fact.watchers if a != before.owner_id)
    yield {"kind": "replied", "agent_ids": watching, "details": {"watching": "true"}}


def _noted(_before: ConversationView, fact: f.NoteAdded) -> Iterator[Said]:
    yield {"kind": "mentioned", "agent_ids": tuple(fact.mentions), "actor_id": _agent(fact.actor)}


def _woken(before: ConversationView, _fact: f.ConversationWoken) -> Iterator[Said]:
    yield {"kind": "woken", "agent_ids": _one(before.owner_id) or tuple(before.watchers)}


def _deadline(kind: Kind) -> Ringing:
    def ring(before: ConversationView, fact: f.DeadlineWarned | f.DeadlineBreached) -> Iterator[Said]:
        yield {"kind": kind, "agent_ids": _one(before.owner_id), "details": {"deadline": fact.deadline}}

    return ring


def _not_delivered(before: ConversationView, fact: f.MessageFailed | f.MessageBounced) -> Iterator[Said]:
    """Once for each message, however often it comes back; one that was only put off is still on its way."""
    if isinstance(fact, f.MessageBounced) and not fact.permanent:
        return
    author = next((_agent(m.actor) for m in before.messages if m.message_id == fact.message_id), None)
    reason = fact.reason if isinstance(fact, f.MessageFailed) else "bounced"
    about = {"kind": "undelivered", "cause_id": fact.message_id, "details": {"reason": reason}}
    yield about | {"agent_ids": _one(author)}


def _refused(_before: ConversationView, fact: f.RequestRefused) -> Iterator[Said]:
    """An answer by mail alone: who answers in the desk is told on the spot."""
    if fact.via == "mail" and fact.reason not in _SILENT:
        yield {"kind": "refused", "agent_ids": _one(_agent(fact.actor)), "details": {"reason": fact.reason}}


def _not_told(_before: ConversationView, fact: f.NotificationFailed) -> Iterator[Said]:
    """No mail said that a text did not get through: the leads are told, once of each agent and conversation."""
    if fact.channel == "email" and fact.notification in ("refused", "undelivered"):
        details = {"reason": fact.reason, "for": fact.agent_id}
        yield {"kind": fact.notification, "agent_ids": (), "once": f"untold {fact.agent_id}", "details": details}


def _approved(_before: ConversationView, fact: f.ReplyAccepted) -> Iterator[Said]:
    if fact.approved_by is not None:
        yield {"kind": "draft_approved", "agent_ids": _one(_agent(fact.actor)), "actor_id": fact.approved_by}


_RINGING: dict[type[Any], Ringing] = {
    f.ConversationAssigned: _assigned,
    f.ConversationUnassigned: _unassigned,
    f.MessageReceived: _received,
    f.NoteAdded: _noted,
    f.ConversationWoken: _woken,
    f.DeadlineWarned: _deadline("deadline_warned"),
    f.DeadlineBreached: _deadline("deadline_breached"),
    f.MessageFailed: _not_delivered,
    f.MessageBounced: _not_delivered,
    f.RequestRefused: _refused,
    f.NotificationFailed: _not_told,
    f.ReplyAccepted: _approved,
}
