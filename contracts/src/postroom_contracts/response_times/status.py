"""Status, pauses and resolves: what an agent, a rule or a timer does to a conversation's clocks."""

from postroom_contracts import facts as f
from postroom_contracts.business_time import to_epoch_ms
from postroom_contracts.response_times.model import ConversationClocks, Credit, Pause, Resolve
from postroom_contracts.values import Actor, Status


def credit_of(state: ConversationClocks, actor: Actor) -> Credit:
    return Credit(actor.id if actor.kind == "agent" else None, state.team, state.tags)


def on_resolved(state: ConversationClocks, fact: f.ConversationResolved) -> None:
    resolve(state, to_epoch_ms(fact.resolved_at), fact.actor)
    state.status = str(Status.RESOLVED)


def on_archived(state: ConversationClocks, fact: f.ConversationArchived) -> None:
    if fact.resolved:
        resolve(state, to_epoch_ms(fact.archived_at), fact.actor)
        state.status = str(Status.RESOLVED)


def on_reopened(state: ConversationClocks, fact: f.ConversationReopened) -> None:
    at = to_epoch_ms(fact.reopened_at)
    leave_resolved(state, at)
    set_status(state, Status.OPEN, at)


def on_snoozed(state: ConversationClocks, fact: f.ConversationSnoozed) -> None:
    at = to_epoch_ms(fact.snoozed_at)
    end_pause(state, at)
    state.status, state.pause = str(Status.SNOOZED), Pause(at, to_epoch_ms(fact.until))


def on_woken(state: ConversationClocks, fact: f.ConversationWoken) -> None:
    set_status(state, Status.OPEN, to_epoch_ms(fact.woken_at))


def on_waiting(state: ConversationClocks, fact: f.ConversationWaiting) -> None:
    at = to_epoch_ms(fact.waiting_at)
    if state.pause is not None and state.pause.until is not None:
        end_pause(state, at)
    set_status(state, Status.WAITING, at)


def on_deleted(state: ConversationClocks, _fact: f.ConversationDeleted) -> None:
    state.status = str(Status.DELETED)


def on_restored(state: ConversationClocks, fact: f.ConversationRestored) -> None:
    set_status(state, fact.status, to_epoch_ms(fact.restored_at))


def on_marked_spam(state: ConversationClocks, fact: f.ConversationMarkedSpam) -> None:
    set_status(state, Status.SPAM, to_epoch_ms(fact.marked_at))


def on_unmarked_spam(state: ConversationClocks, fact: f.ConversationUnmarkedSpam) -> None:
    state.spam_at = None
    set_status(state, fact.status, to_epoch_ms(fact.unmarked_at))


def set_status(state: ConversationClocks, status: str, at: int) -> None:
    """Take over a status that no customer's message brought about, and what it does to pauses.

    Spam and the bin leave a pause as it is: undoing them restores what was.
    """
    state.status = str(status)
    set_spam(state, status, at)
    if status in (Status.WAITING, Status.SNOOZED):
        state.pause = state.pause or Pause(at)
    elif status in (Status.OPEN, Status.RESOLVED, Status.MERGED):
        end_pause(state, at)


def set_spam(state: ConversationClocks, status: str, at: int) -> None:
    if status == Status.SPAM:
        state.spam_at = at if state.spam_at is None else state.spam_at
    elif status != Status.DELETED:
        state.spam_at = None


def end_pause(state: ConversationClocks, at: int) -> None:
    pause, state.pause = state.pause, None
    episode = state.open_episode
    if pause is None or episode is None:
        return
    end = at if pause.until is None else min(at, pause.until)
    if end > pause.since:
        episode.quiet.append((pause.since, end))


def resolve(state: ConversationClocks, at: int, actor: Actor) -> None:
    end_pause(state, at)
    leave_resolved(state, at)
    state.resolved_since = at
    if state.episode_count == 0:
        return
    state.resolve_before = state.last_resolve
    state.last_resolve = Resolve(at, credit_of(state, actor))
    episode = state.open_episode
    if episode is not None:
        episode.resolved = state.last_resolve


def unresolve(state: ConversationClocks, at: int) -> None:
    """Take the latest resolve back as if it had never been, while its episode is still here; else it is a reopening."""
    episode = state.episodes[-1] if state.episodes else None
    if episode is None or episode.resolved is None or episode.resolved != state.last_resolve:
        leave_resolved(state, at)
        return
    episode.resolved, state.resolved_since = None, None
    state.last_resolve, state.resolve_before = state.resolve_before, None


def leave_resolved(state: ConversationClocks, at: int) -> None:
    """An agent took it up again without a new message: the time between is none of the conversation's net time."""
    if state.resolved_since is not None and state.episode_count and at > state.resolved_since:
        state.gaps.append((state.resolved_since, at))
    state.resolved_since = None
