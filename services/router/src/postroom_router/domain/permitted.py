"""Who may ask for what: checked at the decision, by the newest configuration, whatever way a request comes.

Agents need the rights of `postroom_contracts.rights` in the conversation's inbox. Rules, timers, customers and systems are
no agents and may. Replies and new conversations name inboxes of their own and are checked where they are decided.
"""

from collections.abc import Iterable

from postroom_contracts import commands as c
from postroom_contracts.rights import Ability, can

from postroom_router.domain.conversation import Conversation
from postroom_router.domain.outcome import World

_NEEDS: dict[type[c.Request], Ability] = {
    c.AddNote: Ability.NOTE,
    c.CancelReply: Ability.SEND,
    c.WatchConversation: Ability.READ,
    **dict.fromkeys(
        (
            c.ResolveConversation,
            c.ReopenConversation,
            c.SnoozeConversation,
            c.SetWaiting,
            c.ArchiveConversation,
            c.DeleteConversation,
            c.RestoreConversation,
            c.MarkSpam,
            c.UnmarkSpam,
            c.MergeConversations,
            c.SplitConversation,
            c.TagConversation,
            c.RouteConversation,
        ),
        Ability.HANDLE,
    ),
}


def lacks_right(state: Conversation, request: c.Request, world: World) -> bool:
    """Say whether an agent asks for what they may not do in the conversation's inbox, or in the one it shall be moved to."""
    need = _NEEDS.get(type(request))
    if need is None or request.actor.kind != "agent" or not state.exists:
        return False
    target = request.inbox_id if isinstance(request, c.RouteConversation) else None
    configuration = world.company.configuration
    inboxes = {state.inbox_id, target if target in world.company.inboxes else state.inbox_id}
    return not all(can(configuration, need, inbox_id, request.actor.id) for inbox_id in inboxes)


def readers(agent_ids: Iterable[str], inbox_id: str, world: World) -> list[str]:
    """Return those of the agents who may read this inbox, each once, in their order."""
    configuration = world.company.configuration
    return [a for a in dict.fromkeys(agent_ids) if can(configuration, Ability.READ, inbox_id, a)]
