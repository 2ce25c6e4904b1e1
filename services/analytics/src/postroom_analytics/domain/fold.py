"""The fold of one conversation: one fact after another into turns, episodes, pauses and targets (`docs/metrics.md`).

What was answered follows from the order of the log, how long it took from the times in the facts.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from postroom_contracts import facts as f
from postroom_contracts.business_time import to_epoch_ms
from postroom_contracts.configuration import Policy
from postroom_contracts.events import Event
from postroom_contracts.values import Actor, Status

from postroom_analytics.domain import order
from postroom_analytics.domain.model import (
    Clock,
    ConversationMetrics,
    Credit,
    Episode,
    Pause,
    Reply,
    Resolve,
    Run,
    Target,
    TargetKind,
)
from postroom_analytics.domain.rows import Configurations, configuration_of
from postroom_analytics.domain.seal import seal
from postroom_analytics.domain.turns import turns_of

MAX_RUNS = 200
"""Runs of one episode that wait for the fate of a reply; then the oldest reply counts as not sent."""
MAX_LOOSE_REPLIES = 50
"""Message ids kept to learn that at least one reply went out; the oldest are forgotten first."""


def versions_needed(state: ConversationMetrics | None, event: Event) -> set[int]:
    """Return the configuration versions that `apply` will look up, for the caller to have them at hand."""
    needed = set() if state is None else {e.clock.version for e in state.episodes}
    if state is not None:
        needed |= {run.clock.version for e in state.episodes for run in e.runs} | ({state.version} - {0})
        needed |= {state.whole.clock.version} if state.whole else set()
        needed |= {early["data"].get("configuration_version", 0) for early in state.early} - {0}
    return needed | ({getattr(event.data, "configuration_version", 0)} - {0})


def apply(state: ConversationMetrics | None, event: Event, configurations: Configurations) -> ConversationMetrics:
    """Return the state after `event`, which belongs to the state's conversation; the given state stays as it was.

    A repeat changes nothing; an event that came before one with a smaller sequence of its source waits in the state.
    Rows that can no longer change are added to `sealed`, which the caller stores and empties. Raises
    rows.UnknownConfigurationError, order.TooManyEarlyError.
    """
    following = ConversationMetrics(event.subject) if state is None else state.clone()
    for due in order.in_order(following, event):
        _apply_one(following, due, configurations)
    return following


def apply_skipped(
    state: ConversationMetrics | None, subject: str, source: str, sequence: int, configurations: Configurations
) -> ConversationMetrics:
    """Return the state after a record that was parked for good: its number counts as seen."""
    following = ConversationMetrics(subject) if state is None else state.clone()
    for due in order.skip(following, source, sequence):
        _apply_one(following, due, configurations)
    return following


def _apply_one(state: ConversationMetrics, event: Event, configurations: Configurations) -> None:
    handler = _HANDLERS.get(type(event.data))
    if handler is None:
        return
    handler(state, event.data, _Context(event, configurations))
    seal(state, configurations)


class _Context:
    """The moment of the decision, and the configurations."""

    __slots__ = ("configurations", "time")

    def __init__(self, event: Event, configurations: Configurations) -> None:
        self.time = to_epoch_ms(event.time)
        self.configurations = configurations


# --- the router's facts: messages and replies ----------------------------------------------------------------------


def _on_message_received(state: ConversationMetrics, fact: f.MessageReceived, context: _Context) -> None:
    received_at = to_epoch_ms(fact.received_at)
    echo = fact.message_kind == "echo" and fact.from_agent is not None
    if state.opened_at is None:
        state.agent_started = state.agent_started or echo
        _open_conversation(state, fact.inbox_id, fact.channel, received_at)
    _decided_by(state, fact.configuration_version, fact.team_id, fact.tags)
    _set_policy(state, fact.policy_id, context)
    if fact.message_kind == "message":
        _end_pause(state, received_at)
        _customer_waits(state, received_at, context.configurations)
        state.status = str(fact.status)
        _set_spam(state, fact.status, received_at)
        return
    _set_status(state, fact.status, context.time)
    if echo:
        state.answered = True
        credit = Credit(fact.from_agent, state.team, state.tags)
        _add_reply(state, Reply(fact.message_id, credit, sent_at=received_at))


def _on_conversation_started(state: ConversationMetrics, fact: f.ConversationStarted, context: _Context) -> None:
    state.agent_started = True
    if state.opened_at is None:
        _open_conversation(state, fact.inbox_id, fact.channel, context.time)
    _decided_by(state, fact.configuration_version, fact.team_id, fact.tags)
    _set_policy(state, fact.policy_id, context)


def _on_reply_accepted(state: ConversationMetrics, fact: f.ReplyAccepted, context: _Context) -> None:
    if fact.actor.kind == "agent" and fact.recipients:
        _add_reply(state, Reply(fact.message_id, _credit(state, fact.actor)))
    if fact.resolved:
        _resolve(state, context.time, fact.actor)
    _set_status(state, fact.status, context.time)


def _on_handed_off(state: ConversationMetrics, fact: f.ConversationHandedOff, _context: _Context) -> None:
    episode = state.open_episode
    if episode is not None and episode.runs and episode.runs[-1].handed_off_at is None:
        episode.runs[-1].handed_off_at = to_epoch_ms(fact.handed_off_at)


def _open_conversation(state: ConversationMetrics, inbox: str, channel: str, at: int) -> None:
    state.opened_at, state.inbox, state.channel = at, inbox, str(channel)


def _decided_by(state: ConversationMetrics, version: int, team: str | None, tags: list[str]) -> None:
    state.version = version
    # No rule and no request takes a team away: None says that nothing was said about it.
    state.team = team or state.team
    state.tags = tuple(tags)


def _credit(state: ConversationMetrics, actor: Actor) -> Credit:
    return Credit(actor.id if actor.kind == "agent" else None, state.team, state.tags)


def _customer_waits(state: ConversationMetrics, since: int, configurations: Configurations) -> None:
    """Open a turn at `since`, and an episode if none is open, or extend the run that no reply was accepted for."""
    episode = state.open_episode
    if episode is not None and episode.runs and not episode.runs[-1].replies:
        episode.runs[-1].start = min(episode.runs[-1].start, since)
        return
    configuration = configuration_of(state.version, configurations)
    clock = Clock(configuration.calendar_for(state.inbox, state.team).id, state.version)
    policy = configuration.policy(state.policy)
    opens = episode is None
    if episode is None:
        state.episode_count += 1
        episode = Episode(state.episode_count, since, clock, gap_from=state.resolved_since)
        episode.targets = _target("resolution", policy, state.version, since)
        state.resolved_since = None
        state.episodes.append(episode)
    state.run_count += 1
    kind: TargetKind = "first_response" if _first(state, episode, opens=opens) else "next_response"
    targets = _target(kind, policy, state.version, since)
    episode.runs.append(Run(state.run_count, since, clock, opens_episode=opens, targets=targets))
    _bound(episode)


def _first(state: ConversationMetrics, episode: Episode, *, opens: bool) -> bool:
    return opens and episode.n == 1 and not state.agent_started


def _bound(episode: Episode) -> None:
    if len(episode.runs) <= MAX_RUNS:
        return
    for run in episode.runs:
        for position, reply in enumerate(run.replies):
            if reply.pending:
                run.replies[position] = replace(reply, failed=True)
                return


def _add_reply(state: ConversationMetrics, reply: Reply) -> None:
    episode = state.open_episode
    if episode is not None and episode.runs:
        episode.runs[-1].replies.append(reply)
    elif reply.pending:
        state.loose_replies = [*state.loose_replies, reply.message_id][-MAX_LOOSE_REPLIES:]


# --- the notifier's facts: what became of replies ------------------------------------------------------------------


def _on_message_sent(state: ConversationMetrics, fact: f.MessageSent, _context: _Context) -> None:
    sent_at = to_epoch_ms(fact.sent_at)
    if fact.message_id in state.loose_replies:
        state.loose_replies.remove(fact.message_id)
        state.answered = True
    for run, position in _find_reply(state, fact.message_id):
        reply = run.replies[position]
        earliest = sent_at if reply.sent_at is None else min(sent_at, reply.sent_at)
        run.replies[position] = replace(reply, sent_at=earliest, failed=False)
        state.answered = True


def _on_message_failed(state: ConversationMetrics, fact: f.MessageFailed, _context: _Context) -> None:
    for run, position in _find_reply(state, fact.message_id):
        # One of several deliveries of it went out: the customer has it.
        if run.replies[position].sent_at is None:
            run.replies[position] = replace(run.replies[position], failed=True)


def _on_message_bounced(state: ConversationMetrics, _fact: f.MessageBounced, _context: _Context) -> None:
    state.undelivered = True


def _find_reply(state: ConversationMetrics, message_id: str) -> list[tuple[Run, int]]:
    return [
        (run, position)
        for episode in state.episodes
        for run in episode.runs
        for position, reply in enumerate(run.replies)
        if reply.message_id == message_id
    ]


# --- status --------------------------------------------------------------------------------------------------------


def _on_resolved(state: ConversationMetrics, fact: f.ConversationResolved, _context: _Context) -> None:
    _resolve(state, to_epoch_ms(fact.resolved_at), fact.actor)
    state.status = str(Status.RESOLVED)


def _on_archived(state: ConversationMetrics, fact: f.ConversationArchived, _context: _Context) -> None:
    if fact.resolved:
        _resolve(state, to_epoch_ms(fact.archived_at), fact.actor)
        state.status = str(Status.RESOLVED)


def _on_reopened(state: ConversationMetrics, fact: f.ConversationReopened, _context: _Context) -> None:
    at = to_epoch_ms(fact.reopened_at)
    _leave_resolved(state, at)
    _set_status(state, Status.OPEN, at)


def _on_snoozed(state: ConversationMetrics, fact: f.ConversationSnoozed, _context: _Context) -> None:
    at = to_epoch_ms(fact.snoozed_at)
    _end_pause(state, at)
    state.status, state.pause = str(Status.SNOOZED), Pause(at, to_epoch_ms(fact.until))


def _on_woken(state: ConversationMetrics, fact: f.ConversationWoken, _context: _Context) -> None:
    _set_status(state, Status.OPEN, to_epoch_ms(fact.woken_at))


def _on_waiting(state: ConversationMetrics, fact: f.ConversationWaiting, _context: _Context) -> None:
    at = to_epoch_ms(fact.waiting_at)
    if state.pause is not None and state.pause.until is not None:
        _end_pause(state, at)
    _set_status(state, Status.WAITING, at)


def _on_deleted(state: ConversationMetrics, _fact: f.ConversationDeleted, _context: _Context) -> None:
    state.status = str(Status.DELETED)


def _on_restored(state: ConversationMetrics, fact: f.ConversationRestored, _context: _Context) -> None:
    _set_status(state, fact.status, to_epoch_ms(fact.restored_at))


def _on_marked_spam(state: ConversationMetrics, fact: f.ConversationMarkedSpam, _context: _Context) -> None:
    _set_status(state, Status.SPAM, to_epoch_ms(fact.marked_at))


def _on_unmarked_spam(state: ConversationMetrics, fact: f.ConversationUnmarkedSpam, _context: _Context) -> None:
    state.spam_at = None
    _set_status(state, fact.status, to_epoch_ms(fact.unmarked_at))


def _set_status(state: ConversationMetrics, status: str, at: int) -> None:
    """Take over a status that no customer's message brought about, and what it does to pauses.

    Spam and the bin leave a pause as it is: undoing them restores what was.
    """
    state.status = str(status)
    _set_spam(state, status, at)
    if status in (Status.WAITING, Status.SNOOZED):
        state.pause = state.pause or Pause(at)
    elif status in (Status.OPEN, Status.RESOLVED, Status.MERGED):
        _end_pause(state, at)


def _set_spam(state: ConversationMetrics, status: str, at: int) -> None:
    if status == Status.SPAM:
        state.spam_at = at if state.spam_at is None else state.spam_at
    elif status != Status.DELETED:
        state.spam_at = None


def _end_pause(state: ConversationMetrics, at: int) -> None:
    pause, state.pause = state.pause, None
    episode = state.open_episode
    if pause is None or episode is None:
        return
    end = at if pause.until is None else min(at, pause.until)
    if end > pause.since:
        episode.quiet.append((pause.since, end))


def _resolve(state: ConversationMetrics, at: int, actor: Actor) -> None:
    _end_pause(state, at)
    _leave_resolved(state, at)
    state.resolved_since = at
    if state.episode_count == 0:
        return
    state.last_resolve = Resolve(at, _credit(state, actor))
    episode = state.open_episode
    if episode is not None:
        episode.resolved = state.last_resolve


def _leave_resolved(state: ConversationMetrics, at: int) -> None:
    """An agent took it up again without a new message: the time between is none of the conversation's net time."""
    if state.resolved_since is not None and state.episode_count and at > state.resolved_since:
        state.gaps.append((state.resolved_since, at))
    state.resolved_since = None


