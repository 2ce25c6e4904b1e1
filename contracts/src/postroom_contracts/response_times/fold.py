"""What each fact says about a conversation's clocks: turns, episodes, pauses, targets (`docs/metrics.md`).

What was answered follows from the order of the log, how long it took from the times in the facts.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any, Protocol

from postroom_contracts import facts as f
from postroom_contracts.business_time import to_epoch_ms
from postroom_contracts.response_times import status
from postroom_contracts.response_times.model import ConversationClocks, Credit, Reply, Run, marked_private
from postroom_contracts.response_times.opening import add_reply, customer_waits, set_policy
from postroom_contracts.response_times.status import (
    credit_of,
    end_pause,
    leave_resolved,
    resolve,
    set_spam,
    set_status,
    unresolve,
)
from postroom_contracts.response_times.view import Configurations
from postroom_contracts.rights import owner_of
from postroom_contracts.values import Status


class AssignedFact(Protocol):
    """What is read of `ConversationAssigned`: a service may leave out its record when it decodes it."""

    @property
    def agent_id(self) -> str: ...

    @property
    def team_id(self) -> str | None: ...

    @property
    def epoch(self) -> int: ...


def apply(state: ConversationClocks, fact: object, time_ms: int, configurations: Configurations) -> bool:
    """Move `state` on by one fact, decided at `time_ms`; return whether it is of a kind that clocks follow.

    `state` is changed; when this raises, it is to be thrown away. Raises view.UnknownConfigurationError.
    """
    kind = type(fact)
    if (change := _BY_FACT.get(kind)) is not None:
        change(state, fact)
    elif (change_in_context := _BY_FACT_IN_CONTEXT.get(kind)) is not None:
        change_in_context(state, fact, Context(time_ms, configurations))
    else:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Context:
    """The moment of the decision, and the configurations."""

    time: int
    configurations: Configurations


# --- the router's facts: messages and replies ----------------------------------------------------------------------


def _on_message_received(state: ConversationClocks, fact: f.MessageReceived, context: Context) -> None:
    """Take a message in. Imported history is no volume and opens no clock; the first message after it opens the conversation."""
    received_at = to_epoch_ms(fact.received_at)
    if fact.imported:
        _decided_by(state, fact.configuration_version, fact.team_id, fact.tags)
        set_spam(state, fact.status, received_at)
        state.status = str(fact.status)
        return
    echo = fact.message_kind == "echo" and fact.from_agent is not None
    if state.opened_at is None:
        state.agent_started = state.agent_started or echo
        _open_conversation(state, fact, received_at, context)
    _decided_by(state, fact.configuration_version, fact.team_id, fact.tags)
    set_policy(state, fact.policy_id, context.time, context.configurations)
    if fact.message_kind == "message":
        end_pause(state, received_at)
        customer_waits(state, received_at, context.configurations)
        state.status = str(fact.status)
        set_spam(state, fact.status, received_at)
        return
    set_status(state, fact.status, context.time)
    if echo:
        state.answered = True
        credit = Credit(fact.from_agent, state.team, state.tags)
        add_reply(state, Reply(fact.message_id, credit, sent_at=received_at))


def _on_conversation_started(state: ConversationClocks, fact: f.ConversationStarted, context: Context) -> None:
    state.agent_started = True
    if state.opened_at is None:
        _open_conversation(state, fact, context.time, context)
    _decided_by(state, fact.configuration_version, fact.team_id, fact.tags)
    set_policy(state, fact.policy_id, context.time, context.configurations)


def _on_reply_accepted(state: ConversationClocks, fact: f.ReplyAccepted, context: Context) -> None:
    if fact.actor.kind == "agent" and fact.recipients:
        add_reply(state, Reply(fact.message_id, credit_of(state, fact.actor)))
    if fact.resolved:
        resolve(state, context.time, fact.actor)
    set_status(state, fact.status, context.time)


def _on_reply_cancelled(state: ConversationClocks, fact: f.ReplyCancelled) -> None:
    """Undo what the reply did to the status. Whether it answers the turn says the notifier."""
    at = to_epoch_ms(fact.cancelled_at)
    if fact.unresolved:
        unresolve(state, at)
    if fact.status != fact.previous:
        set_status(state, fact.status, at)


def _on_handed_off(state: ConversationClocks, fact: f.ConversationHandedOff) -> None:
    episode = state.open_episode
    if episode is not None and episode.runs and episode.runs[-1].handed_off_at is None:
        episode.runs[-1].handed_off_at = to_epoch_ms(fact.handed_off_at)


def _open_conversation(
    state: ConversationClocks,
    fact: f.MessageReceived | f.ConversationStarted | f.ConversationSplitOff,
    at: int,
    context: Context,
) -> None:
    configuration = context.configurations.get(fact.configuration_version)
    private = configuration is not None and owner_of(configuration, fact.inbox_id) is not None
    inbox = marked_private(fact.inbox_id) if private else fact.inbox_id
    state.opened_at, state.inbox, state.channel = at, inbox, str(fact.channel)


def _decided_by(state: ConversationClocks, version: int, team: str | None, tags: list[str]) -> None:
    state.version = version
    # No rule and no request takes a team away: None says that nothing was said about it.
    state.team = team or state.team
    state.tags = tuple(tags)


# --- the notifier's facts: what became of replies ------------------------------------------------------------------


def _on_message_sent(state: ConversationClocks, fact: f.MessageSent) -> None:
    sent_at = to_epoch_ms(fact.sent_at)
    if fact.message_id in state.loose_replies:
        state.loose_replies.remove(fact.message_id)
        state.answered = True
    for run, position in _find_reply(state, fact.message_id):
        reply = run.replies[position]
        earliest = sent_at if reply.sent_at is None else min(sent_at, reply.sent_at)
        run.replies[position] = replace(reply, sent_at=earliest, failed=False)
        state.answered = True


def _on_message_failed(state: ConversationClocks, fact: f.MessageFailed) -> None:
    for run, position in _find_reply(state, fact.message_id):
        # One of several deliveries of it went out: the customer has it.
        if run.replies[position].sent_at is None:
            run.replies[position] = replace(run.replies[position], failed=True)


def _on_message_cancelled(state: ConversationClocks, fact: f.MessageCancelled) -> None:
    """It never left: the turn goes on as if it had not been written."""
    if fact.message_id in state.loose_replies:
        state.loose_replies.remove(fact.message_id)
    for run, position in _find_reply(state, fact.message_id):
        run.replies[position] = replace(run.replies[position], failed=True)


def _on_message_bounced(state: ConversationClocks, _fact: f.MessageBounced) -> None:
    state.undelivered = True


def _find_reply(state: ConversationClocks, message_id: str) -> list[tuple[Run, int]]:
    return [
        (run, position)
        for episode in state.episodes
        for run in episode.runs
        for position, reply in enumerate(run.replies)
        if reply.message_id == message_id
    ]


# --- tags, teams, owners, policies ---------------------------------------------------------------------------------


def _on_tagged(state: ConversationClocks, fact: f.ConversationTagged) -> None:
    state.tags = tuple(fact.tags)


def _on_routed(state: ConversationClocks, fact: f.ConversationRouted, context: Context) -> None:
    if fact.inbox_id is not None and state.inbox:
        state.inbox = fact.inbox_id
    _decided_by(state, fact.configuration_version, fact.team_id, list(state.tags))
    set_policy(state, fact.policy_id, context.time, context.configurations)


def on_assigned(state: ConversationClocks, fact: AssignedFact) -> None:
    """Take over owner and team, unless a later owner is known."""
    _set_owner(state, fact.agent_id, fact.team_id, fact.epoch)


def _on_queued(state: ConversationClocks, fact: f.ConversationQueued) -> None:
    _set_owner(state, None, fact.team_id, fact.epoch)


def _on_unassigned(state: ConversationClocks, fact: f.ConversationUnassigned) -> None:
    _set_owner(state, None, None, fact.epoch)


def _set_owner(state: ConversationClocks, agent: str | None, team: str | None, epoch: int) -> None:
    if epoch < state.epoch:
        return
    state.epoch, state.owner, state.team = epoch, agent, team or state.team


def _on_deadline_breached(state: ConversationClocks, fact: f.DeadlineBreached) -> None:
    """Let open targets show as breached; whether they are, our own reckoning of their deadline says."""
    episode = state.open_episode
    if episode is None:
        return
    at = to_epoch_ms(fact.breached_at)
    if fact.deadline == "resolution":
        episode.targets = [replace(target, noticed_at=at) for target in episode.targets]
        return
    for run in episode.runs:
        run.targets = [replace(t, noticed_at=at) if t.kind == fact.deadline else t for t in run.targets]


# --- merges --------------------------------------------------------------------------------------------------------


def _on_merged(state: ConversationClocks, fact: f.ConversationMerged) -> None:
    state.merged_at = to_epoch_ms(fact.merged_at)
    set_status(state, Status.MERGED, state.merged_at)


def _on_absorbed(state: ConversationClocks, fact: f.ConversationAbsorbed, context: Context) -> None:
    """The source's open turn goes on here, from the earlier of both starts."""
    state.tags = tuple(fact.tags)
    if fact.open_turn_started_at is not None:
        customer_waits(state, to_epoch_ms(fact.open_turn_started_at), context.configurations)
    elif fact.reopened:
        leave_resolved(state, to_epoch_ms(fact.absorbed_at))
    set_status(state, fact.status, to_epoch_ms(fact.absorbed_at))


