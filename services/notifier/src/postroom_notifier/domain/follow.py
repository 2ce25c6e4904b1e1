"""Which event makes which delivery: the whole of "who is told", pure."""

from postroom_contracts.events import Data, Event
from postroom_contracts.facts import (
    ContentErased,
    ConversationAssigned,
    ConversationMerged,
    ConversationQueued,
    ConversationRouted,
    ConversationSplitOff,
    ConversationStarted,
    ConversationUnassigned,
    DeadlineBreached,
    DeadlineWarned,
    MessageReceived,
    NoteAdded,
    ReplyAccepted,
    ReplyCancelled,
    RequestRefused,
)
from postroom_contracts.registry import source_of
from postroom_contracts.rights import owner_of
from postroom_contracts.values import Channel, Priority, Status

from postroom_notifier.domain.conversation import Conversation
from postroom_notifier.domain.deadlines import on_deadline, on_silence
from postroom_notifier.domain.delivery import CUSTOMER, Delivery, Result, bounced
from postroom_notifier.domain.returned import address_is_bad, undelivered_contents
from postroom_notifier.domain.telling import Surroundings, counted, end_last, tell

__all__ = ["Surroundings", "follow"]

ROUTER = source_of("router")
SILENT_REASONS = frozenset({"automatic"})
"""Refusals that nobody is told of: a machine wrote the answer, and answering it could go on for ever."""
MACHINES = frozenset({"auto-reply", "auto-generated", "bounce"})
"""What ingest says of mail that no person wrote; `list` only says how it came."""
_WITH_PRIORITY = (ConversationStarted, ConversationRouted, ConversationSplitOff, MessageReceived)
MAX_RETURNED = 50
"""Replies of a conversation of which it is kept that their author was told."""


def follow(state: Conversation | None, event: Event, around: Surroundings) -> Conversation:
    """Return the conversation after `event`, with what is due because of it in `due`."""
    state = state or Conversation()
    if event.source == ROUTER and event.sequence:
        state = state.after(router_sequence=event.sequence)
    if event.source == ROUTER and isinstance(event.data, _WITH_PRIORITY):
        state = state.after(urgent=event.data.priority is Priority.URGENT)
    before = len(state.due)
    state = _step(state, event, around)
    if len(state.due) == before:
        return state
    return state.after(due=(*state.due[:before], *(_aged(d, event, around) for d in state.due[before:])))


def _step(state: Conversation, event: Event, around: Surroundings) -> Conversation:
    match event.data:
        case MessageReceived():
            return _on_message_received(state, event, event.data, around)
        case ReplyAccepted():
            return _on_reply_accepted(state, event, event.data, around)
        case ConversationAssigned():
            return _on_assigned(state, event, event.data, around)
        case NoteAdded():
            return _on_note_added(state, event, event.data, around)
        case RequestRefused():
            return _on_refused(state, event, event.data, around)
        case DeadlineWarned() | DeadlineBreached():
            return on_deadline(state, event, event.data, around)
        case ConversationUnassigned(unanswered=missed) if missed is not None and event.data.epoch >= state.epoch:
            return on_silence(_on_change(state, event.data), event, event.data, around)
        case _:
            return _on_change(state, event.data)


def _on_change(state: Conversation, data: Data) -> Conversation:
    """Follow what nobody is told of."""
    match data:
        case ConversationStarted():
            return state.after(inbox_id=data.inbox_id, team_id=data.team_id)
        case ConversationRouted():
            inbox_id = data.inbox_id or state.inbox_id
            return state.after(inbox_id=inbox_id, team_id=data.team_id, watchers=tuple(data.watchers))
        case ConversationSplitOff():
            return state.after(
                inbox_id=data.inbox_id,
                team_id=data.team_id,
                watchers=tuple(data.watchers),
                customer_content_id=data.last_customer_content_id,
                customer_message_id=data.last_customer_message_id,
            )
        case ConversationQueued() | ConversationUnassigned() if data.epoch >= state.epoch:
            return state.after(owner_id=None, epoch=data.epoch)
        case ConversationMerged():
            return state.after(merged_into=data.target_id, owner_id=None)
        case ReplyCancelled():
            return state.after(cancelled=(*state.cancelled, data.message_id))
        case ContentErased():
            return state.after(erased=True, erased_messages=(*state.erased_messages, *data.message_ids))
    return state