# --- tags, teams, owners, policies ---------------------------------------------------------------------------------


def _on_tagged(state: ConversationMetrics, fact: f.ConversationTagged, _context: _Context) -> None:
    state.tags = tuple(fact.tags)


def _on_routed(state: ConversationMetrics, fact: f.ConversationRouted, context: _Context) -> None:
    _decided_by(state, fact.configuration_version, fact.team_id, list(state.tags))
    _set_policy(state, fact.policy_id, context)


def _on_assigned(state: ConversationMetrics, fact: f.ConversationAssigned, _context: _Context) -> None:
    _set_owner(state, fact.agent_id, fact.team_id, fact.epoch)


def _on_queued(state: ConversationMetrics, fact: f.ConversationQueued, _context: _Context) -> None:
    _set_owner(state, None, fact.team_id, fact.epoch)


def _on_unassigned(state: ConversationMetrics, fact: f.ConversationUnassigned, _context: _Context) -> None:
    _set_owner(state, None, None, fact.epoch)


def _set_owner(state: ConversationMetrics, agent: str | None, team: str | None, epoch: int) -> None:
    if epoch < state.epoch:
        return
    state.epoch, state.owner, state.team = epoch, agent, team or state.team


def _set_policy(state: ConversationMetrics, policy_id: str | None, context: _Context) -> None:
    """Replace the policy: open targets are cancelled and stay in the history, those of the new one take their place."""
    if policy_id is None or policy_id == state.policy:
        return
    state.policy = policy_id
    episode = state.open_episode
    if episode is None:
        return
    policy = configuration_of(state.version, context.configurations).policy(policy_id)
    at, version = context.time, state.version
    episode.targets = _replaced(episode.targets, _target("resolution", policy, version, at), at)
    runs = {run.n: run for run in episode.runs}
    for turn in turns_of(episode):
        if turn.closed_at is None:
            kind: TargetKind = "first_response" if _first(state, episode, opens=turn.opens_episode) else "next_response"
            runs[turn.n].targets = _replaced(turn.targets, _target(kind, policy, version, at), at)


