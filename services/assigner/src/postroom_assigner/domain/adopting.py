"""Owners that the log names already: a decision that was made before a loss is not made again, it is taken over."""

from collections.abc import Sequence

from postroom_contracts.facts import ConversationAssigned, ConversationQueued, ConversationUnassigned, Fact

from postroom_assigner.domain.assignment import Assignment
from postroom_assigner.domain.company import Company
from postroom_assigner.domain.ownership import Outcome


def adopt(outcome: Outcome, facts: Sequence[Fact], company: Company) -> Outcome:
    """Return what was decided then: `facts`, in their order, and the state of `outcome` with the owner that they name.

    `outcome` is what would be decided now: status, team and priority come from the cause, and are the same.
    """
    state = outcome.state
    for fact in facts:
        state = _after(state, fact, company)
    return Outcome(state, tuple(facts))


def _after(state: Assignment, fact: Fact, company: Company) -> Assignment:
    match fact:
        case ConversationAssigned():
            private = company.owner_of_inbox(state.inbox_id) is not None
            slot = fact.agent_id if state.active and not private else None
            kept = {"queue": None, "attempt": 0, "released_by": None, "silent": False, "previous": None}
            return state.after(owner=fact.agent_id, slot=slot, epoch=fact.epoch, **kept)
        case ConversationQueued():
            queue = state.place(fact.queued_at) if state.active else None
            return state.after(owner=None, slot=None, epoch=fact.epoch, queue=queue, attempt=0)
        case ConversationUnassigned():
            lost = {"owner": None, "slot": None, "queue": None}
            return state.after(epoch=fact.epoch, previous=fact.previous_agent_id, **lost)
        case _:
            return state