# --- splits --------------------------------------------------------------------------------------------------------


def _on_split(state: ConversationClocks, fact: f.ConversationSplit) -> None:
    """What was answered here stays here; an open turn begins with what is left of it, or is the other's."""
    episode = state.open_episode
    if episode is None:
        return
    open_runs = list(takewhile(lambda run: all(reply.failed for reply in run.replies), reversed(episode.runs)))
    if fact.open_turn_started_at is not None:
        since = to_epoch_ms(fact.open_turn_started_at)
        for run in open_runs:
            run.start = max(run.start, since)
        return
    del episode.runs[len(episode.runs) - len(open_runs) :]
    if any(run.opens_episode for run in open_runs):  # the whole episode was about what went
        state.episodes.remove(episode)
        state.resolved_since = episode.gap_from


def _on_split_off(state: ConversationClocks, fact: f.ConversationSplitOff, context: Context) -> None:
    """It begins with the open turn, whose clock goes on; without one when it was made."""
    opened_at = to_epoch_ms(fact.open_turn_started_at or fact.split_at)
    _open_conversation(state, fact, opened_at, context)
    _decided_by(state, fact.configuration_version, fact.team_id, fact.tags)
    set_policy(state, fact.policy_id, context.time, context.configurations)
    state.answered = fact.open_turn_started_at is None
    if fact.open_turn_started_at is not None:
        customer_waits(state, opened_at, context.configurations)
    state.status = str(fact.status)


