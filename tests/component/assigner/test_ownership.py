"""What becomes of a conversation's owner, fact by fact and request by request, through the real fold."""

from typing import Any

import pytest
from postroom_assigner.domain.choose import recompute
from postroom_contracts import commands as c
from postroom_contracts import facts as f
from postroom_contracts.values import Actor, Priority, Status

from tests.component.assigner.world import NOON, World, add_version, agent, company, received

CLOSED: dict[str, list[str]] = {"sun": ["00:00-24:00"]}
TWO_TEAMS = [
    {"id": "front", "name": "F", "members": ["a0", "a1"]},
    {"id": "back", "name": "B", "members": ["a2"]},
]
RESOLVED = f.ConversationResolved(actor=agent("a0"), previous=Status.OPEN, resolved_at=NOON)
REOPENED = f.ConversationReopened(actor=agent("a1"), previous=Status.RESOLVED, reopened_at=NOON)
SPAM = f.ConversationMarkedSpam(actor=agent("a0"), previous=Status.OPEN, marked_at=NOON)
DELETED = f.ConversationDeleted(actor=agent("a0"), previous=Status.OPEN, deleted_at=NOON)
MERGED = f.ConversationMerged(target_id="k9", merged_at=NOON, actor=agent("a0"))
ARCHIVED = f.ConversationArchived(actor=agent("a0"), previous=Status.OPEN, archived_at=NOON, resolved=True)
UNSPAM = f.ConversationUnmarkedSpam(actor=agent("a0"), previous=Status.SPAM, status=Status.OPEN, unmarked_at=NOON)
SNOOZED = f.ConversationSnoozed(actor=agent("a0"), previous=Status.OPEN, snoozed_at=NOON, until=NOON, generation=1)


def claim(agent_id: str, epoch: int | None = None) -> c.ClaimConversation:
    return c.ClaimConversation(actor=agent(agent_id), agent_id=agent_id, epoch=epoch)


def give(agent_id: str | None, epoch: int | None = None, **more: str) -> c.AssignConversation:
    return c.AssignConversation(actor=agent("boss"), agent_id=agent_id, epoch=epoch, **more)


def names(facts: list[f.Fact]) -> list[str]:
    return [type(fact).__name__ for fact in facts]


async def test_messages_go_round_to_the_least_loaded_and_each_record_recomputes() -> None:
    world = World(company(3))
    await world.tell(*[(f"k{n}", received(n)) for n in range(7)])
    assigned = [a for a in world.publisher.facts() if isinstance(a, f.ConversationAssigned)]
    assert [a.agent_id for a in assigned] == ["a0", "a1", "a2", "a0", "a1", "a2", "a0"]
    assert [recompute(a.record) for a in assigned] == [a.agent_id for a in assigned]
    assert [a.record.eligible.loads for a in assigned][3] == [1, 1, 1]
    assert {agent_id: load.count for agent_id, load in world.loads.stored.items()} == {"a0": 3, "a1": 2, "a2": 2}


async def test_round_robin_takes_who_waited_longest_whatever_their_load() -> None:
    world = World(company(2, assignment="round_robin"))
    await world.tell(("k1", received(1)), ("k2", received(2)))
    await world.tell(("k1", RESOLVED), ("k3", received(3)))  # a0 is empty again, yet it is a0's turn only by order
    await world.tell(("k4", received(4)))
    owners = [a.agent_id for a in world.publisher.facts() if isinstance(a, f.ConversationAssigned)]
    assert owners == ["a0", "a1", "a0", "a1"]


@pytest.mark.parametrize(
    ("configuration", "reason"),
    [
        pytest.param(company(2, hours=CLOSED), "nobody_on_duty", id="nobody-on-duty"),
        pytest.param(company(0x2, assignment="manual"), "manual", id="assigned-by-hand-only"),
        pytest.param(company([{"id": "a0", "enabled": False}]), "nobody_on_duty", id="disabled"),
        pytest.param(company([{"id": "a0", "shifts": []}]), "nobody_on_duty", id="without-shifts"),
    ],
)
async def test_a_conversation_that_nobody_can_take_waits(configuration: object, reason: str) -> None:
    world = World(configuration)  # type: ignore[arg-type]
    await world.tell(("k1", received()))
    [queued] = world.publisher.facts()
    assert isinstance(queued, f.ConversationQueued)
    assert (queued.reason, queued.epoch, queued.team_id) == (reason, 1, "front")
    assert all(candidate.excluded or reason == "manual" for candidate in queued.record.candidates)
    assert world.state("k1").queue is not None
    assert world.state("k1").slot is None


