"""What our own side writes: replies, refused answers by mail, notes, and conversations that we begin."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from postroom_contracts.commands import AddNote, RefuseAnswer, Request, SendReply, StartConversation
from postroom_contracts.facts import ConversationStarted, NoteAdded, ReplyAccepted
from postroom_contracts.ids import delivery_id, event_id
from postroom_contracts.rights import Ability, can
from postroom_contracts.thread_keys import normalised_address
from postroom_contracts.values import Address, Channel, ContentReference, Status

from postroom_router.domain.cancelling import scheduling
from postroom_router.domain.company import approved
from postroom_router.domain.conversation import ACTIVE, Conversation, Scheduled, unseen, with_status_change
from postroom_router.domain.outcome import Asked, Outcome, World, outcome, refused
from postroom_router.domain.permitted import readers

_MAY_BE_ANSWERED = frozenset({*ACTIVE, Status.RESOLVED})


def reply(state: Conversation, request: SendReply, asked: Asked, world: World) -> Outcome | None:
    """Return the conversation with this reply, or the refusal, which keeps its text; None when it stands there already."""
    if request.message_id in state.messages:
        return None
    if reason := _refusal(state, request, world):
        changed = unseen(state, request.actor, request.expected_sequence) if reason == "stale" else ()
        return refused(state, request, asked, reason, changed=changed, content=request.content, via=request.via)
    named = _people(state.channel, [*request.to, *request.cc, *request.bcc], world)
    recipients = _recipients(state, named, request)
    changes = _after_reply(state, request, recipients, asked)
    if new := {c: a for c, a in named.items() if c not in state.participants}:
        changes["participants"] = {**state.participants, **new}
        if request.reply_kind == "forward":
            changes["third_parties"] = [*state.third_parties, *new]
    answers = _answered(state, request)
    after = state.model_copy(update=changes)
    fact = ReplyAccepted(
        href=_href(asked, request.message_id),
        message_id=request.message_id,
        inbox_id=request.inbox_id or state.inbox_id,
        channel=state.channel,
        actor=request.actor,
        via=request.via,
        content=request.content,
        attachments=len(request.attachments),
        recipients=recipients,
        answers=answers.content,
        answers_message_id=answers.message_id,
        answers_from_only=answers.from_only,
        send_at=request.send_at,
        status=after.status,
        resolved=request.then == "resolve" and state.status is not Status.RESOLVED,
        reply_kind=request.reply_kind,
        approved_by=request.approved_by,
        configuration_version=world.company.version,
    )
    return outcome(after, fact)


@dataclass(frozen=True, slots=True)
class _Answered:
    content: ContentReference | None
    message_id: str | None
    from_only: bool


def _answered(state: Conversation, request: SendReply) -> _Answered:
    """Return what the reply answers: what it names, else the customer's latest message."""
    if request.answers is not None:
        return _Answered(request.answers, request.answers_message_id, from_only=False)
    return _Answered(state.last_customer_content, state.last_customer_message_id, state.last_customer_from_only)


def _refusal(state: Conversation, request: SendReply, world: World) -> str | None:
    if not state.exists:
        return "not_found"
    if not may_send(request, {state.inbox_id, request.inbox_id or state.inbox_id}, world):
        return "no_right"
    return _not_now(state, request) or _never(state, request, world)


def _not_now(state: Conversation, request: SendReply) -> str | None:
    if unseen(state, request.actor, request.expected_sequence):
        return "stale"
    if state.status not in _MAY_BE_ANSWERED:
        return "wrong_status"
    return "from_stranger" if request.via == "mail" and _stranger_wrote_last(state) else None


def may_send(request: Request, inbox_ids: set[str], world: World) -> bool:
    """Say whether who asks may write to customers from each of these inboxes; rules and timers may."""
    actor, configuration = request.actor, world.company.configuration
    return actor.kind != "agent" or all(can(configuration, Ability.SEND, i, actor.id) for i in inbox_ids)


def _never(state: Conversation, request: SendReply, world: World) -> str | None:
    """Return why this reply cannot go out as it is, whatever else happened."""
    if state.channel is not Channel.EMAIL:
        return "no_reply_channel"
    if request.answers is not None and request.answers_message_id not in state.messages:
        return "not_found"
    # Nobody named would mean the customer: neither a forwarded message nor an answer to somebody else may go there.
    if (request.reply_kind == "forward" or request.answers is not None) and not request.to:
        return "no_recipient"
    inbox_id = request.inbox_id or state.inbox_id
    return None if approved(world.company, inbox_id, request.actor, request.approved_by) else "needs_approval"


def _stranger_wrote_last(state: Conversation) -> bool:
    """Say whether an answer by mail would be meant for somebody who takes no part: it would go to the participants."""
    return state.stranger_sequence > 0 and state.stranger_sequence == max(state.message_sequence, state.reply_sequence)


def _people(channel: Channel, addresses: Sequence[Address], world: World) -> dict[str, str]:
    """Return contact id -> address of people outside the company, in order."""
    known = (normalised_address(a.address) for a in addresses)
    return {world.contact_id(channel, a): a for a in known if a not in world.company.own_addresses}


