"""Tags, team, priority and watchers, changed by hand. Never stale: the last word counts."""

from typing import Any

from postroom_contracts.commands import RouteConversation, TagConversation
from postroom_contracts.facts import ConversationRouted, ConversationTagged
from postroom_contracts.rights import owner_of

from postroom_router.domain.conversation import Conversation
from postroom_router.domain.outcome import Asked, Outcome, World, outcome, refused


def tag(state: Conversation, request: TagConversation, asked: Asked, _: World) -> Outcome:
    """Return the conversation with its tags changed. What is there already, or not there, is left out of the fact."""
    if not state.exists:
        return refused(state, request, asked, "not_found")
    removed = [t for t in dict.fromkeys(request.remove) if t in state.tags and t not in request.add]
    added = [t for t in dict.fromkeys(request.add) if t not in state.tags]
    tags = [*(t for t in state.tags if t not in removed), *added]
    return outcome(state, ConversationTagged(actor=request.actor, added=added, removed=removed, tags=tags), tags=tags)


def route(state: Conversation, request: RouteConversation, asked: Asked, world: World) -> Outcome:
    """Return the conversation with another team, priority or watchers; None in the request leaves a field as it is."""
    if not state.exists:
        return refused(state, request, asked, "not_found")
    if request.team_id is not None and world.company.configuration.team(request.team_id) is None:
        return refused(state, request, asked, "unknown_team")
    owner = owner_of(world.company.configuration, state.inbox_id)
    if owner is not None and (request.team_id is not None or set(request.watchers or ()) - {owner}):
        return refused(state, request, asked, "private")
    changes: dict[str, Any] = {}
    if request.team_id is not None:
        changes["team_id"] = request.team_id
    if request.priority is not None:
        changes["priority"] = request.priority
    if request.watchers is not None:
        changes["watchers"] = list(dict.fromkeys(request.watchers))
    after = state.model_copy(update=changes)
    fact = ConversationRouted(
        actor=request.actor,
        team_id=after.team_id,
        priority=after.priority,
        watchers=after.watchers,
        policy_id=after.policy_id,
        configuration_version=world.company.version,
    )
    return outcome(after, fact)