async def test_when_all_are_full_it_waits_and_the_record_says_who_was_full() -> None:
    world = World(company(1, capacity=1))
    await world.tell(("k1", received(1)), ("k2", received(2)))
    queued = world.publisher.facts("k2")[0]
    assert isinstance(queued, f.ConversationQueued)
    assert queued.reason == "everybody_full"
    [full] = queued.record.left_out
    assert (full.agent_ids, full.loads, full.capacities, full.reasons) == (["a0"], [1], [1], ["full"])


@pytest.mark.parametrize(
    ("ending", "keeps_owner"),
    [
        pytest.param(RESOLVED, True, id="resolved"),
        pytest.param(ARCHIVED, True, id="archived"),
        pytest.param(SPAM, False, id="spam"),
        pytest.param(DELETED, False, id="deleted"),
        pytest.param(MERGED, False, id="merged"),
    ],
)
async def test_what_is_over_frees_its_slot_and_only_some_of_it_loses_its_owner(
    ending: f.Fact, keeps_owner: bool
) -> None:
    world = World(company(1, capacity=1))
    await world.tell(("k1", received()))
    await world.tell(("k1", ending))
    assert world.loads.stored["a0"].count == 0
    assert world.state("k1").slot is None
    assert world.state("k1").owner == ("a0" if keeps_owner else None)
    lost = [x for x in world.publisher.facts() if isinstance(x, f.ConversationUnassigned)]
    assert [x.reason for x in lost] == ([] if keeps_owner else [world.state("k1").status.value])
    assert world.freed == 1


async def test_waiting_and_snoozed_keep_their_slot() -> None:
    world = World(company(1, capacity=1))
    await world.tell(("k1", received()))
    await world.tell(("k1", SNOOZED))
    assert world.loads.stored["a0"].count == 1
    assert world.state("k1").slot == "a0"


async def test_a_reopened_one_goes_back_to_its_owner_though_another_has_less() -> None:
    world = World(company(2))
    await world.tell(("k1", received(1)), ("k2", received(2)), ("k3", received(3)))
    await world.tell(("k1", RESOLVED))
    await world.tell(("k1", received(4, opened=False, reopened=True)))
    again = world.publisher.facts("k1")[-1]
    assert isinstance(again, f.ConversationAssigned)
    assert (again.agent_id, again.epoch) == ("a0", 2)
    assert again.record.preferred is not None
    assert (again.record.preferred.because, again.record.preferred.excluded) == ("previous_owner", [])
    assert recompute(again.record) == "a0"


async def test_a_reopened_one_goes_by_policy_when_its_owner_is_full_and_the_record_says_so() -> None:
    world = World(company(2, capacity=1))
    await world.tell(("k1", received(1)))
    await world.tell(("k1", RESOLVED))
    await world.tell(("k2", claim("a0")), ("k2", received(2, agent_id="a0")))
    await world.tell(("k1", REOPENED))
    again = world.publisher.facts("k1")[-1]
    assert isinstance(again, f.ConversationAssigned)
    assert (again.agent_id, again.previous_agent_id) == ("a1", "a0")
    assert again.record.preferred is not None
    assert again.record.preferred.excluded == ["full"]
    assert recompute(again.record) == "a1"


async def test_a_reopened_one_that_nobody_can_take_loses_its_owner_and_waits() -> None:
    world = World(company([{"id": "a0", "shifts": [{"start_at": NOON, "end_at": "2026-03-04T13:00:00Z"}]}]))
    await world.tell(("k1", received(1)))
    await world.tell(("k1", RESOLVED))
    world.clock.advance(3600)
    await world.tell(("k1", REOPENED))
    facts = world.publisher.facts("k1")
    assert names(facts) == ["ConversationAssigned", "ConversationUnassigned", "ConversationQueued"]
    assert [x.epoch for x in facts] == [1, 2, 3]  # type: ignore[attr-defined]


