"""The fold of one conversation: one fact after another into turns, episodes, pauses and targets (`docs/metrics.md`).

What was answered follows from the order of the log, how long it took from the times in the facts.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

from postroom_contracts import facts as f
from postroom_contracts.business_time import to_epoch_ms
from postroom_contracts.events import Event
from postroom_contracts.rights import owner_of
from postroom_contracts.values import Status

from postroom_analytics.domain import order, status
from postroom_analytics.domain.cells import marked_private
from postroom_analytics.domain.clocks import add_reply, customer_waits, set_policy
from postroom_analytics.domain.model import ConversationMetrics, Credit, Reply, Run
from postroom_analytics.domain.reading import ConversationAssigned
from postroom_analytics.domain.rows import Configurations
from postroom_analytics.domain.seal import seal
from postroom_analytics.domain.status import (
    credit_of,
    end_pause,
    leave_resolved,
    resolve,
    set_spam,
    set_status,
    unresolve,
)


def versions_needed(state: ConversationMetrics | None, events: Iterable[Event]) -> set[int]:
    """Return the configuration versions that folding `events` will look up, for the caller to have them at hand."""
    needed = {getattr(event.data, "configuration_version", 0) for event in events}
    if state is not None:
        needed.add(state.version)
        for episode in state.episodes:
            needed.add(episode.clock.version)
            needed.update(run.clock.version for run in episode.runs)
        if state.whole is not None:
            needed.add(state.whole.clock.version)
        needed.update(early.get("data", {}).get("configuration_version", 0) for early in state.early)
    needed.discard(0)
    return needed


def begin(state: ConversationMetrics | None, conversation_id: str) -> ConversationMetrics:
    """Return a state for `advance` to change: a new one, or a copy of the one given."""
    return ConversationMetrics(conversation_id) if state is None else state.clone()


def advance(state: ConversationMetrics, event: Event, configurations: Configurations, *, seeds: bool = False) -> None:
    """Fold one event into `state`, which is changed; when this raises, the state is to be thrown away.

    A repeat changes nothing; an event that came before one with a smaller sequence of its source waits in the state
    (`seeds`: see `order.in_order`). Rows that can no longer change are added to `sealed`, which the caller stores and
    empties. Raises rows.UnknownConfigurationError, order.TooManyEarlyError.
    """
    for due in order.in_order(state, event, seeds=seeds):
        _apply_one(state, due, configurations)


def advance_skipped(state: ConversationMetrics, source: str, sequence: int, configurations: Configurations) -> None:
    """Count a record that was parked for good as seen, and fold what waited for it. Raises as `advance`."""
    for due in order.skip(state, source, sequence):
        _apply_one(state, due, configurations)


def advance_late(state: ConversationMetrics, event: Event, configurations: Configurations) -> None:
    """Fold a record that was parked for good and comes again, now that it can be read; the second time not."""
    if order.is_late(state, event):
        _apply_one(state, event, configurations)


def apply(state: ConversationMetrics | None, event: Event, configurations: Configurations) -> ConversationMetrics:
    """Return the state after `event`, which belongs to the state's conversation; the given state stays as it was."""
    return apply_all(state, [event], configurations)


def apply_all(
    state: ConversationMetrics | None, events: Sequence[Event], configurations: Configurations, *, seeds: bool = False
) -> ConversationMetrics:
    """Return the state after several events of one conversation, as `advance` one after another; at least one."""
    following = begin(state, events[0].subject)
    for event in events:
        advance(following, event, configurations, seeds=seeds)
    return following


def _apply_one(state: ConversationMetrics, event: Event, configurations: Configurations) -> None:
    fact = type(event.data)
    if fact in _BY_FACT:
        _BY_FACT[fact](state, event.data)
    elif fact in _BY_FACT_IN_CONTEXT:
        _BY_FACT_IN_CONTEXT[fact](state, event.data, Context(to_epoch_ms(event.time), configurations))
    else:
        return
    seal(state, configurations)


