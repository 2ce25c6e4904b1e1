"""How a conversation gets, keeps and loses its owner; every change of owner is one fact with the next epoch."""

from dataclasses import dataclass
from typing import Literal

from postroom_contracts.configuration import Team
from postroom_contracts.facts import (
    ConversationAssigned,
    ConversationQueued,
    ConversationUnassigned,
    Fact,
)
from postroom_contracts.values import Actor, AssignmentRecord, Preferred, Status, Unanswered

from postroom_assigner.domain.assignment import LOST, Assignment
from postroom_assigner.domain.board import Because, Board
from postroom_assigner.domain.choose import choose, nobody_may, why_nobody
from postroom_assigner.domain.company import Company

SYSTEM = Actor(kind="system", id="assigner")
AssignReason = Literal["policy", "queue", "rule", "claim", "manual"]
LostReason = Literal["released", "resolved", "removed", "merged", "spam", "deleted", "team_changed"]
_LOST_BY_STATUS: dict[Status, LostReason] = {
    Status.SPAM: "spam",
    Status.DELETED: "deleted",
    Status.MERGED: "merged",
}


@dataclass(frozen=True, slots=True)
class Case:
    """What a decision is made from beside the state: the board, a configuration, and who we speak of."""

    board: Board
    company: Company
    conversation_id: str
    request_id: str

    @property
    def href(self) -> str:
        return f"/api/v1/conversations/{self.conversation_id}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The state afterwards and the facts that say what changed, in order."""

    state: Assignment
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class Preference:
    """Whom to try before the policy, and why."""

    agent_id: str
    because: Because


def assign(
    state: Assignment,
    case: Case,
    *,
    reason: AssignReason = "policy",
    preference: Preference | None = None,
    lost: LostReason = "resolved",
) -> Outcome:
    """Give the conversation to whom preference or policy chooses, else into the queue.

    `lost` says why an owner who stands there loses it if nobody can be found.
    """
    if (private_owner := case.company.owner_of_inbox(state.inbox_id)) is not None:
        return belong(state, case, private_owner)
    team = case.company.team(state.team_id)
    preferred = _preferred(state, case, team, preference) if preference is not None else None
    record = case.board.record(
        case.company,
        team,
        inbox_id=state.inbox_id,
        preferred=preferred,
        without=state.released_by,
        because=state.passed_over,
    )
    agent_id = choose(record)
    if agent_id is None:
        return wait(state, case, record, lost)
    if preference is not None and preferred is not None and not preferred.excluded:
        reason = _reason_of(preference, reason)
    actor = Actor(kind="agent", id=agent_id) if reason == "claim" else SYSTEM
    return own(state, case, agent_id, record, reason, actor)


def _preferred(state: Assignment, case: Case, team: Team | None, preference: Preference) -> Preferred:
    return case.board.preferred(
        case.company,
        team,
        preference.agent_id,
        preference.because,
        inbox_id=state.inbox_id,
        without=state.released_by,
        passed_over=state.passed_over,
    )


def _reason_of(preference: Preference, otherwise: AssignReason) -> AssignReason:
    return {"rule": "rule", "started": "claim"}.get(preference.because, otherwise)  # type: ignore[return-value]


def own(
    state: Assignment, case: Case, agent_id: str, record: AssignmentRecord, reason: AssignReason, actor: Actor
) -> Outcome:
    """Make `agent_id` the owner."""
    fact = ConversationAssigned(
        href=case.href,
        agent_id=agent_id,
        team_id=state.team_id,
        previous_agent_id=state.owner,
        epoch=state.epoch + 1,
        reason=reason,
        actor=actor,
        assigned_at=case.board.now,
        waited_since=state.queue.since if state.queue else None,
        record=record,
    )
    after = state.after(
        owner=agent_id,
        slot=agent_id,
        epoch=state.epoch + 1,
        queue=None,
        attempt=0,
        released_by=None,
        silent=False,
        previous=None,
    )
    return Outcome(after, (fact,))


