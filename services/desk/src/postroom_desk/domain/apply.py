# ruff: noqa: ARG001 - every change has the same form, whichever of its arguments it needs
"""Applies one fact to the view of its conversation. Pure; the same facts always give the same view."""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any

from postroom_contracts import facts as f
from postroom_contracts.events import Event
from postroom_contracts.ids import content_id
from postroom_contracts.values import Actor, Channel, Status

from postroom_desk.domain.positions import LogPosition
from postroom_desk.domain.view import (
    NOT_WAITING,
    ConversationView,
    Delivery,
    MentionView,
    MessageView,
    NotificationView,
    OwnershipView,
)

MAX_NOTIFICATIONS = 20
TAKEN_BACK = ("cancelling", "cancelled")
Changes = dict[str, Any]
_ENDS_TURN = {"waiting_order": NOT_WAITING}


def apply(view: ConversationView | None, event: Event, position: LogPosition) -> ConversationView | None:
    """Return the view after `event`.

    None when it does not begin a conversation and nothing was known of it: a refusal of a request for a conversation
    that does not exist, or the tail of one whose beginning this read model never saw. A probe begins none: its facts stand
    in the log, and no folder has it.
    """
    begun = view or _begin(event, position)
    if begun is None:
        return None
    change = _CHANGES.get(type(event.data))
    changes = change(begun, event, event.data) if change else {}
    counts = dict(begun.event_counts)
    name = type(event.data).__name__
    counts[name] = counts.get(name, 0) + 1
    if "last_activity_at" in changes:
        changes["last_activity_by"] = _agent_of(event.data)
    reached = max(begun.offset, position.offset)  # what waited for a missing one may stand before what is shown already
    changes |= {"partition": position.partition, "offset": reached, "event_counts": counts}
    if event.source == "/postroom/router" and event.sequence is not None:
        changes["router_sequence"] = event.sequence
    return begun.model_copy(update=changes)


def _agent_of(fact: Any) -> str:
    actor = getattr(fact, "actor", None)
    return str(actor.id) if actor is not None and actor.kind == "agent" else ""


def _begin(event: Event, position: LogPosition) -> ConversationView | None:
    fact = event.data
    if not isinstance(fact, f.MessageReceived | f.ConversationStarted | f.ConversationSplitOff):
        return None
    if isinstance(fact, f.MessageReceived) and fact.probe:
        return None
    begun = fact.received_at if isinstance(fact, f.MessageReceived) and fact.imported else event.time
    return ConversationView(
        status=Status.OPEN,
        inbox_id=fact.inbox_id,
        channel=Channel(fact.channel),
        opened_at=begun,
        last_activity_at=begun,
        waiting_order=NOT_WAITING,
        partition=position.partition,
        offset=position.offset,
        received=0,
        sent=0,
    )


def _with(items: list[str], *more: str) -> list[str]:
    return list(dict.fromkeys([*items, *more]))


def _append(view: ConversationView, message: MessageView) -> Changes:
    """Put a message behind the others; history that comes in late goes where its time is."""
    before = next((n for n, m in enumerate(view.messages) if m.at > message.at), None) if message.imported else None
    if before is not None:
        first = {} if before else {"first_content_id": message.content_id}
        return {"messages": [*view.messages[:before], message, *view.messages[before:]], **first}
    return {
        "messages": [*view.messages, message],
        "first_content_id": view.first_content_id or message.content_id,
        "last_content_id": message.content_id,
        "last_message_kind": message.kind,
    }


# --- messages ---------------------------------------------------------------------------------------------------


def _received(view: ConversationView, event: Event, fact: f.MessageReceived) -> Changes:
    if fact.message_kind == "status":
        return {}
    echo = fact.message_kind == "echo"
    message = MessageView(
        message_id=fact.message_id,
        kind="outgoing" if echo else "incoming",
        at=fact.received_at,
        actor=Actor(kind="agent", id=fact.from_agent or "unknown")
        if echo
        else Actor(kind="customer", id=fact.contact_id),
        content_id=fact.content.content_id,
        message_kind=fact.message_kind,
        automatic=fact.automatic,
        from_stranger=fact.from_stranger,
        attachments=fact.attachments,
        imported=fact.imported,
        delivery="sent" if echo else "",
    )
    changes: Changes = _append(view, message) | {
        "status": fact.status,
        "tags": list(fact.tags),
        "priority": fact.priority,
        "team_id": fact.team_id,
        "watchers": list(fact.watchers),
        "policy_id": fact.policy_id,
        "configuration_version": fact.configuration_version,
        "contact_ids": _with(view.contact_ids, fact.contact_id) if fact.contact_id else view.contact_ids,
        "source_of_contact": view.source_of_contact or fact.source_of_contact,
        "rules": list(fact.rules),
        "last_activity_at": max(view.last_activity_at, fact.received_at),
        "received": view.received + (fact.message_kind == "message"),
    }
    if fact.opened:
        changes["opened_at"] = fact.received_at
    if fact.status == Status.OPEN:
        changes |= {"snoozed_until": None}
    if fact.reopened:
        changes |= {"archived": False, "resolved_at": None, "resolved_by": None}
    if fact.imported:
        return changes | ({"resolved_at": fact.received_at} if fact.opened and fact.status == Status.RESOLVED else {})
    if fact.message_kind == "message" and fact.automatic is None and fact.status not in (Status.SPAM, Status.MERGED):
        changes["waiting_order"] = min(view.waiting_order, fact.received_at)
    return changes