async def test_unmarked_spam_goes_back_to_who_had_it() -> None:
    world = World(company(3))
    await world.tell(("k0", received(0)), ("k1", received(1)))
    await world.tell(("k1", SPAM))
    await world.tell(("k1", UNSPAM))
    back = world.publisher.facts("k1")[-1]
    assert isinstance(back, f.ConversationAssigned)
    assert back.agent_id == "a1"


async def test_spam_at_the_door_gets_no_owner() -> None:
    world = World(company(1))
    await world.tell(("k1", received(status=Status.SPAM)))
    assert world.publisher.facts() == []


async def test_a_rule_names_the_owner_unless_they_are_off_duty() -> None:
    people: list[dict[str, Any]] = [{"id": "a0"}, {"id": "a1"}, {"id": "a2", "shifts": []}]
    world = World(company(people))
    await world.tell(("k1", received(1, agent_id="a1")), ("k2", received(2, agent_id="a2")))
    first, second = world.publisher.facts()
    assert isinstance(first, f.ConversationAssigned)
    assert isinstance(second, f.ConversationAssigned)
    assert (first.agent_id, first.reason) == ("a1", "rule")
    assert (second.agent_id, second.reason) == ("a0", "policy")
    assert second.record.preferred is not None
    assert second.record.preferred.excluded == ["off_duty"]


async def test_who_starts_a_conversation_owns_it() -> None:
    world = World(company(2))
    started = f.ConversationStarted(
        inbox_id="support", channel="email", actor=agent("a1"), contact_ids=["c"], configuration_version=1
    )
    await world.tell(("k1", started))
    [assigned] = world.publisher.facts()
    assert isinstance(assigned, f.ConversationAssigned)
    assert (assigned.agent_id, assigned.actor.id, assigned.team_id) == ("a1", "a1", "front")


async def test_another_team_takes_over_unless_the_owner_is_in_it() -> None:
    world = World(company(3, teams=TWO_TEAMS))
    await world.tell(("k1", received(1)))
    routed = f.ConversationRouted(actor=agent("a1"), team_id="back", priority=Priority.HIGH, configuration_version=1)
    await world.tell(("k1", routed))
    moved = world.publisher.facts("k1")[-1]
    assert isinstance(moved, f.ConversationAssigned)
    assert (moved.agent_id, moved.previous_agent_id, moved.team_id) == ("a2", "a0", "back")
    assert world.loads.stored["a0"].count == 0
    assert world.loads.stored["a2"].count == 1
    same = f.ConversationRouted(actor=agent("a1"), team_id="back", priority=Priority.LOW, configuration_version=1)
    await world.tell(("k1", same))
    assert len(world.publisher.facts("k1")) == 2


async def test_a_team_change_without_anybody_leaves_it_waiting_for_the_new_team() -> None:
    world = World(company([{"id": "a0"}, {"id": "a1"}, {"id": "a2", "shifts": []}], teams=TWO_TEAMS))
    await world.tell(("k1", received(1)))
    routed = f.ConversationRouted(actor=agent("a1"), team_id="back", priority=Priority.HIGH, configuration_version=1)
    await world.tell(("k1", routed))
    facts = world.publisher.facts("k1")
    assert names(facts) == ["ConversationAssigned", "ConversationUnassigned", "ConversationQueued"]
    assert facts[1].reason == "team_changed"  # type: ignore[attr-defined]
    assert world.state("k1").queue is not None
    assert world.state("k1").queue.team_id == "back"  # type: ignore[union-attr]


async def test_the_first_claim_at_an_epoch_wins_and_the_others_are_told_who() -> None:
    world = World(company(3, assignment="manual"))
    await world.tell(("k1", received()))
    await world.tell(("k1", claim("a1", 1)), ("k1", claim("a2", 1)), ("k1", claim("a1", 1)))
    won, lost, again = world.publisher.facts("k1")[1:]
    assert isinstance(won, f.ConversationAssigned)
    assert (won.agent_id, won.reason, won.actor.id, won.epoch) == ("a1", "claim", "a1", 2)
    assert recompute(won.record) == "a1"
    assert isinstance(lost, f.ClaimRefused)
    assert (lost.reason, lost.owner_id, lost.epoch) == ("stale_epoch", "a1", 2)
    assert isinstance(again, f.ClaimRefused)
    assert again.reason == "already_yours"