def _target(kind: TargetKind, policy: Policy | None, version: int, set_at: int) -> list[Target]:
    """Return the policy's target of that kind, if it has one."""
    seconds = None if policy is None else getattr(policy, f"{kind}_seconds")
    return [] if policy is None or seconds is None else [Target(kind, policy.id, version, seconds * 1000, set_at)]


def _replaced(targets: list[Target], new: list[Target], at: int) -> list[Target]:
    return [t if t.cancelled_at is not None else replace(t, cancelled_at=at) for t in targets] + new


def _on_deadline_breached(state: ConversationMetrics, fact: f.DeadlineBreached, _context: _Context) -> None:
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


def _on_merged(state: ConversationMetrics, fact: f.ConversationMerged, _context: _Context) -> None:
    state.merged_at = to_epoch_ms(fact.merged_at)
    _set_status(state, Status.MERGED, state.merged_at)


def _on_absorbed(state: ConversationMetrics, fact: f.ConversationAbsorbed, context: _Context) -> None:
    """The source's open turn goes on here, from the earlier of both starts."""
    state.tags = tuple(fact.tags)
    if fact.open_turn_started_at is not None:
        _customer_waits(state, to_epoch_ms(fact.open_turn_started_at), context.configurations)
    elif fact.reopened:
        _leave_resolved(state, to_epoch_ms(fact.absorbed_at))
    _set_status(state, fact.status, to_epoch_ms(fact.absorbed_at))


