"""Which event makes which delivery: the whole of "who is told", pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from postroom_contracts.configuration import Configuration, MailAccount
from postroom_contracts.events import Data, Event
from postroom_contracts.facts import (
    ContentErased,
    ConversationAssigned,
    ConversationMerged,
    ConversationQueued,
    ConversationRouted,
    ConversationStarted,
    ConversationUnassigned,
    MessageReceived,
    NoteAdded,
    ReplyAccepted,
    RequestRefused,
)
from postroom_contracts.registry import source_of
from postroom_contracts.values import Channel, Status

from postroom_notifier.domain.conversation import Conversation
from postroom_notifier.domain.delivery import CUSTOMER, Delivery, DeliveryKind, Result, bounced, failed
from postroom_notifier.domain.limits import is_exceeded, noted
from postroom_notifier.domain.returned import address_is_bad, undelivered_contents

ROUTER = source_of("router")
SILENT_REASONS = frozenset({"automatic"})
"""Refusals that nobody is told of: a machine wrote the answer, and answering it could go on for ever."""
MACHINES = frozenset({"auto-reply", "auto-generated", "bounce"})
"""What ingest says of mail that no person wrote; `list` only says how it came."""
MAX_RETURNED = 50
"""Replies of a conversation of which it is kept that their author was told."""
ALWAYS_TOLD = frozenset({"refused", "undelivered"})
"""Cannot be muted: the agent believes that the customer has their text."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a decision knows beside the conversation."""

    now: datetime
    configuration_at: Callable[[int], Configuration]
    """Version to configuration; 0 is the newest. Raises ConfigurationNotYetError."""
    newest_version: int
    bounced: Mapping[str, Delivery]
    """The deliveries that bounces of this batch name, as far as they are ours."""
    too_old: timedelta


def follow(state: Conversation | None, event: Event, around: Surroundings) -> Conversation:
    """Return the conversation after `event`, with what is due because of it in `due`."""
    state = state or Conversation()
    if event.source == ROUTER and event.sequence:
        state = state.after(router_sequence=event.sequence)
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
        case _:
            return _on_change(state, event.data)


def _on_change(state: Conversation, data: Data) -> Conversation:
    """Follow what nobody is told of."""
    match data:
        case ConversationStarted():
            return state.after(inbox_id=data.inbox_id, team_id=data.team_id)
        case ConversationRouted():
            return state.after(team_id=data.team_id, watchers=tuple(data.watchers))
        case ConversationQueued() | ConversationUnassigned() if data.epoch >= state.epoch:
            return state.after(owner_id=None, epoch=data.epoch)
        case ConversationMerged():
            return state.after(merged_into=data.target_id, owner_id=None)
        case ContentErased():
            return state.after(erased=True)
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
            "author": data.actor.id if data.actor.kind == "agent" else None,
        },
    )
    state = state.after(reply_content_id=data.content.content_id)
    problem = "unknown_inbox" if inbox is None else "no_reply_channel" if data.channel is not Channel.EMAIL else None
    if problem is not None:
        return _last_only_reported(state, "failed", around.now, problem)
    return _counted(state, event, around, answers_machine=state.answers_machine)


def _counted(state: Conversation, event: Event, around: Surroundings, *, answers_machine: bool = False) -> Conversation:
    """Count the last delivery against the limits if it leaves by itself; one too many, or an answer to a machine, is skipped."""
    if not state.due[-1].leaves_by_itself:
        return state
    if answers_machine:
        return _last_only_reported(state, "skipped", around.now, "automatic", silent=not state.due[-1].is_reply)
    if is_exceeded(state.left_at, event.time):
        return _last_only_reported(state, "skipped", around.now, "loop_limit")
    return state.after(left_at=noted(state.left_at, event.time))


def _last_only_reported(
    state: Conversation, became: str, now: datetime, reason: str, *, silent: bool = False
) -> Conversation:
    """End the last delivery before it begins. `silent`: it is kept and counted, but no fact says so."""
    done = _only_reported(state.due[-1], became, now, reason)
    if silent:
        done = done.model_copy(update={"results": [], "unreported_since": None})
    return state.after(due=(*state.due[:-1], done))


def _only_reported(delivery: Delivery, state: str, now: datetime, reason: str) -> Delivery:
    result = Result.of(failed(delivery, now, reason, None))
    return delivery.model_copy(
        update={
            "state": state,
            "next_at": None,
            "results": [result],
            "unreported_since": now,
            "done_at": now,
            "last_reason": reason,
        }
    )


# --- agents -----------------------------------------------------------------------------------------------------


def _on_message_received(
    state: Conversation, event: Event, data: MessageReceived, around: Surroundings
) -> Conversation:
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
        state = _tell(
            state,
            event,
            "replied",
            agent_id,
            around,
            configuration_version=data.configuration_version,
            details={"watching": agent_id != state.owner_id},
        )
    return state


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
    return _tell(
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
    did_it_themself = by_hand and data.actor.kind == "agent" and data.actor.id == data.agent_id
    if known or did_it_themself:
        return state
    details = {
        "reason": data.reason,
        "policy": data.record.policy,
        "because": preferred.because if preferred and preferred.agent_id == data.agent_id else None,
        "load": chosen.load if chosen else None,
        "capacity": chosen.capacity if chosen else None,
        "actor": data.actor.id if data.actor.kind == "agent" else None,
    }
    version = data.record.configuration_version
    return _tell(
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
            state = _tell(
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
    return _tell(state, event, "refused", data.actor.id, around, extra=extra, details=details)


def _tell(
    state: Conversation,
    event: Event,
    kind: DeliveryKind,
    agent_id: str,
    around: Surroundings,
    *,
    configuration_version: int = 0,
    extra: Mapping[str, str] | None = None,
    answers_machine: bool = False,
    **fields: Any,
) -> Conversation:
    """Make a notification, unless the agent is unknown, disabled, or does not want this kind.

    `answers_machine`: it would tell of what a machine wrote; it is skipped, so that two systems which notify each other's
    addresses stop.
    """
    version = configuration_version or around.newest_version
    configuration = around.configuration_at(version)
    if not wants(configuration, kind, agent_id):
        return state
    contents = dict(extra or {})
    if state.customer_content_id:
        contents.setdefault("customer", state.customer_content_id)
    fields.setdefault("message_id", state.customer_message_id)
    state = state.with_due(
        event,
        kind,
        agent_id,
        account_id=notification_account(configuration, state.inbox_id),
        configuration_version=version,
        contents=contents,
        **fields,
    )
    return _counted(state, event, around, answers_machine=answers_machine)


def wants(configuration: Configuration, kind: DeliveryKind, agent_id: str) -> bool:
    """Say whether the agent is told of `kind`."""
    agent = configuration.agent(agent_id)
    if agent is None or not agent.enabled:
        return False
    if kind in ALWAYS_TOLD:
        return True
    preferences = configuration.notifications
    return bool(getattr(preferences, kind)) and kind not in preferences.muted.get(agent_id, [])


def notification_account(configuration: Configuration, inbox_id: str | None) -> str | None:
    """Return the account that sends notifications: the configured one, else the inbox's, else the first that can send."""
    inbox = configuration.inbox(inbox_id or "")
    wanted = configuration.notifications.account or (inbox.account if inbox else None)
    able = [a.id for a in configuration.accounts if isinstance(a, MailAccount) and a.smtp is not None]
    return wanted if wanted in able else next(iter(able), None)