async def test_a_claim_without_epoch_takes_whatever_stands_even_off_duty() -> None:
    world = World(company([{"id": "a0"}, {"id": "a1", "shifts": []}]))
    await world.tell(("k1", received()))
    await world.tell(("k1", claim("a1")))
    taken = world.publisher.facts("k1")[-1]
    assert isinstance(taken, f.ConversationAssigned)
    assert (taken.agent_id, taken.previous_agent_id) == ("a1", "a0")
    assert taken.record.preferred is not None
    assert taken.record.preferred.on_duty is False


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        pytest.param(claim("a1", 7), "stale_epoch", id="stale"),
        pytest.param(claim("nobody"), "unknown_agent", id="unknown"),
        pytest.param(claim("off"), "not_assignable", id="disabled"),
        pytest.param(claim("a1"), "full", id="full"),
        pytest.param(give("a0"), "already_yours", id="has-it"),
        pytest.param(give(None, 7), "stale_epoch", id="put-back-stale"),
        pytest.param(give(None, None, team_id="nowhere"), "not_assignable", id="no-such-team"),
    ],
)
async def test_requests_that_cannot_be_are_refused_and_change_nothing(request_: c.Command, reason: str) -> None:
    people: list[dict[str, Any]] = [{"id": "a0"}, {"id": "a1", "capacity": 1}, {"id": "off", "enabled": False}]
    world = World(company(people))
    await world.tell(("k1", received(1, agent_id="a0")), ("k2", received(2, agent_id="a1")))
    await world.tell(("k1", request_))
    refused = world.publisher.facts("k1")[-1]
    assert isinstance(refused, f.ClaimRefused)
    assert (refused.reason, refused.owner_id, refused.epoch) == (reason, "a0", 1)
    assert world.state("k1").owner == "a0"


async def test_a_claim_of_what_is_resolved_or_unknown_is_refused() -> None:
    world = World(company(2))
    await world.tell(("k1", received()))
    await world.tell(("k1", RESOLVED))
    await world.tell(("k1", claim("a1")), ("k2", claim("a1")))
    assert world.publisher.facts("k1")[-1].reason == "not_assignable"  # type: ignore[attr-defined]
    assert world.publisher.facts("k2")[-1].reason == "not_assignable"  # type: ignore[attr-defined]
    await world.tell(("k2", received(2)))
    assert names(world.publisher.facts("k2")) == ["ClaimRefused", "ConversationAssigned"]


async def test_a_claim_counts_what_its_agent_gave_back_in_the_same_batch() -> None:
    world = World(company(1, capacity=1, assignment="manual"))
    await world.tell(("k1", received(1)), ("k2", received(2)))
    await world.tell(("k1", claim("a0")))
    await world.tell(("k1", RESOLVED), ("k2", claim("a0")))
    assert world.state("k2").owner == "a0"


async def test_what_was_put_back_waits_and_goes_to_somebody_else() -> None:
    world = World(company(2))
    await world.tell(("k1", received()))
    await world.tell(("k1", give(None, 1)))
    facts = world.publisher.facts("k1")
    assert names(facts) == ["ConversationAssigned", "ConversationUnassigned", "ConversationQueued"]
    assert (facts[1].reason, facts[2].reason) == ("released", "released")  # type: ignore[attr-defined]
    await world.tell(("k1", c.AssignFromQueue(epoch=3, attempt=0, team_id="front")))
    given = world.publisher.facts("k1")[-1]
    assert isinstance(given, f.ConversationAssigned)
    assert (given.agent_id, given.reason, given.waited_since) == ("a1", "queue", NOON)
    assert [(g.agent_ids, g.reasons) for g in given.record.left_out] == [(["a0"], ["released_it"])]
    assert recompute(given.record) == "a1"


