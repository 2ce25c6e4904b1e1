"""Every command of the router, and the function that decides it."""

from collections.abc import Callable
from typing import Any

from postroom_contracts import commands as c
from postroom_contracts.events import Data
from postroom_contracts.rights import owner_of

from postroom_router.domain import accept, cancelling, erasing, merging, replies, sorting, splitting, status
from postroom_router.domain.conversation import EMPTY, Conversation
from postroom_router.domain.outcome import Asked, Outcome, World, refused
from postroom_router.domain.permitted import lacks_right

Decide = Callable[[Conversation, Any, Asked, World], Outcome | None]

DECISIONS: dict[type[Data], Decide] = {
    c.AcceptMessage: accept.accept_message,
    c.SendReply: replies.reply,
    c.CancelReply: cancelling.cancel,
    c.RefuseAnswer: replies.refuse_answer,
    c.AddNote: replies.note,
    c.StartConversation: replies.start,
    c.ResolveConversation: status.resolve,
    c.ReopenConversation: status.reopen,
    c.SnoozeConversation: status.snooze,
    c.WakeConversation: status.wake,
    c.SetWaiting: status.set_waiting,
    c.ArchiveConversation: status.archive,
    c.DeleteConversation: status.delete,
    c.RestoreConversation: status.restore,
    c.MarkSpam: status.mark_spam,
    c.UnmarkSpam: status.unmark_spam,
    c.SplitConversation: splitting.split,
    c.OpenSplit: splitting.open_split,
    c.WatchConversation: sorting.watch,
    c.UnwatchConversation: sorting.unwatch,
    c.TagConversation: sorting.tag,
    c.RouteConversation: sorting.route,
    c.MergeConversations: merging.merge,
    c.AbsorbConversation: merging.absorb,
    c.EraseContact: erasing.erase,
}
_STAYS = (c.WakeConversation, c.EraseContact)
"""What a merged conversation still decides itself."""


def decide(state: Conversation | None, command: Data, asked: Asked, world: World) -> Outcome | None:
    """Return what `command` makes of a conversation; None when it changes nothing.

    Pure: the same state, command and world give the same outcome, now and at every replay.
    """
    before = EMPTY if state is None else state
    found = _decided(before, command, asked, world)
    if found is None or isinstance(command, c.EraseContact) or not erasing.is_decided_late(found.state, command, world):
        return found
    return erasing.after_late(before, found, command, asked, world)


def _decided(state: Conversation, command: Data, asked: Asked, world: World) -> Outcome | None:
    if state.merged_into is not None and not isinstance(command, _STAYS):
        assert isinstance(command, c.Command)
        return merging.pass_on(state, command, asked)
    if isinstance(command, c.Request) and _is_anothers(state, command, world):
        return refused(state, command, asked, "not_found", content=getattr(command, "content", None))
    if isinstance(command, c.Request) and lacks_right(state, command, world):
        return refused(state, command, asked, "no_right", content=getattr(command, "content", None))
    return DECISIONS[type(command)](state, command, asked, world)


def _is_anothers(state: Conversation, request: c.Request, world: World) -> bool:
    """Say whether an agent asks for something in a private inbox that is not theirs: for them there is none."""
    if isinstance(request, c.EraseContact):  # who may ask for that asks for all of the house
        return False
    owner = owner_of(world.company.configuration, state.inbox_id) if state.exists else None
    return owner is not None and request.actor.kind == "agent" and request.actor.id != owner