def _started(view: ConversationView, event: Event, fact: f.ConversationStarted) -> Changes:
    return {
        "contact_ids": _with(view.contact_ids, *fact.contact_ids),
        "team_id": fact.team_id,
        "policy_id": fact.policy_id,
        "tags": list(fact.tags),
        "priority": fact.priority,
        "source_of_contact": fact.source_of_contact,
        "configuration_version": fact.configuration_version,
    }


def _reply(view: ConversationView, event: Event, fact: f.ReplyAccepted) -> Changes:
    message = MessageView(
        message_id=fact.message_id,
        kind="outgoing",
        at=event.time,
        actor=fact.actor,
        content_id=fact.content.content_id,
        via=fact.via,
        attachments=fact.attachments,
        delivery="scheduled" if fact.send_at else "accepted",
        send_at=fact.send_at,
        reply_kind=fact.reply_kind,
        approved_by=fact.approved_by,
    )
    changes: Changes = _append(view, message) | {
        "status": fact.status,
        "last_activity_at": event.time,
        "sent": view.sent + 1,
    }
    if fact.actor.kind == "agent" and fact.recipients:  # anything else never counts as an answer
        changes |= _ENDS_TURN
    if fact.resolved:
        changes |= _ENDS_TURN | {"resolved_at": event.time, "resolved_by": fact.actor}
    return changes


def _cancelled(view: ConversationView, event: Event, fact: f.ReplyCancelled) -> Changes:
    """It shall not leave; `cancelled` is what the notifier then says, or that it was sent after all."""
    update = {"delivery": "cancelling", "delivery_reason": fact.reason, "delivery_at": fact.cancelled_at}
    messages = [
        m.model_copy(update=update) if m.message_id == fact.message_id and m.delivery == "scheduled" else m
        for m in view.messages
    ]
    changes: Changes = {"messages": messages, "status": fact.status, "last_activity_at": event.time}
    if fact.open_turn_started_at is not None:
        changes["waiting_order"] = fact.open_turn_started_at
    if fact.unresolved:
        changes |= {"resolved_at": None, "resolved_by": None}
    return changes


def _taken_back(view: ConversationView, event: Event, fact: f.MessageCancelled) -> Changes:
    update = {"delivery": "cancelled", "delivery_at": fact.cancelled_at}
    messages = [m.model_copy(update=update) if m.message_id == fact.message_id else m for m in view.messages]
    return {"messages": messages, "sent": view.sent - 1}


def _note(view: ConversationView, event: Event, fact: f.NoteAdded) -> Changes:
    note = MessageView(
        message_id=fact.message_id, kind="note", at=event.time, actor=fact.actor, content_id=fact.content.content_id
    )
    named = [MentionView(agent_id=agent_id, at=event.time) for agent_id in dict.fromkeys(fact.mentions)]
    others = [m for m in view.mentions if m.agent_id not in fact.mentions]
    return {"messages": [*view.messages, note], "mentions": [*others, *named], "last_activity_at": event.time}


def _delivery(state: Delivery, at: str) -> Callable[[ConversationView, Event, Any], Changes]:
    def change(view: ConversationView, event: Event, fact: Any) -> Changes:
        update = {"delivery": state, "delivery_at": getattr(fact, at)}
        update["delivery_reason"] = getattr(fact, "reason", None) or getattr(fact, "status_code", None) or ""
        messages = [m.model_copy(update=update) if m.message_id == fact.message_id else m for m in view.messages]
        return {"messages": messages}

    return change


def _erased(view: ConversationView, event: Event, fact: f.ContentErased) -> Changes:
    gone = set(fact.message_ids)
    update = {"erased": True}
    return {"messages": [m.model_copy(update=update) if m.message_id in gone else m for m in view.messages]}


# --- what it is and where it belongs ----------------------------------------------------------------------------


def _tagged(view: ConversationView, event: Event, fact: f.ConversationTagged) -> Changes:
    return {"tags": list(fact.tags)}


