"""Replies that wait for their time: taken back when somebody asks for it, or when a customer writes first.

Whether a mail was taken back in time is for the notifier to say, which alone knows what it has handed over. What is said
here is that it shall not leave; if it had left, the conversation is open once too often, and never once too seldom.
"""

from typing import Any, Literal

from postroom_contracts.commands import CancelReply, SendReply
from postroom_contracts.facts import ReplyCancelled
from postroom_contracts.values import Actor, Status

from postroom_router.domain.conversation import ACTIVE, Conversation, Scheduled, with_status_change
from postroom_router.domain.outcome import Asked, Outcome, World, outcome, refused

MAX_SCHEDULED = 50
"""Replies of one conversation that can be cancelled; of more the oldest cannot any more."""
_BY_CUSTOMER = Actor(kind="system", id="held-back")


def scheduling(state: Conversation, request: SendReply, asked: Asked) -> dict[str, Any]:
    """Return the changed list of scheduled replies, without those whose time has come; empty when nothing changes."""
    waiting = {m: s for m, s in state.scheduled.items() if s.send_at > asked.at}
    if request.send_at is not None and request.send_at > asked.at:
        waiting[request.message_id] = Scheduled(
            send_at=request.send_at,
            sequence=state.sequence + 1,
            hold=request.hold_if_customer_writes,
            status=state.status,
            archived=state.archived,
            turn_started_at=state.turn_started_at,
        )
        waiting = dict(list(waiting.items())[-MAX_SCHEDULED:])
    return {} if waiting == state.scheduled else {"scheduled": waiting}


def cancel(state: Conversation, request: CancelReply, asked: Asked, _: World) -> Outcome:
    """Return the conversation without that reply; refused when it is not known, not scheduled, or due already."""
    if not state.exists or request.message_id not in state.messages:
        return refused(state, request, asked, "not_found")
    scheduled = state.scheduled.get(request.message_id)
    if scheduled is None or scheduled.send_at <= asked.at:
        return refused(state, request, asked, "too_late")
    return _cancelled(state, request.message_id, request.actor, "asked", asked)


def hold_back(state: Conversation, asked: Asked) -> Outcome:
    """Return the conversation without the replies that a customer's message, which comes now, holds back."""
    held = [m for m, s in state.scheduled.items() if s.hold and s.send_at > asked.at]
    facts: list[ReplyCancelled] = []
    for message_id in reversed(held):  # the latest first, so that each gives back what it found
        found = _cancelled(state, message_id, _BY_CUSTOMER, "customer_wrote", asked)
        state = found.state
        facts += [fact for fact in found.facts if isinstance(fact, ReplyCancelled)]
    return Outcome(state, facts)


def _cancelled(
    state: Conversation, message_id: str, actor: Actor, reason: Literal["asked", "customer_wrote"], asked: Asked
) -> Outcome:
    scheduled = state.scheduled[message_id]
    changes = _given_back(state, scheduled, actor)
    status = changes.get("status", state.status)
    turn = changes.get("turn_started_at", state.turn_started_at)
    fact = ReplyCancelled(
        href=f"/api/v1/conversations/{asked.conversation_id}/messages/{message_id}",
        message_id=message_id,
        actor=actor,
        reason=reason,
        cancelled_at=asked.at,
        previous=state.status,
        status=status,
        unresolved=state.status is Status.RESOLVED and status is not Status.RESOLVED,
        open_turn_started_at=turn,
    )
    left = {m: s for m, s in state.scheduled.items() if m != message_id}
    return outcome(state, fact, scheduled=left, **changes)


def _given_back(state: Conversation, scheduled: Scheduled, actor: Actor) -> dict[str, Any]:
    """Return what the reply had taken away, unless something else decided on it since."""
    changes: dict[str, Any] = {}
    latest = state.status_changes[0].sequence if state.status_changes else 0
    if latest == scheduled.sequence and state.status is not scheduled.status:
        status = Status.OPEN if scheduled.status is Status.SNOOZED else scheduled.status  # its timer may be over
        changes |= {"status": status, "archived": scheduled.archived}
        changes["status_changes"] = with_status_change(state, actor, state.sequence + 1)
    answered_since = state.reply_sequence > scheduled.sequence
    if scheduled.turn_started_at is not None and not answered_since and changes.get("status", state.status) in ACTIVE:
        open_turn = state.turn_started_at
        since = scheduled.turn_started_at
        changes["turn_started_at"] = since if open_turn is None else min(open_turn, since)
    return changes