_Handler = Callable[[ConversationMetrics, Any, _Context], None]
_HANDLERS: dict[type, _Handler] = {
    f.MessageReceived: _on_message_received,
    f.ConversationStarted: _on_conversation_started,
    f.ReplyAccepted: _on_reply_accepted,
    f.ConversationHandedOff: _on_handed_off,
    f.MessageSent: _on_message_sent,
    f.MessageFailed: _on_message_failed,
    f.MessageBounced: _on_message_bounced,
    f.ConversationResolved: _on_resolved,
    f.ConversationArchived: _on_archived,
    f.ConversationReopened: _on_reopened,
    f.ConversationSnoozed: _on_snoozed,
    f.ConversationWoken: _on_woken,
    f.ConversationWaiting: _on_waiting,
    f.ConversationDeleted: _on_deleted,
    f.ConversationRestored: _on_restored,
    f.ConversationMarkedSpam: _on_marked_spam,
    f.ConversationUnmarkedSpam: _on_unmarked_spam,
    f.ConversationTagged: _on_tagged,
    f.ConversationRouted: _on_routed,
    f.ConversationAssigned: _on_assigned,
    f.ConversationQueued: _on_queued,
    f.ConversationUnassigned: _on_unassigned,
    f.DeadlineBreached: _on_deadline_breached,
    f.ConversationMerged: _on_merged,
    f.ConversationAbsorbed: _on_absorbed,
}