_BY_FACT: dict[type, Callable[[ConversationClocks, Any], None]] = {
    f.ConversationHandedOff: _on_handed_off,
    f.MessageSent: _on_message_sent,
    f.MessageCancelled: _on_message_cancelled,
    f.MessageFailed: _on_message_failed,
    f.ReplyCancelled: _on_reply_cancelled,
    f.MessageBounced: _on_message_bounced,
    f.ConversationResolved: status.on_resolved,
    f.ConversationArchived: status.on_archived,
    f.ConversationReopened: status.on_reopened,
    f.ConversationSnoozed: status.on_snoozed,
    f.ConversationWoken: status.on_woken,
    f.ConversationWaiting: status.on_waiting,
    f.ConversationDeleted: status.on_deleted,
    f.ConversationRestored: status.on_restored,
    f.ConversationMarkedSpam: status.on_marked_spam,
    f.ConversationUnmarkedSpam: status.on_unmarked_spam,
    f.ConversationTagged: _on_tagged,
    f.ConversationAssigned: on_assigned,
    f.ConversationQueued: _on_queued,
    f.ConversationUnassigned: _on_unassigned,
    f.DeadlineBreached: _on_deadline_breached,
    f.ConversationMerged: _on_merged,
    f.ConversationSplit: _on_split,
}
_BY_FACT_IN_CONTEXT: dict[type, Callable[[ConversationClocks, Any, Context], None]] = {
    f.MessageReceived: _on_message_received,
    f.ConversationStarted: _on_conversation_started,
    f.ReplyAccepted: _on_reply_accepted,
    f.ConversationRouted: _on_routed,
    f.ConversationAbsorbed: _on_absorbed,
    f.ConversationSplitOff: _on_split_off,
}
"""Those that need the moment of the decision or the configuration it was made with."""