def belong(state: Assignment, case: Case, owner: str) -> Outcome:
    """Make it the owner's of its private inbox, on duty or off, without a queue.

    It takes none of their capacity, and so none of their load either: that stands in records which others read.
    """
    if state.owner == owner and state.slot is None and state.queue is None:
        return Outcome(state)
    if state.owner == owner:
        return Outcome(state.after(slot=None, queue=None, attempt=0))
    state = state.after(team_id=None)
    record = case.board.of_private_inbox(case.company, owner)
    outcome = own(state, case, owner, record, "rule", SYSTEM)
    return Outcome(outcome.state.after(slot=None), outcome.facts)


def wait(
    state: Assignment,
    case: Case,
    record: AssignmentRecord,
    lost: LostReason,
    *,
    released: bool = False,
    actor: Actor = SYSTEM,
    unanswered: Unanswered | None = None,
) -> Outcome:
    """Put it into its team's queue; one that waits there already stays, and only the vain attempt is counted.

    `unanswered`: what its owner was silent after.
    """
    if state.queue is not None and state.queue.team_id == (state.team_id or ""):
        return Outcome(state.after(attempt=state.attempt + 1))
    since = state.queue.since if state.queue else case.board.now
    state, facts = lose(state, case, lost, actor, unanswered)
    queued = ConversationQueued(
        href=case.href,
        team_id=state.team_id,
        epoch=state.epoch + 1,
        queued_at=since,
        priority=state.priority,
        reason="released" if released else why_nobody(record),
        no_right=nobody_may(record),
        unanswered=unanswered,
        record=record,
    )
    after = state.after(epoch=state.epoch + 1, queue=state.place(since), attempt=0)
    return Outcome(after, (*facts, queued))


def lose(
    state: Assignment, case: Case, reason: LostReason, actor: Actor, unanswered: Unanswered | None = None
) -> tuple[Assignment, tuple[Fact, ...]]:
    """Take the owner away, if there is one."""
    if state.owner is None:
        return state, ()
    fact = ConversationUnassigned(
        href=case.href,
        previous_agent_id=state.owner,
        team_id=state.team_id,
        epoch=state.epoch + 1,
        reason=reason,
        actor=actor,
        unassigned_at=case.board.now,
        unanswered=unanswered,
    )
    return state.after(owner=None, slot=None, epoch=state.epoch + 1, previous=state.owner), (fact,)


def settle(state: Assignment, case: Case, *, preference: Preference | None = None, moved: bool = False) -> Outcome:
    """Bring ownership in line with status and team: an active conversation has an owner or waits, another neither.

    `moved`: the router gave it to another team. An owner who is in that team keeps it; one who may not handle the inbox
    any more, because the conversation was moved to another or rights were taken away, never does.
    """
    if not state.active:
        return leave(state, case)
    if (private_owner := case.company.owner_of_inbox(state.inbox_id)) is not None:
        return belong(state, case, private_owner)
    if state.slot is None and state.queue is None:
        back = state.owner or state.previous
        return assign(state, case, preference=preference or (Preference(back, "previous_owner") if back else None))
    barred = state.slot is not None and not case.company.may_handle(state.slot, state.inbox_id)
    if not barred and (not moved or _may_keep(state, case)):
        return Outcome(_ranked(state))
    return assign(state, case, lost="team_changed" if moved else "removed")


def _may_keep(state: Assignment, case: Case) -> bool:
    team = case.company.team(state.team_id)
    return state.slot is not None and team is not None and state.slot in team.members


def _ranked(state: Assignment) -> Assignment:
    """Return it with its place by its present priority."""
    if state.queue is None:
        return state
    place = state.place(state.queue.since).model_copy(update={"team_id": state.queue.team_id})
    return state if place == state.queue else state.after(queue=place)


def leave(state: Assignment, case: Case) -> Outcome:
    """Free slot and place of a conversation that is over; spam, bin and merge take its owner too."""
    facts: tuple[Fact, ...] = ()
    if state.status in LOST:
        state, facts = lose(state, case, _LOST_BY_STATUS[state.status], SYSTEM)
    if state.slot is not None or state.queue is not None:
        state = state.after(slot=None, queue=None, attempt=0, released_by=None, silent=False)
    return Outcome(state, facts)