def _recipients(state: Conversation, named: dict[str, str], request: SendReply) -> list[str]:
    """Return those recipients who are customers of this conversation; nobody named means the participant who wrote last.

    A stranger who wrote here is one as soon as an agent names the address.
    """
    if not named and not request.to:
        return [state.last_customer_contact_id] if state.last_customer_contact_id else list(state.participants)
    wrote = (author.partition("/")[0] for author in state.messages.values())
    customers = {*state.participants, state.last_customer_contact_id, *wrote} - set(state.third_parties)
    return [c for c in named if c in customers]


def _after_reply(state: Conversation, request: SendReply, recipients: Sequence[str], asked: Asked) -> dict[str, Any]:
    """Return what a reply changes. A human's reply to a customer closes the open turn (metrics/1, point 1)."""
    delivery = delivery_id(event_id(asked.request_id, ReplyAccepted.type_name()), "reply", "customer")
    changes: dict[str, Any] = {"messages": {**state.messages, request.message_id: f"/{delivery}"}}
    changes |= scheduling(state, request, asked)
    if request.reply_kind == "reply":
        changes["reply_sequence"] = state.sequence + 1
    if request.actor.kind == "agent" and recipients:
        changes["turn_started_at"] = None
    if request.then == "resolve":
        changes |= {"status": Status.RESOLVED, "turn_started_at": None}
    elif request.then == "wait":
        changes |= {"status": Status.WAITING, "archived": False}
    if request.then is not None:
        changes |= {
            "snooze": None,
            "status_changes": with_status_change(state, request.actor, state.sequence + 1),
        }
    return changes


def refuse_answer(state: Conversation, request: RefuseAnswer, asked: Asked, _: World) -> Outcome:
    """Return the refusal of an answer by mail whose fault was found before it came here."""
    return refused(
        state,
        request,
        asked,
        request.reason,
        content=request.content,
        via="mail",
        request_type=SendReply.type_name(),
    )


def note(state: Conversation, request: AddNote, asked: Asked, world: World) -> Outcome | None:
    """Return the conversation with a note, whatever its status; None when it stands there already.

    Who may not read it is named in the text alone: nobody tells them of it.
    """
    if not state.exists:
        return refused(state, request, asked, "not_found", content=request.content)
    if request.message_id in state.messages:
        return None
    fact = NoteAdded(
        href=_href(asked, request.message_id),
        message_id=request.message_id,
        actor=request.actor,
        content=request.content,
        mentions=readers(request.mentions, state.inbox_id, world),
    )
    return outcome(state, fact, messages={**state.messages, request.message_id: ""})


def start(state: Conversation, request: StartConversation, asked: Asked, world: World) -> Outcome:
    """Return a conversation that an agent begins: `ConversationStarted`, and the message itself as `ReplyAccepted`."""
    inbox = world.company.inboxes.get(request.inbox_id)
    if state.exists or inbox is None:
        reason = "exists" if state.exists else "unknown_inbox"
        return refused(state, request, asked, reason, content=request.content)
    if not may_send(request, {inbox.id}, world):
        return refused(state, request, asked, "no_right", content=request.content)
    if not approved(world.company, inbox.id, request.actor, request.approved_by):
        return refused(state, request, asked, "needs_approval", content=request.content)
    people = _people(request.channel, [*request.to, *request.cc, *request.bcc], world)
    source = inbox.source_of_contact or inbox.id
    started = ConversationStarted(
        href=f"/api/v1/conversations/{asked.conversation_id}",
        inbox_id=inbox.id,
        channel=request.channel,
        actor=request.actor,
        contact_ids=list(people),
        team_id=next(iter(inbox.teams), None),
        policy_id=inbox.policy,
        tags=[source],
        source_of_contact=source,
        configuration_version=world.company.version,
    )
    sent = ReplyAccepted(
        href=_href(asked, request.message_id),
        message_id=request.message_id,
        inbox_id=inbox.id,
        channel=request.channel,
        actor=request.actor,
        via="api",
        content=request.content,
        attachments=len(request.attachments),
        recipients=list(people),
        send_at=request.send_at,
        status=Status.OPEN,
        approved_by=request.approved_by,
        configuration_version=world.company.version,
    )
    return outcome(
        state,
        started,
        sent,
        inbox_id=inbox.id,
        channel=request.channel,
        tags=started.tags,
        source_of_contact=source,
        team_id=started.team_id,
        policy_id=started.policy_id,
        participants=people,
        messages={
            request.message_id: f"/{delivery_id(event_id(asked.request_id, sent.type_name()), 'reply', 'customer')}"
        },
        reply_sequence=state.sequence + 2,
        scheduled=_scheduled_start(request, state.sequence + 2),
    )


def _scheduled_start(request: StartConversation, sequence: int) -> dict[str, Scheduled]:
    if request.send_at is None:
        return {}
    return {request.message_id: Scheduled(send_at=request.send_at, sequence=sequence)}


def _href(asked: Asked, message_id: str) -> str:
    return f"/api/v1/conversations/{asked.conversation_id}/messages/{message_id}"
