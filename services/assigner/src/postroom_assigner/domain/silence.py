"""Silent owners: who lets a policy's `reassign_after_seconds` pass after a missed target loses it to the team's queue.

Once for each breach. Silence is measured from when the target was told of as missed, from when the owner got the
conversation, or from what they last did in it, whichever came last. It ends with a reply, when the conversation is not
open any more, and when the target is cancelled or has gone with a part that was split off.
"""

from collections.abc import Sequence
from datetime import datetime

from postroom_contracts import facts as f
from postroom_contracts.business_time import business_deadline_ms, from_epoch_ms, to_epoch_ms
from postroom_contracts.configuration import Policy
from postroom_contracts.response_times.model import ConversationClocks, Target, TargetKind
from postroom_contracts.response_times.view import view_of
from postroom_contracts.values import Status, Unanswered

from postroom_assigner.domain.assignment import Assignment, Silence
from postroom_assigner.domain.ownership import Case, Outcome, wait


def begin(state: Assignment, missed: Sequence[tuple[Target, int]], case: Case, at: datetime) -> Assignment:
    """Count the owner's silence from `at` on, because of the first of these targets whose policy sets a time.

    `missed`: targets that are still unanswered, each with its deadline in ms. What is counted already goes on.
    """
    if state.silence is not None or case.company.owner_of_inbox(state.inbox_id) is not None:
        return state
    for target, deadline in missed:
        if _allowed(case, target.policy) is not None:
            silence = Silence(
                deadline=target.kind, policy_id=target.policy, breached_at=from_epoch_ms(deadline), since=at
            )
            return state.after(silence=_timed(silence, state, case, at))
    return state


def listen(before: Assignment | None, state: Assignment, data: object, at: datetime, case: Case) -> Assignment:
    """Return `state` with its silence as `data` leaves it: ended, counted anew for who was heard or is new, or as it was."""
    if state.silence is None:
        return state
    if state.status is not Status.OPEN or _is_reply(data) or not _stands(state.clocks, state.silence.deadline):
        return state.after(silence=None)
    if (before is not None and before.slot != state.slot) or _is_by(data, state.slot):
        return state.after(silence=_timed(state.silence, state, case, at))
    return state


def is_over(state: Assignment, at: datetime) -> bool:
    """Say whether the owner has been silent for long enough."""
    return state.silence is not None and state.silence.due_at is not None and state.silence.due_at <= at


def give_back(state: Assignment, case: Case) -> Outcome:
    """Put it into its team's queue, not to be offered to who stayed silent until somebody else had it."""
    silence = state.silence
    assert silence is not None
    state = state.after(silence=None)
    if state.slot is None or _allowed(case, silence.policy_id) is None:
        return Outcome(state)
    state = state.after(released_by=state.slot, silent=True)
    team = case.company.team(state.team_id)
    record = case.board.record(
        case.company, team, inbox_id=state.inbox_id, without=state.released_by, because=state.passed_over
    )
    unanswered = Unanswered(deadline=silence.deadline, policy_id=silence.policy_id, breached_at=silence.breached_at)
    return wait(state, case, record, "released", released=True, unanswered=unanswered)


def _allowed(case: Case, policy_id: str) -> int | None:
    """Return the business seconds of silence that the newest configuration allows; None: any."""
    policy: Policy | None = case.company.configuration.policy(policy_id)
    return policy.reassign_after_seconds if policy is not None else None


def _timed(silence: Silence, state: Assignment, case: Case, at: datetime) -> Silence:
    """Count from `at` on, in the time of the inbox and the team that has it now; without an owner nobody is silent."""
    seconds, due = _allowed(case, silence.policy_id), None
    if state.slot is not None and seconds is not None:
        calendar = case.company.configuration.calendar_for(state.inbox_id or "", state.team_id)
        due = business_deadline_ms(calendar, to_epoch_ms(at), seconds * 1000)
    return silence.model_copy(update={"since": at, "due_at": None if due is None else from_epoch_ms(due)})


def _is_reply(data: object) -> bool:
    if isinstance(data, f.ReplyAccepted):
        return data.actor.kind == "agent" and bool(data.recipients)
    return isinstance(data, f.MessageReceived) and data.message_kind == "echo" and data.from_agent is not None


def _is_by(data: object, owner: str | None) -> bool:
    actor = getattr(data, "actor", None) if isinstance(data, f.Fact) else None
    return owner is not None and actor is not None and actor.kind == "agent" and actor.id == owner


def _stands(clocks: ConversationClocks | None, kind: TargetKind) -> bool:
    """Say whether a target of this kind that was told of as missed is still open."""
    episode = clocks.open_episode if clocks is not None else None
    if clocks is None or episode is None:
        return False
    if kind == "resolution":
        return any(map(_is_missed, episode.targets))
    waiting = (turn for turn in view_of(clocks, episode).turns if turn.closed_at is None)
    return any(_is_missed(target) and target.kind == kind for turn in waiting for target in turn.targets)


def _is_missed(target: Target) -> bool:
    return target.noticed_at is not None and target.cancelled_at is None
