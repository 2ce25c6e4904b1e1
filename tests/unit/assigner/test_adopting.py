"""After a loss an owner is taken over from the log, whoever would be chosen now."""

from datetime import UTC, datetime

import pytest
from postroom_assigner.domain.adopting import adopt
from postroom_assigner.domain.assignment import Assignment, Waiting
from postroom_assigner.domain.company import Company
from postroom_assigner.domain.ownership import Outcome
from postroom_contracts.facts import ConversationAssigned, ConversationQueued, ConversationUnassigned, Fact
from postroom_contracts.values import Actor, AssignmentRecord, Priority, Status

from tests.component.assigner.world import company

AT = datetime(2026, 3, 6, 14, 2, 12, tzinfo=UTC)
SYSTEM = Actor(kind="system", id="assigner")
RECORD = AssignmentRecord.model_validate({"policy": "round_robin", "decided_at": AT, "configuration_version": 1})
NOW = Assignment(team_id="t", owner="ben", slot="ben", epoch=1)
"""What would be decided now."""


def assigned(agent: str, epoch: int) -> Fact:
    return ConversationAssigned(
        agent_id=agent, epoch=epoch, reason="policy", actor=SYSTEM, assigned_at=AT, record=RECORD
    )


QUEUED = ConversationQueued(epoch=1, queued_at=AT, priority=Priority.NORMAL, reason="everybody_full", record=RECORD)
LOST = ConversationUnassigned(previous_agent_id="ann", epoch=3, reason="released", actor=SYSTEM, unassigned_at=AT)


@pytest.mark.parametrize(
    ("state", "facts", "expected"),
    [
        pytest.param(NOW, [assigned("ann", 1)], ("ann", "ann", 1, None), id="another-owner"),
        pytest.param(NOW, [QUEUED], (None, None, 1, AT), id="it-waited-then"),
        pytest.param(NOW, [QUEUED, assigned("ann", 2), LOST], (None, None, 3, None), id="in-their-order"),
        pytest.param(
            NOW.after(status=Status.RESOLVED, slot=None),
            [assigned("ann", 2)],
            ("ann", None, 2, None),
            id="no-slot-when-over",
        ),
    ],
)
def test_owner_epoch_and_place_are_those_of_the_log(
    state: Assignment, facts: list[Fact], expected: tuple[object, ...]
) -> None:
    found = adopt(Outcome(state), facts, Company(company(), 1))
    after = found.state
    assert (after.owner, after.slot, after.epoch, after.queue.since if after.queue else None) == expected
    assert found.facts == tuple(facts)


def test_what_was_decided_to_wait_for_is_forgotten() -> None:
    waiting = NOW.after(owner=None, slot=None, queue=Waiting(team_id="t", rank=2, since=AT), attempt=4)
    after = adopt(Outcome(waiting), [assigned("ann", 2)], Company(company(), 1)).state
    assert (after.queue, after.attempt, after.released_by) == (None, 0, None)