@dataclass(frozen=True, slots=True)
class Context:
    """The moment of the decision, and the configurations."""

    time: int
    configurations: Configurations


# --- the router's facts: messages and replies ----------------------------------------------------------------------


def _on_message_received(state: ConversationMetrics, fact: f.MessageReceived, context: Context) -> None:
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


def _on_conversation_started(state: ConversationMetrics, fact: f.ConversationStarted, context: Context) -> None:
    state.agent_started = True
    if state.opened_at is None:
        _open_conversation(state, fact, context.time, context)
    _decided_by(state, fact.configuration_version, fact.team_id, fact.tags)
    set_policy(state, fact.policy_id, context.time, context.configurations)


def _on_reply_accepted(state: ConversationMetrics, fact: f.ReplyAccepted, context: Context) -> None:
    if fact.actor.kind == "agent" and fact.recipients:
        add_reply(state, Reply(fact.message_id, credit_of(state, fact.actor)))
    if fact.resolved:
        resolve(state, context.time, fact.actor)
    set_status(state, fact.status, context.time)


def _on_reply_cancelled(state: ConversationMetrics, fact: f.ReplyCancelled) -> None:
    """Undo what the reply did to the status. Whether it answers the turn says the notifier."""
    at = to_epoch_ms(fact.cancelled_at)
    if fact.unresolved:
        unresolve(state, at)
    if fact.status != fact.previous:
        set_status(state, fact.status, at)


def _on_handed_off(state: ConversationMetrics, fact: f.ConversationHandedOff) -> None:
    episode = state.open_episode
    if episode is not None and episode.runs and episode.runs[-1].handed_off_at is None:
        episode.runs[-1].handed_off_at = to_epoch_ms(fact.handed_off_at)


def _open_conversation(
    state: ConversationMetrics,
    fact: f.MessageReceived | f.ConversationStarted | f.ConversationSplitOff,
    at: int,
    context: Context,
) -> None:
    configuration = context.configurations.get(fact.configuration_version)
    private = configuration is not None and owner_of(configuration, fact.inbox_id) is not None
    inbox = marked_private(fact.inbox_id) if private else fact.inbox_id
    state.opened_at, state.inbox, state.channel = at, inbox, str(fact.channel)


def _decided_by(state: ConversationMetrics, version: int, team: str | None, tags: list[str]) -> None:
    state.version = version
    # No rule and no request takes a team away: None says that nothing was said about it.
    state.team = team or state.team
    state.tags = tuple(tags)


# --- the notifier's facts: what became of replies ------------------------------------------------------------------


def _on_message_sent(state: ConversationMetrics, fact: f.MessageSent) -> None:
    sent_at = to_epoch_ms(fact.sent_at)
    if fact.message_id in state.loose_replies:
        state.loose_replies.remove(fact.message_id)
        state.answered = True
    for run, position in _find_reply(state, fact.message_id):
        reply = run.replies[position]
        earliest = sent_at if reply.sent_at is None else min(sent_at, reply.sent_at)
        run.replies[position] = replace(reply, sent_at=earliest, failed=False)
        state.answered = True


def _on_message_failed(state: ConversationMetrics, fact: f.MessageFailed) -> None:
    for run, position in _find_reply(state, fact.message_id):
        # One of several deliveries of it went out: the customer has it.
        if run.replies[position].sent_at is None:
            run.replies[position] = replace(run.replies[position], failed=True)


def _on_message_cancelled(state: ConversationMetrics, fact: f.MessageCancelled) -> None:
    """It never left: the turn goes on as if it had not been written."""
    if fact.message_id in state.loose_replies:
        state.loose_replies.remove(fact.message_id)
    for run, position in _find_reply(state, fact.message_id):
        run.replies[position] = replace(run.replies[position], failed=True)


def _on_message_bounced(state: ConversationMetrics, _fact: f.MessageBounced) -> None:
    state.undelivered = True


def _find_reply(state: ConversationMetrics, message_id: str) -> list[tuple[Run, int]]:
    return [
        (run, position)
        for episode in state.episodes
        for run in episode.runs
        for position, reply in enumerate(run.replies)
        if reply.message_id == message_id
    ]


