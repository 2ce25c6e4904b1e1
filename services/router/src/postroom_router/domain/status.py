"""Requests that change a conversation's status, and the timer of a snooze."""

from collections.abc import Callable
from typing import Any

from postroom_contracts.commands import (
    ArchiveConversation,
    DeleteConversation,
    MarkSpam,
    ReopenConversation,
    Request,
    ResolveConversation,
    RestoreConversation,
    SetWaiting,
    SnoozeConversation,
    UnmarkSpam,
    WakeConversation,
)
from postroom_contracts.facts import (
    ConversationArchived,
    ConversationDeleted,
    ConversationMarkedSpam,
    ConversationReopened,
    ConversationResolved,
    ConversationRestored,
    ConversationSnoozed,
    ConversationUnmarkedSpam,
    ConversationWaiting,
    ConversationWoken,
    Fact,
)
from postroom_contracts.values import Actor, Status

from postroom_router.domain.conversation import (
    ACTIVE,
    Aside,
    Conversation,
    Snooze,
    set_aside,
    unseen,
    with_status_change,
)
from postroom_router.domain.outcome import Asked, Outcome, World, outcome, refused

_NOT_BINNED = frozenset({*ACTIVE, Status.RESOLVED})


def hindrance(
    state: Conversation, request: Request, asked: Asked, allowed: frozenset[Status], *, may_be_stale: bool
) -> Outcome | None:
    """Return the refusal of a request that cannot be carried out on this state; None when it can."""
    if not state.exists:
        return refused(state, request, asked, "not_found")
    if may_be_stale and (changed := unseen(state, request.actor, request.expected_sequence)):
        return refused(state, request, asked, "stale", changed=changed)
    if state.status not in allowed:
        return refused(state, request, asked, "wrong_status")
    return None


def _changed(state: Conversation, fact: Fact, actor: Actor, **changes: Any) -> Outcome:
    """Return the state after a change of status; a snooze never outlives one, unless it is that change."""
    changes = {"snooze": None, "status_changes": with_status_change(state, actor, state.sequence + 1), **changes}
    return outcome(state, fact, **changes)


def resolve(state: Conversation, request: ResolveConversation, asked: Asked, _: World) -> Outcome:
    if no := hindrance(state, request, asked, ACTIVE, may_be_stale=True):
        return no
    fact = ConversationResolved(actor=request.actor, previous=state.status, resolved_at=asked.at)
    return _changed(state, fact, request.actor, status=Status.RESOLVED, turn_started_at=None)


def reopen(state: Conversation, request: ReopenConversation, asked: Asked, _: World) -> Outcome:
    allowed = frozenset({Status.RESOLVED, Status.WAITING, Status.SNOOZED})
    if no := hindrance(state, request, asked, allowed, may_be_stale=False):
        return no
    fact = ConversationReopened(actor=request.actor, previous=state.status, reopened_at=asked.at)
    return _changed(state, fact, request.actor, status=Status.OPEN, archived=False)


def snooze(state: Conversation, request: SnoozeConversation, asked: Asked, _: World) -> Outcome:
    """A second snooze replaces the first: its timer finds another generation and does nothing."""
    if no := hindrance(state, request, asked, ACTIVE, may_be_stale=False):
        return no
    if request.until <= asked.at:
        return refused(state, request, asked, "not_in_future")
    generation = state.snoozes + 1
    fact = ConversationSnoozed(
        actor=request.actor, previous=state.status, snoozed_at=asked.at, until=request.until, generation=generation
    )
    return _changed(
        state,
        fact,
        request.actor,
        status=Status.SNOOZED,
        snooze=Snooze(until=request.until, generation=generation),
        snoozes=generation,
    )


