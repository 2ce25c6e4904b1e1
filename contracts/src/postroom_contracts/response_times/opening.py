"""Opening turns and episodes with their calendars and targets, and replacing targets with their policy."""

from dataclasses import replace

from postroom_contracts.configuration import Policy
from postroom_contracts.response_times.model import (
    Clock,
    ConversationClocks,
    Episode,
    Reply,
    Run,
    Target,
    TargetKind,
    plain_inbox,
)
from postroom_contracts.response_times.turns import turns_of
from postroom_contracts.response_times.view import Configurations, configuration_of

MAX_RUNS = 50
"""Runs of one episode that wait for the fate of a reply; then the oldest reply counts as not sent."""
MAX_LOOSE_REPLIES = 50
"""Message ids kept to learn that at least one reply went out; the oldest are forgotten first."""


def customer_waits(state: ConversationClocks, since: int, configurations: Configurations) -> None:
    """Open a turn at `since`, and an episode if none is open, or extend the run that no reply was accepted for."""
    episode = state.open_episode
    if episode is not None and episode.runs and not episode.runs[-1].replies:
        episode.runs[-1].start = min(episode.runs[-1].start, since)
        return
    configuration = configuration_of(state.version, configurations)
    clock = Clock(configuration.calendar_for(plain_inbox(state.inbox), state.team).id, state.version)
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


def _first(state: ConversationClocks, episode: Episode, *, opens: bool) -> bool:
    return opens and episode.n == 1 and not state.agent_started


def _bound(episode: Episode) -> None:
    if len(episode.runs) <= MAX_RUNS:
        return
    for run in episode.runs:
        for position, reply in enumerate(run.replies):
            if reply.pending:
                run.replies[position] = replace(reply, failed=True)
                return


def add_reply(state: ConversationClocks, reply: Reply) -> None:
    episode = state.open_episode
    if episode is not None and episode.runs:
        episode.runs[-1].replies.append(reply)
    elif reply.pending:
        state.loose_replies = [*state.loose_replies, reply.message_id][-MAX_LOOSE_REPLIES:]


def set_policy(state: ConversationClocks, policy_id: str | None, at: int, configurations: Configurations) -> None:
    """Replace the policy: open targets are cancelled and stay in the history, those of the new one take their place."""
    if policy_id is None or policy_id == state.policy:
        return
    state.policy = policy_id
    episode = state.open_episode
    if episode is None:
        return
    policy = configuration_of(state.version, configurations).policy(policy_id)
    version = state.version
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