def _aged(delivery: Delivery, event: Event, around: Surroundings) -> Delivery:
    """A cause that is read days late is not acted on: nobody wants last week's news, or a reply sent twice."""
    scheduled = delivery.details.get("scheduled", False)
    if delivery.state != "due" or scheduled or around.now - event.time <= around.too_old:
        return delivery
    return delivery.model_copy(update={"state": "skipped_too_old", "next_at": None, "done_at": around.now})


# --- customers --------------------------------------------------------------------------------------------------


def _on_reply_accepted(state: Conversation, event: Event, data: ReplyAccepted, around: Surroundings) -> Conversation:
    configuration = around.configuration_at(data.configuration_version)
    inbox = configuration.inbox(data.inbox_id)
    contents = {"reply": data.content.content_id}
    if data.answers is not None:
        contents["answers"] = data.answers.content_id
    state = state.with_due(
        event,
        "reply",
        CUSTOMER,
        message_id=data.message_id,
        inbox_id=data.inbox_id,
        account_id=inbox.account if inbox else None,
        configuration_version=data.configuration_version,
        contents=contents,
        due_at=data.send_at,
        details={
            "scheduled": data.send_at is not None,
            "automatic": data.actor.kind != "agent",
            "from_only": data.answers_from_only,
            "author": data.actor.id if data.actor.kind == "agent" else None,
        }
        | ({"forward": True} if data.reply_kind == "forward" else {}),
    )
    state = state.after(reply_content_id=data.content.content_id)
    problem = "unknown_inbox" if inbox is None else "no_reply_channel" if data.channel is not Channel.EMAIL else None
    if problem is not None:
        return end_last(state, "failed", around.now, problem)
    return counted(state, event, around, answers_machine=state.answers_machine)


# --- agents -----------------------------------------------------------------------------------------------------


def _on_message_received(
    state: Conversation, event: Event, data: MessageReceived, around: Surroundings
) -> Conversation:
    if data.imported:
        return _on_history(state, data)
    machine = data.message_kind != "message" or data.automatic in MACHINES
    state = state.after(
        inbox_id=data.inbox_id,
        team_id=data.team_id or state.team_id,
        watchers=tuple(data.watchers),
        by_machine=machine and (data.opened or state.by_machine),
        answers_machine=machine or data.automatic is not None,
    )
    if data.message_kind in {"bounce", "status"}:
        return _on_returned(state, event, data, around)
    if data.message_kind != "message":
        return state
    state = state.after(customer_content_id=data.content.content_id, customer_message_id=data.message_id)
    if data.opened or data.status is Status.SPAM:
        return state
    told = dict.fromkeys(a for a in (state.owner_id, *state.watchers) if a)
    for agent_id in told:
        state = tell(
            state,
            event,
            "replied",
            agent_id,
            around,
            configuration_version=data.configuration_version,
            details={"watching": agent_id != state.owner_id},
        )
    return state


def _on_history(state: Conversation, data: MessageReceived) -> Conversation:
    """Nobody is told of history; it is what there is to quote only where nothing newer stands."""
    state = state.after(inbox_id=data.inbox_id, team_id=data.team_id or state.team_id, watchers=tuple(data.watchers))
    if data.message_kind != "message" or state.customer_content_id:
        return state
    return state.after(customer_content_id=data.content.content_id, customer_message_id=data.message_id)