def wake(state: Conversation, command: WakeConversation, _asked: Asked, _: World) -> Outcome | None:
    """Return the woken conversation; None when that snooze is over already."""
    if state.status is not Status.SNOOZED or state.snooze is None or state.snooze.generation != command.generation:
        return None
    actor = Actor(kind="timer", id=f"snooze-{command.generation}")
    fact = ConversationWoken(
        actor=actor, previous=state.status, woken_at=command.due_at, generation=command.generation, late=command.late
    )
    return _changed(state, fact, actor, status=Status.OPEN)


def set_waiting(state: Conversation, request: SetWaiting, asked: Asked, _: World) -> Outcome:
    allowed = frozenset({Status.OPEN, Status.SNOOZED})
    if no := hindrance(state, request, asked, allowed, may_be_stale=False):
        return no
    fact = ConversationWaiting(actor=request.actor, previous=state.status, waiting_at=asked.at)
    return _changed(state, fact, request.actor, status=Status.WAITING)


def archive(state: Conversation, request: ArchiveConversation, asked: Asked, _: World) -> Outcome:
    """Archiving one that is not resolved resolves it in the same fact."""
    if no := hindrance(state, request, asked, _NOT_BINNED, may_be_stale=True):
        return no
    if state.archived:
        return refused(state, request, asked, "wrong_status")
    fact = ConversationArchived(
        actor=request.actor, previous=state.status, archived_at=asked.at, resolved=state.status is not Status.RESOLVED
    )
    return _changed(state, fact, request.actor, status=Status.RESOLVED, archived=True, turn_started_at=None)


def delete(state: Conversation, request: DeleteConversation, asked: Asked, _: World) -> Outcome:
    allowed = _NOT_BINNED | {Status.SPAM}
    if no := hindrance(state, request, asked, allowed, may_be_stale=True):
        return no
    fact = ConversationDeleted(actor=request.actor, previous=state.status, deleted_at=asked.at)
    return _put_away(state, fact, request.actor, Status.DELETED, "before_deleted")


def mark_spam(state: Conversation, request: MarkSpam, asked: Asked, _: World) -> Outcome:
    if no := hindrance(state, request, asked, _NOT_BINNED, may_be_stale=True):
        return no
    fact = ConversationMarkedSpam(actor=request.actor, previous=state.status, marked_at=asked.at)
    return _put_away(state, fact, request.actor, Status.SPAM, "before_spam")


def restore(state: Conversation, request: RestoreConversation, asked: Asked, _: World) -> Outcome:
    if no := hindrance(state, request, asked, frozenset({Status.DELETED}), may_be_stale=False):
        return no
    return _given_back(
        state,
        state.before_deleted or Aside(),
        request.actor,
        lambda status: ConversationRestored(
            actor=request.actor, previous=Status.DELETED, status=status, restored_at=asked.at
        ),
        before_deleted=None,
    )


def unmark_spam(state: Conversation, request: UnmarkSpam, asked: Asked, _: World) -> Outcome:
    if no := hindrance(state, request, asked, frozenset({Status.SPAM}), may_be_stale=False):
        return no
    return _given_back(
        state,
        state.before_spam or Aside(),
        request.actor,
        lambda status: ConversationUnmarkedSpam(
            actor=request.actor, previous=Status.SPAM, status=status, unmarked_at=asked.at
        ),
        before_spam=None,
    )


def _put_away(state: Conversation, fact: Fact, actor: Actor, status: Status, where: str) -> Outcome:
    kept = {where: set_aside(state)}
    return _changed(state, fact, actor, status=status, archived=False, turn_started_at=None, **kept)


def _given_back(
    state: Conversation, aside: Aside, actor: Actor, fact: Callable[[Status], Fact], **changes: Any
) -> Outcome:
    """Return the conversation as it was; a snooze that ended meanwhile wakes at once, its timer is due."""
    return _changed(
        state,
        fact(aside.status),
        actor,
        status=aside.status,
        archived=aside.archived,
        turn_started_at=aside.turn_started_at,
        snooze=aside.snooze,
        **changes,
    )