# --- tags, teams, owners, policies ---------------------------------------------------------------------------------


def _on_tagged(state: ConversationMetrics, fact: f.ConversationTagged) -> None:
    state.tags = tuple(fact.tags)


def _on_routed(state: ConversationMetrics, fact: f.ConversationRouted, context: Context) -> None:
    if fact.inbox_id is not None and state.inbox:
        state.inbox = fact.inbox_id
    _decided_by(state, fact.configuration_version, fact.team_id, list(state.tags))
    set_policy(state, fact.policy_id, context.time, context.configurations)


def _on_assigned(state: ConversationMetrics, fact: f.ConversationAssigned | ConversationAssigned) -> None:
    _set_owner(state, fact.agent_id, fact.team_id, fact.epoch)


def _on_queued(state: ConversationMetrics, fact: f.ConversationQueued) -> None:
    _set_owner(state, None, fact.team_id, fact.epoch)


def _on_unassigned(state: ConversationMetrics, fact: f.ConversationUnassigned) -> None:
    _set_owner(state, None, None, fact.epoch)


def _set_owner(state: ConversationMetrics, agent: str | None, team: str | None, epoch: int) -> None:
    if epoch < state.epoch:
        return
    state.epoch, state.owner, state.team = epoch, agent, team or state.team


def _on_deadline_breached(state: ConversationMetrics, fact: f.DeadlineBreached) -> None:
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


def _on_merged(state: ConversationMetrics, fact: f.ConversationMerged) -> None:
    state.merged_at = to_epoch_ms(fact.merged_at)
    set_status(state, Status.MERGED, state.merged_at)


def _on_absorbed(state: ConversationMetrics, fact: f.ConversationAbsorbed, context: Context) -> None:
    """The source's open turn goes on here, from the earlier of both starts."""
    state.tags = tuple(fact.tags)
    if fact.open_turn_started_at is not None:
        customer_waits(state, to_epoch_ms(fact.open_turn_started_at), context.configurations)
    elif fact.reopened:
        leave_resolved(state, to_epoch_ms(fact.absorbed_at))
    set_status(state, fact.status, to_epoch_ms(fact.absorbed_at))


# --- splits --------------------------------------------------------------------------------------------------------


def _on_split(state: ConversationMetrics, fact: f.ConversationSplit) -> None:
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


def _on_split_off(state: ConversationMetrics, fact: f.ConversationSplitOff, context: Context) -> None:
    """It begins with the open turn, whose clock goes on; without one when it was made."""
    opened_at = to_epoch_ms(fact.open_turn_started_at or fact.split_at)
    _open_conversation(state, fact, opened_at, context)
    _decided_by(state, fact.configuration_version, fact.team_id, fact.tags)
    set_policy(state, fact.policy_id, context.time, context.configurations)
    state.answered = fact.open_turn_started_at is None
    if fact.open_turn_started_at is not None:
        customer_waits(state, opened_at, context.configurations)
    state.status = str(fact.status)


_BY_FACT: dict[type, Callable[[ConversationMetrics, Any], None]] = {
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
    f.ConversationAssigned: _on_assigned,
    ConversationAssigned: _on_assigned,
    f.ConversationQueued: _on_queued,
    f.ConversationUnassigned: _on_unassigned,
    f.DeadlineBreached: _on_deadline_breached,
    f.ConversationMerged: _on_merged,
    f.ConversationSplit: _on_split,
}
_BY_FACT_IN_CONTEXT: dict[type, Callable[[ConversationMetrics, Any, Context], None]] = {
    f.MessageReceived: _on_message_received,
    f.ConversationStarted: _on_conversation_started,
    f.ReplyAccepted: _on_reply_accepted,
    f.ConversationRouted: _on_routed,
    f.ConversationAbsorbed: _on_absorbed,
    f.ConversationSplitOff: _on_split_off,
}
"""Those that need the moment of the decision or the configuration it was made with."""
