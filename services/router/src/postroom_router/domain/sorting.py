"""Tags, team, priority and watchers, changed by hand. Never stale: the last word counts."""

from typing import Any

from postroom_contracts.commands import RouteConversation, TagConversation, UnwatchConversation, WatchConversation
from postroom_contracts.facts import ConversationRouted, ConversationTagged
from postroom_contracts.rights import owner_of

from postroom_router.domain.conversation import Conversation
from postroom_router.domain.outcome import Asked, Outcome, World, outcome, refused
from postroom_router.domain.permitted import readers


def tag(state: Conversation, request: TagConversation, asked: Asked, _: World) -> Outcome:
    """Return the conversation with its tags changed. What is there already, or not there, is left out of the fact."""
    if not state.exists:
        return refused(state, request, asked, "not_found")
    removed = [t for t in dict.fromkeys(request.remove) if t in state.tags and t not in request.add]
    added = [t for t in dict.fromkeys(request.add) if t not in state.tags]
    tags = [*(t for t in state.tags if t not in removed), *added]
    return outcome(state, ConversationTagged(actor=request.actor, added=added, removed=removed, tags=tags), tags=tags)


def route(state: Conversation, request: RouteConversation, asked: Asked, world: World) -> Outcome:
    """Return the conversation with another inbox, team, priority or watchers; None in the request leaves a field as it is."""
    if not state.exists:
        return refused(state, request, asked, "not_found")
    if request.inbox_id is not None and (reason := _cannot_move(state, request.inbox_id, world)):
        return refused(state, request, asked, reason)
    if request.team_id is not None and world.company.configuration.team(request.team_id) is None:
        return refused(state, request, asked, "unknown_team")
    owner = owner_of(world.company.configuration, state.inbox_id)
    if owner is not None and (request.team_id is not None or set(request.watchers or ()) - {owner}):
        return refused(state, request, asked, "private")
    added = set(request.watchers or ()) - set(state.watchers)
    if added - set(readers(added, request.inbox_id or state.inbox_id, world)):
        return refused(state, request, asked, "watcher_cannot_read")
    changes = _moved(state, request.inbox_id, world)
    if request.team_id is not None:
        changes["team_id"] = request.team_id
    if request.priority is not None:
        changes["priority"] = request.priority
    if request.watchers is not None:
        changes["watchers"] = list(dict.fromkeys(request.watchers))
    if "inbox_id" in changes:  # who may not read it there watches it no longer
        changes["watchers"] = readers(changes.get("watchers", state.watchers), changes["inbox_id"], world)
    after = state.model_copy(update=changes)
    fact = ConversationRouted(
        actor=request.actor,
        inbox_id=after.inbox_id if after.inbox_id != state.inbox_id else None,
        previous_inbox_id=state.inbox_id if after.inbox_id != state.inbox_id else None,
        team_id=after.team_id,
        priority=after.priority,
        watchers=after.watchers,
        policy_id=after.policy_id,
        configuration_version=world.company.version,
    )
    return outcome(after, fact)


def _cannot_move(state: Conversation, inbox_id: str, world: World) -> str | None:
    """Return why not. Into a private inbox nothing is moved: somebody else may own it, or has read it."""
    inbox = world.company.inboxes.get(inbox_id)
    if inbox is None:
        return "unknown_inbox"
    if inbox.owner is not None and inbox_id != state.inbox_id:
        return "private"
    account = next((a for a in world.company.configuration.accounts if a.id == inbox.account), None)
    return "other_channel" if account is None or account.channel is not state.channel else None


def _moved(state: Conversation, inbox_id: str | None, world: World) -> dict[str, Any]:
    """Return what a move changes: a team that does not work there hands over to the one that does, a policy likewise."""
    if inbox_id is None or inbox_id == state.inbox_id:
        return {}
    inbox = world.company.inboxes[inbox_id]
    team = state.team_id if state.team_id in inbox.teams else next(iter(inbox.teams), None)
    return {"inbox_id": inbox_id, "team_id": team, "policy_id": inbox.policy or state.policy_id}


def watch(state: Conversation, request: WatchConversation, asked: Asked, world: World) -> Outcome:
    """Return the conversation with one more watcher. Every request gets its fact, also one that changes nothing."""
    if not state.exists:
        return refused(state, request, asked, "not_found")
    agent = world.company.configuration.agent(request.agent_id)
    if agent is None or not agent.enabled:
        return refused(state, request, asked, "unknown_agent")
    if not readers([agent.id], state.inbox_id, world):
        return refused(state, request, asked, "watcher_cannot_read")
    return _watched(state, [*state.watchers, agent.id], request, world)


def unwatch(state: Conversation, request: UnwatchConversation, asked: Asked, world: World) -> Outcome:
    if not state.exists:
        return refused(state, request, asked, "not_found")
    return _watched(state, [w for w in state.watchers if w != request.agent_id], request, world)


def _watched(
    state: Conversation, watchers: list[str], request: WatchConversation | UnwatchConversation, world: World
) -> Outcome:
    fact = ConversationRouted(
        actor=request.actor,
        team_id=state.team_id,
        priority=state.priority,
        watchers=list(dict.fromkeys(watchers)),
        policy_id=state.policy_id,
        configuration_version=world.company.version,
    )
    return outcome(state, fact, watchers=fact.watchers)
