"""Merges: the source is closed in its own queue, the target absorbs it in its own, what still comes is passed on.

No circle of merges can come about: the decider takes each edge under one lock (`adapters/merges.py`), and `World`
says what the target was merged into.
"""

from dataclasses import replace
from typing import Any

from postroom_contracts.commands import AbsorbConversation, AcceptMessage, Command, MergeConversations, Request
from postroom_contracts.facts import ConversationAbsorbed, ConversationMerged
from postroom_contracts.values import Status

from postroom_router.domain.conversation import (
    ACTIVE,
    Conversation,
    customer_arrived,
    with_status_change,
)
from postroom_router.domain.outcome import Asked, Outcome, Passed, World, outcome, refused
from postroom_router.domain.status import hindrance

_MAY_BE_MERGED = frozenset({*ACTIVE, Status.RESOLVED, Status.SPAM, Status.DELETED})


def merge(state: Conversation, request: MergeConversations, asked: Asked, world: World) -> Outcome | None:
    """Return the closed source; None when a late parent's merge has nothing left to do.

    The thread step may name a source that no message has reached yet: it is closed all the same, silently, so that its
    messages are passed on when they come.
    """
    by_threads = request.reason == "late_parent"
    target = request.target_id
    if asked.conversation_id in (target, *world.merged.get(target, ())):
        return None if by_threads else refused(state, request, asked, "same_conversation")
    if by_threads and not state.exists:
        return outcome(state, merged_into=target)
    if no := hindrance(state, request, asked, _MAY_BE_MERGED, may_be_stale=True):
        return no
    if not by_threads and target not in world.targets:
        return refused(state, request, asked, "not_found")
    return _closed(state, request, asked)


def _closed(state: Conversation, request: MergeConversations, asked: Asked) -> Outcome:
    turn = state.turn_started_at
    fact = ConversationMerged(
        target_id=request.target_id,
        merged_at=asked.at,
        actor=request.actor,
        message_ids=[m for m in state.messages if m not in state.moved],
        contact_ids=list(state.participants),
        open_turn_started_at=turn,
    )
    half = AbsorbConversation(
        source_id=asked.conversation_id,
        message_ids=fact.message_ids,
        contact_ids=fact.contact_ids,
        tags=list(state.tags),
        open_turn_started_at=turn,
        last_customer_content=state.last_customer_content,
        last_customer_message_id=state.last_customer_message_id,
        last_customer_from_only=state.last_customer_from_only,
        apart=request.apart,
        actor=request.actor,
    )
    return outcome(
        state,
        fact,
        commands=[Passed(request.target_id, half)],
        status=Status.MERGED,
        merged_into=request.target_id,
        turn_started_at=None,
        snooze=None,
        status_changes=with_status_change(state, request.actor, state.sequence + 1),
    )


def absorb(state: Conversation, command: AbsorbConversation, asked: Asked, world: World) -> Outcome | None:
    """Return the target with everything of the source; None when it has it already."""
    if command.source_id in state.absorbed or any(a.source_id == command.source_id for a in state.to_absorb):
        return None
    if not state.exists:  # its first message is still on its way
        return outcome(state, to_absorb=[*state.to_absorb, command], participants=_with_people(state, command, world))
    return _absorbed(state.model_copy(update={"participants": _with_people(state, command, world)}), command, asked)


def absorb_waiting(opened: Outcome, asked: Asked) -> Outcome:
    """Return the conversation that was just opened with what had to wait for that."""
    state = opened.state
    result = replace(opened, state=state.model_copy(update={"to_absorb": []}))
    for command in state.to_absorb:
        following = _absorbed(result.state, command, asked)
        result = replace(following, facts=[*result.facts, *following.facts])
    return result


def _with_people(state: Conversation, command: AbsorbConversation, world: World) -> dict[str, str]:
    """Return the participants of both. One who was erased meanwhile has no address any more."""
    if command.apart:
        return state.participants
    return {**{c: world.addresses.get(c, "") for c in command.contact_ids}, **state.participants}


def _absorbed(state: Conversation, command: AbsorbConversation, asked: Asked) -> Outcome:
    """A source that waits for an answer makes the target wait for one, as its customer's message would."""
    turn = command.open_turn_started_at
    effects = {} if turn is None else customer_arrived(state, turn)
    status = effects.get("status", state.status)
    reopened = state.status in (Status.RESOLVED, Status.DELETED) and status is Status.OPEN
    tags = list(dict.fromkeys([*state.tags, *command.tags]))
    fact = ConversationAbsorbed(
        source_id=command.source_id,
        absorbed_at=asked.at,
        actor=command.actor,
        message_ids=list(command.message_ids),
        contact_ids=list(command.contact_ids),
        tags=tags,
        open_turn_started_at=turn,
        status=status,
        reopened=reopened,
    )
    changes: dict[str, Any] = {
        "messages": {**dict.fromkeys(command.message_ids, ""), **state.messages},
        "absorbed": [*state.absorbed, command.source_id],
        "tags": tags,
        **effects,
        **_latest(state, command),
    }
    if command.message_ids:
        changes["message_sequence"] = state.sequence + 1
    return outcome(state, fact, **changes)


def _latest(state: Conversation, command: AbsorbConversation) -> dict[str, Any]:
    """Return what there is to answer: the source's message if only the source waits, or the target has none."""
    source_waits = command.open_turn_started_at is not None and state.turn_started_at is None
    if (
        command.apart
        or command.last_customer_message_id is None
        or not (source_waits or state.last_customer_message_id is None)
    ):
        return {}
    return {
        "last_customer_content": command.last_customer_content,
        "last_customer_message_id": command.last_customer_message_id,
        "last_customer_contact_id": command.contact_ids[0] if command.contact_ids else None,
        "last_customer_from_only": command.last_customer_from_only,
    }


def pass_on(state: Conversation, command: Command, asked: Asked) -> Outcome | None:
    """Return a command for the conversation that this one was merged into, under its own id.

    Its actor saw nothing of that conversation, so a request that can be stale is refused there, with what it missed.
    """
    assert state.merged_into is not None
    if isinstance(command, AcceptMessage) and command.inbound.message_id in state.messages:
        return None  # it went there with the merge
    if isinstance(command, Request) and command.expected_sequence is not None:
        command = command.model_copy(update={"expected_sequence": 0})
    return Outcome(state, commands=[Passed(state.merged_into, command, asked.request_id)])