def _on_returned(state: Conversation, event: Event, data: MessageReceived, around: Surroundings) -> Conversation:
    """A mail of ours came back, or was put off: what it says of our delivery becomes a fact of ours."""
    about = around.bounced.get(data.delivery_id or "")
    if about is None or data.delivery_status in {"delivered", "read"}:
        return state
    code = data.delivery_status_code
    permanent = data.delivery_status != "delayed" and not (code or "").startswith("4")
    if not about.is_reply and not permanent:
        return state
    bad = permanent and address_is_bad(code)
    fact = bounced(about, data.received_at, permanent=permanent, status_code=code, undeliverable=bad)
    state = state.with_due(
        event,
        "bounce",
        about.id,
        state="reported_only",
        message_id=about.message_id,
        configuration_version=data.configuration_version,
        next_at=None,
        results=[Result.of(fact)],
        unreported_since=around.now,
        done_at=around.now,
        contents={"bounce": data.content.content_id},
        details={"undeliverable": bad, "code": code},
    )
    if data.delivery_status == "delayed" or not about.is_reply:
        return state
    return _tell_author(state, event, data, about, around)


def _tell_author(
    state: Conversation, event: Event, data: MessageReceived, about: Delivery, around: Surroundings
) -> Conversation:
    """Tell who wrote the reply that it came back; of one that nobody wrote, nobody. Once, however often it comes back."""
    author = about.details.get("author")
    if author is None or about.id in state.returned:
        return state
    state = state.after(returned=(*state.returned, about.id)[-MAX_RETURNED:])
    return tell(
        state,
        event,
        "undelivered",
        author,
        around,
        configuration_version=data.configuration_version,
        extra=undelivered_contents(about.contents) | {"bounce": data.content.content_id},
        message_id=about.message_id,
        details={"reason": "bounced", "code": data.delivery_status_code},
    )


def _on_assigned(state: Conversation, event: Event, data: ConversationAssigned, around: Surroundings) -> Conversation:
    if data.epoch < state.epoch:
        return state
    known = state.owner_id == data.agent_id
    state = state.after(owner_id=data.agent_id, epoch=data.epoch, team_id=data.team_id or state.team_id)
    preferred, chosen = data.record.preferred, data.record.candidate(data.agent_id)
    by_hand = data.reason in {"claim", "manual"} or (preferred is not None and preferred.because == "started")
    own_inbox = owner_of(around.configuration_at(around.newest_version), state.inbox_id) == data.agent_id
    because = preferred.because if preferred and preferred.agent_id == data.agent_id else None
    did_it_themself = by_hand and data.actor.kind == "agent" and data.actor.id == data.agent_id
    if known or did_it_themself:
        return state
    details = {
        "reason": data.reason,
        "policy": data.record.policy,
        "because": "own_inbox" if own_inbox else because,
        "load": chosen.load if chosen else None,
        "capacity": chosen.capacity if chosen else None,
        "actor": data.actor.id if data.actor.kind == "agent" else None,
    }
    version = data.record.configuration_version
    return tell(
        state,
        event,
        "assigned",
        data.agent_id,
        around,
        configuration_version=version,
        details=details,
        answers_machine=state.by_machine and data.actor.kind != "agent" and not _wanted(state, version, around),
    )


def _wanted(state: Conversation, version: int, around: Surroundings) -> bool:
    """Say whether the inbox wants its agents told of what machines write. Two such inboxes may tell each other for ever,
    but for the limits.
    """
    inbox = around.configuration_at(version or around.newest_version).inbox(state.inbox_id or "")
    return inbox is not None and inbox.notify_of_automatic


def _on_note_added(state: Conversation, event: Event, data: NoteAdded, around: Surroundings) -> Conversation:
    for agent_id in dict.fromkeys(data.mentions):
        if agent_id != data.actor.id:
            state = tell(
                state,
                event,
                "mentioned",
                agent_id,
                around,
                message_id=data.message_id,
                extra={"note": data.content.content_id},
                details={"actor": data.actor.id},
            )
    return state


def _on_refused(state: Conversation, event: Event, data: RequestRefused, around: Surroundings) -> Conversation:
    if data.via != "mail" or data.actor.kind != "agent" or data.reason in SILENT_REASONS:
        return state
    extra = {} if data.content is None else {"refused": data.content.content_id}
    if "reply_accepted" in data.changed and state.reply_content_id:
        extra["colleague"] = state.reply_content_id
    details = {"reason": data.reason, "changed": data.changed}
    return tell(state, event, "refused", data.actor.id, around, extra=extra, details=details)
