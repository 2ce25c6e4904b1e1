"""Claims, assignments by hand, and the drain's proposals."""

from typing import Literal

from postroom_contracts.commands import AssignConversation, AssignFromQueue, ClaimConversation, Command, Request
from postroom_contracts.facts import ClaimRefused
from postroom_contracts.values import Status

from postroom_assigner.domain.assignment import Assignment
from postroom_assigner.domain.board import Because
from postroom_assigner.domain.ownership import Case, Outcome, assign, own, wait

RefusedReason = Literal["stale_epoch", "already_yours", "full", "unknown_agent", "not_assignable"]
_UNKNOWN = Assignment(status=Status.DELETED)
"""Stands for a conversation of which no fact has come."""


class FullUntilSavedError(Exception):
    """The agent is full, but gave something back in this very batch: decide again when that is saved."""


def decide_request(state: Assignment | None, data: Command, case: Case) -> Outcome | None:
    """Return what becomes of ownership; None: nothing (a proposal that came too late).

    Raises FullUntilSavedError.
    """
    if isinstance(data, ClaimConversation):
        return _take(state or _UNKNOWN, data, case, data.agent_id, data.epoch, "claim")
    if isinstance(data, AssignConversation):
        return _assign(state or _UNKNOWN, data, case)
    if isinstance(data, AssignFromQueue):
        return _from_queue(state, data, case)
    return None


def _take(state: Assignment, data: Request, case: Case, agent_id: str, epoch: int | None, because: Because) -> Outcome:
    """Make `agent_id` the owner because a person said so; the first at an epoch wins."""
    reason = _why_not(state, case, agent_id, epoch)
    if reason is not None:
        return refuse(state, data, case, agent_id, reason)
    preferred = case.board.preferred(
        case.company, case.company.team(state.team_id), agent_id, because, inbox_id=state.inbox_id
    )
    if "full" in preferred.excluded:
        if agent_id in case.board.released:
            raise FullUntilSavedError(agent_id)
        return refuse(state, data, case, agent_id, "full")
    record = case.board.by_hand(case.company, state.team_id, preferred)
    return own(state, case, agent_id, record, "claim" if because == "claim" else "manual", data.actor)


def _why_not(state: Assignment, case: Case, agent_id: str, epoch: int | None) -> RefusedReason | None:
    if not state.active:
        return "not_assignable"
    if state.slot == agent_id:
        return "already_yours"
    if epoch is not None and epoch != state.epoch:
        return "stale_epoch"
    if agent_id not in case.company.agents:
        return "unknown_agent"
    if case.company.owner_of_inbox(state.inbox_id) is not None:
        return "already_yours" if agent_id == state.owner else "not_assignable"
    may = case.company.enabled(agent_id) and case.company.may_handle(agent_id, state.inbox_id)
    return None if may else "not_assignable"


def refuse(state: Assignment, data: Request, case: Case, agent_id: str | None, reason: RefusedReason) -> Outcome:
    """Refuse a request with what stands; the state stays."""
    fact = ClaimRefused(
        href=case.href,
        request_id=case.request_id,
        actor=data.actor,
        agent_id=agent_id,
        reason=reason,
        owner_id=state.owner,
        epoch=state.epoch,
    )
    return Outcome(state, (fact,))


def _assign(state: Assignment, data: AssignConversation, case: Case) -> Outcome:
    if data.team_id is not None and case.company.team(data.team_id) is None:
        return refuse(state, data, case, data.agent_id, "not_assignable")
    if data.agent_id is None:
        return _put_back(state, data, case)
    if data.team_id is None or not state.active:
        return _take(state, data, case, data.agent_id, data.epoch, "manual")
    outcome = _take(state.after(team_id=data.team_id), data, case, data.agent_id, data.epoch, "manual")
    return outcome if outcome.state.epoch != state.epoch else Outcome(state, outcome.facts)


def _put_back(state: Assignment, data: AssignConversation, case: Case) -> Outcome:
    """Back to the queue of its team, or of the one that is named; whoever had it does not get it straight back."""
    team_id = data.team_id or state.team_id
    there = state.queue is not None and state.queue.team_id == (team_id or "")
    if not state.active or there or case.company.owner_of_inbox(state.inbox_id) is not None:
        return refuse(state, data, case, None, "not_assignable")
    if data.epoch is not None and data.epoch != state.epoch:
        return refuse(state, data, case, None, "stale_epoch")
    released = {"released_by": state.owner, "silent": False} if state.owner else {}
    state = state.after(team_id=team_id, **released)
    team = case.company.team(team_id)
    record = case.board.record(
        case.company, team, inbox_id=state.inbox_id, without=state.released_by, because=state.passed_over
    )
    return wait(state, case, record, "released", released=True, actor=data.actor)


def _from_queue(state: Assignment | None, data: AssignFromQueue, case: Case) -> Outcome | None:
    """Carry out a proposal of the drain, unless something happened since: then it is none."""
    if state is None or not state.active or data.epoch != state.epoch or data.attempt != state.attempt:
        return None
    if state.queue is not None:
        return assign(state, case, reason="queue")
    if state.slot is not None and not case.company.enabled(state.slot):
        return assign(state, case, reason="queue", lost="removed")
    return None