async def test_by_hand_it_goes_to_anybody_of_any_team() -> None:
    world = World(company(3, teams=TWO_TEAMS))
    await world.tell(("k1", received()))
    await world.tell(("k1", give("a2", 1, team_id="back")))
    given = world.publisher.facts("k1")[-1]
    assert isinstance(given, f.ConversationAssigned)
    assert (given.agent_id, given.team_id, given.reason, given.actor.id) == ("a2", "back", "manual", "boss")
    await world.tell(("k1", received(2, opened=False, team_id="front")))  # what the router says has not changed
    assert world.state("k1").owner == "a2"


@pytest.mark.parametrize(("epoch", "attempt"), [(0, 0), (2, 0), (1, 1)])
async def test_a_proposal_that_came_too_late_changes_nothing(epoch: int, attempt: int) -> None:
    world = World(company(1, hours=CLOSED))
    await world.tell(("k1", received()))
    await world.tell(("k1", c.AssignFromQueue(epoch=epoch, attempt=attempt, team_id="front")))
    assert len(world.publisher.facts()) == 1
    assert world.state("k1").attempt == 0


async def test_a_vain_proposal_counts_an_attempt_and_says_nothing() -> None:
    world = World(company(1, hours=CLOSED))
    await world.tell(("k1", received()))
    await world.tell(("k1", c.AssignFromQueue(epoch=1, attempt=0, team_id="front")))
    assert len(world.publisher.facts()) == 1
    assert (world.state("k1").epoch, world.state("k1").attempt) == (1, 1)


async def test_a_message_is_decided_by_its_own_version_and_a_drain_by_the_newest() -> None:
    world = World(company(1, hours=CLOSED))
    add_version(world.configurations, company(1))
    await world.tell(("k1", received(configuration_version=1)))
    await world.tell(("k1", c.AssignFromQueue(epoch=1, attempt=0, team_id="front")))
    queued, assigned = world.publisher.facts()
    assert isinstance(queued, f.ConversationQueued)
    assert isinstance(assigned, f.ConversationAssigned)
    assert (queued.record.configuration_version, assigned.record.configuration_version) == (1, 2)
    assert (queued.record.calendar_state, assigned.record.calendar_state) == ({"hours": "closed"}, {"hours": "open"})


async def test_what_somebody_owned_who_is_gone_is_given_to_another() -> None:
    world = World(company(2))
    await world.tell(("k1", received()))
    add_version(world.configurations, company([{"id": "a0", "enabled": False}, {"id": "a1"}]))
    await world.tell(("k1", c.AssignFromQueue(epoch=1, attempt=0, team_id="none")))
    given = world.publisher.facts("k1")[-1]
    assert isinstance(given, f.ConversationAssigned)
    assert (given.agent_id, given.previous_agent_id) == ("a1", "a0")


async def test_a_repeated_batch_publishes_the_same_and_takes_no_slot() -> None:
    world = World(company(2, capacity=10))
    batch = await world.tell(*[(f"k{n}", received(n)) for n in range(4)])
    before = {agent_id: load.count for agent_id, load in world.loads.stored.items()}
    await world.handle(batch)
    assert {agent_id: load.count for agent_id, load in world.loads.stored.items()} == before == {"a0": 2, "a1": 2}
    assert len(world.publisher.facts()) == 4


async def test_facts_that_say_nothing_about_ownership_change_nothing() -> None:
    world = World(company(1))
    await world.tell(("k1", received()))
    handed = f.ConversationHandedOff(actor=Actor(kind="bot", id="b"), handed_off_at=NOON)
    erased = f.ContentErased(contact_id="c1")
    await world.tell(("k1", handed), ("k1", erased), ("k1", received(2, opened=False)))
    assert len(world.publisher.facts()) == 1


async def test_imported_history_asks_for_no_owner_until_news_come() -> None:
    world = World(company(2))
    old = received(1, imported=True, status=Status.RESOLVED, agent_id="a1")
    await world.tell(("k1", old))
    await world.tell(("k2", received(2, imported=True, status=Status.SPAM)))
    assert world.publisher.facts() == []
    assert all(load.count == 0 for load in world.loads.stored.values())
    await world.tell(("k1", received(3, opened=False, reopened=True)))
    assert names(world.publisher.facts()) == ["ConversationAssigned"]
    await world.tell(("k1", received(4, opened=False, imported=True, agent_id="a1")))
    assert names(world.publisher.facts()) == ["ConversationAssigned"], "history leaves the owner alone"