def _routed(view: ConversationView, event: Event, fact: f.ConversationRouted) -> Changes:
    moved = {"inbox_id": fact.inbox_id} if fact.inbox_id else {}
    return moved | {
        "team_id": fact.team_id,
        "priority": fact.priority,
        "watchers": list(fact.watchers),
        "policy_id": fact.policy_id,
        "configuration_version": fact.configuration_version,
    }


def _resolved(view: ConversationView, event: Event, fact: f.ConversationResolved) -> Changes:
    return _ENDS_TURN | {
        "status": Status.RESOLVED,
        "resolved_at": fact.resolved_at,
        "resolved_by": fact.actor,
        "snoozed_until": None,
        "last_activity_at": event.time,
    }


def _reopened(view: ConversationView, event: Event, fact: f.ConversationReopened) -> Changes:
    return {
        "status": Status.OPEN,
        "archived": False,
        "resolved_at": None,
        "resolved_by": None,
        "snoozed_until": None,
        "last_activity_at": event.time,
    }


def _snoozed(view: ConversationView, event: Event, fact: f.ConversationSnoozed) -> Changes:
    return {"status": Status.SNOOZED, "snoozed_until": fact.until, "last_activity_at": event.time}


def _woken(view: ConversationView, event: Event, fact: f.ConversationWoken) -> Changes:
    return {"status": Status.OPEN, "snoozed_until": None, "last_activity_at": event.time}


def _waiting(view: ConversationView, event: Event, fact: f.ConversationWaiting) -> Changes:
    return {"status": Status.WAITING, "snoozed_until": None, "last_activity_at": event.time}


def _archived(view: ConversationView, event: Event, fact: f.ConversationArchived) -> Changes:
    changes: Changes = {"archived": True, "status": Status.RESOLVED, "last_activity_at": event.time}
    if fact.resolved:
        changes |= _ENDS_TURN | {"resolved_at": fact.archived_at, "resolved_by": fact.actor, "snoozed_until": None}
    return changes


def _deleted(view: ConversationView, event: Event, fact: f.ConversationDeleted) -> Changes:
    return _ENDS_TURN | {"status": Status.DELETED, "previous_status": fact.previous, "last_activity_at": event.time}


def _spam(view: ConversationView, event: Event, fact: f.ConversationMarkedSpam) -> Changes:
    return _ENDS_TURN | {"status": Status.SPAM, "previous_status": fact.previous, "last_activity_at": event.time}


def _restored(
    view: ConversationView, event: Event, fact: f.ConversationRestored | f.ConversationUnmarkedSpam
) -> Changes:
    changes: Changes = {"status": fact.status, "previous_status": None, "last_activity_at": event.time}
    since = _unanswered_since(view)
    if since and fact.status != Status.RESOLVED:
        changes["waiting_order"] = since
    return changes


def _unanswered_since(view: ConversationView) -> datetime | None:
    """Return when the first customer's message behind the last answer of ours came: deleting had ended that turn."""
    since = None
    for message in (m for m in view.messages if m.message_id not in view.split_off):
        if message.kind == "outgoing" and message.actor.kind == "agent" and message.delivery not in TAKEN_BACK:
            since = None
        elif message.kind == "incoming" and message.message_kind == "message" and message.automatic is None:
            since = since or message.at
    return since


def _merged(view: ConversationView, event: Event, fact: f.ConversationMerged) -> Changes:
    return _ENDS_TURN | {"status": Status.MERGED, "merged_into": fact.target_id, "last_activity_at": event.time}


def _absorbed(view: ConversationView, event: Event, fact: f.ConversationAbsorbed) -> Changes:
    changes: Changes = {
        "absorbed": _with(view.absorbed, fact.source_id),
        "contact_ids": _with(view.contact_ids, *fact.contact_ids),
        "tags": list(fact.tags),
        "status": fact.status,
        "last_activity_at": event.time,
    }
    if fact.open_turn_started_at is not None:
        changes["waiting_order"] = min(view.waiting_order, fact.open_turn_started_at)
    if fact.reopened:
        changes |= {"archived": False, "resolved_at": None, "resolved_by": None}
    return changes


def _split(view: ConversationView, event: Event, fact: f.ConversationSplit) -> Changes:
    """The messages stay to be seen; what is last and who waits is decided by those that are left."""
    gone = {**view.split_off, **dict.fromkeys(fact.message_ids, fact.new_conversation_id)}
    left = [m for m in view.messages if m.message_id not in gone]
    public = [m for m in left if m.kind != "note"]
    changes: Changes = {
        "split_off": gone,
        "received": sum(m.kind == "incoming" and m.message_kind == "message" for m in left),
        "sent": sum(m.kind == "outgoing" and m.delivery != "cancelled" for m in left),
        "waiting_order": fact.open_turn_started_at or NOT_WAITING,
        "last_activity_at": event.time,
    }
    if public:
        changes |= {"last_content_id": public[-1].content_id, "last_message_kind": public[-1].kind}
    return changes


