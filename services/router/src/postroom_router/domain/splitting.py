"""Splits: a message and what follows it becomes a conversation of its own.

The source keeps the messages' ids, so that none is taken in again, and passes on what answers a reply that went along:
the Message-IDs of such replies name the source. Claims of the customers' mails are led over by the decider.
"""

from collections.abc import Sequence
from typing import Any

from postroom_contracts.commands import OpenSplit, SplitConversation
from postroom_contracts.facts import ConversationSplit, ConversationSplitOff
from postroom_contracts.inbound import InboundReceived
from postroom_contracts.signed_ids import read_signed_message_id
from postroom_contracts.values import Status

from postroom_router.domain.conversation import ACTIVE, Conversation
from postroom_router.domain.outcome import Asked, Outcome, Passed, World, outcome, refused
from postroom_router.domain.status import hindrance

_MAY_BE_SPLIT = frozenset({*ACTIVE, Status.RESOLVED})
MAX_UNANSWERED = 200


def unanswered_with(state: Conversation, inbound: InboundReceived) -> dict[str, Any]:
    """Return the customer messages of the open turn with this one; the first 200 of it are known."""
    known = state.unanswered if state.turn_started_at is not None else {}
    full = len(known) >= MAX_UNANSWERED
    return {} if full else {"unanswered": {**known, inbound.message_id: inbound.received_at}}


def went_on_in(state: Conversation, inbound: InboundReceived, world: World) -> str | None:
    """Return the conversation that has the reply of ours which this mail answers, if that was split off."""
    about = [inbound.about_external_id] if inbound.about_external_id else []
    for value in (*about, *inbound.in_reply_to, *reversed(inbound.references)):
        if value.count(".") > 1 and (signed := read_signed_message_id(value, world.keys)):
            return state.moved_replies.get(signed.delivery_id)
    return None


def split(state: Conversation, request: SplitConversation, asked: Asked, _: World) -> Outcome:
    """Return the source without the message and what follows. Refused: it is unknown, or nothing would stay."""
    if no := hindrance(state, request, asked, _MAY_BE_SPLIT, may_be_stale=False):
        return no
    here = [m for m in state.messages if m not in state.moved]
    if request.message_id not in here:
        return refused(state, request, asked, "not_found")
    going = here[here.index(request.message_id) :]
    if len(going) == len(here) or request.new_conversation_id == asked.conversation_id:
        return refused(state, request, asked, "nothing_left")
    if request.answers_message_id is not None and request.answers_message_id not in here[: -len(going)]:
        return refused(state, request, asked, "not_found")
    if state.scheduled.keys() & set(going):
        return refused(state, request, asked, "scheduled_reply")
    return _split(state, request, asked, going)


def _split(state: Conversation, request: SplitConversation, asked: Asked, going: Sequence[str]) -> Outcome:
    waiting = state.unanswered if state.turn_started_at is not None else {}
    stays = {m: at for m, at in waiting.items() if m not in going}
    turn = min(stays.values(), default=None)
    if state.turn_started_at is not None and not waiting and state.last_customer_message_id not in going:
        turn = state.turn_started_at  # written before the messages of a turn were kept apart
    fact = ConversationSplit(
        href=f"/api/v1/conversations/{asked.conversation_id}",
        new_conversation_id=request.new_conversation_id,
        split_at=asked.at,
        actor=request.actor,
        message_ids=list(going),
        open_turn_started_at=turn,
    )
    half = _half(state, request, asked, going)
    replies = {author.removeprefix("/") for m in going if (author := state.messages[m]).startswith("/")}
    return outcome(
        state,
        fact,
        commands=[Passed(request.new_conversation_id, half)],
        moved={**state.moved, **dict.fromkeys(going, request.new_conversation_id)},
        moved_replies={**state.moved_replies, **dict.fromkeys(replies, request.new_conversation_id)},
        unanswered=stays,
        turn_started_at=turn,
        **_answered_here(state, request, going),
    )


def _answered_here(state: Conversation, request: SplitConversation, going: Sequence[str]) -> dict[str, Any]:
    """Return what a reply answers that is written here from now on."""
    if state.last_customer_message_id not in going:
        return {}
    author = state.messages.get(request.answers_message_id or "", "").partition("/")[0]
    return {
        "last_customer_content": request.answers,
        "last_customer_message_id": request.answers_message_id,
        "last_customer_contact_id": author or None,
        "last_customer_from_only": False,
        "last_customer_at": None,
    }


def _half(state: Conversation, request: SplitConversation, asked: Asked, going: Sequence[str]) -> OpenSplit:
    waiting = state.unanswered if state.turn_started_at is not None else {}
    goes = {m: at for m, at in waiting.items() if m in going}
    latest = state.last_customer_message_id in going
    if not waiting and latest and state.turn_started_at is not None and state.last_customer_message_id is not None:
        goes = {state.last_customer_message_id: state.turn_started_at}
    return OpenSplit(
        source_id=asked.conversation_id,
        message_ids=list(going),
        actor=request.actor,
        inbox_id=state.inbox_id,
        channel=state.channel,
        contact_ids=list(state.participants),
        third_party_ids=list(state.third_parties),
        tags=list(state.tags),
        priority=state.priority,
        team_id=state.team_id,
        policy_id=state.policy_id,
        watchers=list(state.watchers),
        source_of_contact=state.source_of_contact,
        unanswered=goes,
        last_customer_content=state.last_customer_content if latest else None,
        last_customer_message_id=state.last_customer_message_id if latest else None,
        last_customer_contact_id=state.last_customer_contact_id if latest else None,
        last_customer_from_only=state.last_customer_from_only and latest,
    )


def open_split(state: Conversation, command: OpenSplit, asked: Asked, world: World) -> Outcome | None:
    """Return the conversation that a split makes; None when it stands already."""
    if state.exists:
        return None
    turn = min(command.unanswered.values(), default=None)
    fact = ConversationSplitOff(
        href=f"/api/v1/conversations/{asked.conversation_id}",
        source_id=command.source_id,
        split_at=asked.at,
        actor=command.actor,
        message_ids=list(command.message_ids),
        inbox_id=command.inbox_id,
        channel=command.channel,
        contact_ids=list(command.contact_ids),
        tags=list(command.tags),
        priority=command.priority,
        team_id=command.team_id,
        policy_id=command.policy_id,
        watchers=list(command.watchers),
        source_of_contact=command.source_of_contact,
        open_turn_started_at=turn,
        last_customer_content_id=command.last_customer_content.content_id if command.last_customer_content else None,
        last_customer_message_id=command.last_customer_message_id,
        status=Status.OPEN,
        configuration_version=world.company.version,
    )
    return outcome(
        state,
        fact,
        inbox_id=command.inbox_id,
        channel=command.channel,
        tags=fact.tags,
        priority=command.priority,
        team_id=command.team_id,
        policy_id=command.policy_id,
        watchers=fact.watchers,
        source_of_contact=command.source_of_contact,
        participants={c: world.addresses.get(c, "") for c in command.contact_ids},
        third_parties=list(command.third_party_ids),
        messages=dict.fromkeys(command.message_ids, ""),
        turn_started_at=turn,
        unanswered=dict(command.unanswered),
        last_customer_content=command.last_customer_content,
        last_customer_message_id=command.last_customer_message_id,
        last_customer_contact_id=command.last_customer_contact_id,
        last_customer_from_only=command.last_customer_from_only,
        message_sequence=state.sequence + 1,
    )