def _split_off(view: ConversationView, event: Event, fact: f.ConversationSplitOff) -> Changes:
    return {
        "split_from": fact.source_id,
        "split_messages": list(fact.message_ids),
        "first_content_id": content_id(fact.message_ids[0]),
        "last_content_id": content_id(fact.message_ids[-1]),
        "contact_ids": list(fact.contact_ids),
        "team_id": fact.team_id,
        "policy_id": fact.policy_id,
        "tags": list(fact.tags),
        "priority": fact.priority,
        "watchers": list(fact.watchers),
        "source_of_contact": fact.source_of_contact,
        "configuration_version": fact.configuration_version,
        "status": fact.status,
        "waiting_order": fact.open_turn_started_at or NOT_WAITING,
    }


# --- owner ------------------------------------------------------------------------------------------------------


def _assigned(view: ConversationView, event: Event, fact: f.ConversationAssigned) -> Changes:
    if fact.epoch < view.epoch:
        return {}
    ownership = OwnershipView(outcome="assigned", event_id=event.id, reason=fact.reason, at=fact.assigned_at)
    changes: Changes = {"owner_id": fact.agent_id, "epoch": fact.epoch, "ownership": ownership, "queued_at": None}
    return changes | ({"team_id": fact.team_id} if fact.team_id else {})


def _queued(view: ConversationView, event: Event, fact: f.ConversationQueued) -> Changes:
    if fact.epoch < view.epoch:
        return {}
    reason = "nobody_may" if fact.no_right else "unanswered" if fact.unanswered is not None else fact.reason
    ownership = OwnershipView(outcome="queued", event_id=event.id, reason=reason, at=fact.queued_at)
    changes: Changes = {
        "owner_id": None,
        "epoch": fact.epoch,
        "ownership": ownership,
        "queued_at": view.queued_at or fact.queued_at,
    }
    return changes | ({"team_id": fact.team_id} if fact.team_id else {})


def _unassigned(view: ConversationView, event: Event, fact: f.ConversationUnassigned) -> Changes:
    if fact.epoch < view.epoch:
        return {}
    reason = fact.reason if fact.unanswered is None else "unanswered"
    ownership = OwnershipView(outcome="unassigned", event_id=event.id, reason=reason, at=fact.unassigned_at)
    return {"owner_id": None, "epoch": fact.epoch, "ownership": ownership, "queued_at": None}


def _breached(view: ConversationView, event: Event, fact: f.DeadlineBreached) -> Changes:
    return {"breached": _with(view.breached, fact.deadline)}


def _notified(view: ConversationView, event: Event, fact: f.NotificationSent | f.NotificationFailed) -> Changes:
    sent = isinstance(fact, f.NotificationSent)
    at = fact.sent_at if isinstance(fact, f.NotificationSent) else fact.failed_at
    notification = NotificationView(notification=fact.notification, agent_id=fact.agent_id, at=at, sent=sent)
    return {"notifications": [*view.notifications, notification][-MAX_NOTIFICATIONS:]}


_CHANGES: dict[type[Any], Callable[[ConversationView, Event, Any], Changes]] = {
    f.MessageReceived: _received,
    f.ConversationStarted: _started,
    f.ReplyAccepted: _reply,
    f.ReplyCancelled: _cancelled,
    f.MessageCancelled: _taken_back,
    f.NoteAdded: _note,
    f.ContentErased: _erased,
    f.ConversationTagged: _tagged,
    f.ConversationRouted: _routed,
    f.ConversationResolved: _resolved,
    f.ConversationReopened: _reopened,
    f.ConversationSnoozed: _snoozed,
    f.ConversationWoken: _woken,
    f.ConversationWaiting: _waiting,
    f.ConversationArchived: _archived,
    f.ConversationDeleted: _deleted,
    f.ConversationRestored: _restored,
    f.ConversationMarkedSpam: _spam,
    f.ConversationUnmarkedSpam: _restored,
    f.ConversationMerged: _merged,
    f.ConversationAbsorbed: _absorbed,
    f.ConversationSplit: _split,
    f.ConversationSplitOff: _split_off,
    f.ConversationAssigned: _assigned,
    f.ConversationQueued: _queued,
    f.ConversationUnassigned: _unassigned,
    f.DeadlineBreached: _breached,
    f.NotificationSent: _notified,
    f.NotificationFailed: _notified,
    f.MessageSent: _delivery("sent", "sent_at"),
    f.MessageFailed: _delivery("failed", "failed_at"),
    f.MessageBounced: _delivery("bounced", "bounced_at"),
}


@cache
def short_name(type_name: str) -> str:
    """Return `message-received` of `org.postroom.message-received.v1`."""
    return type_name.removeprefix("org.postroom.").rpartition(".")[0]
