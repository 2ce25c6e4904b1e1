"""The choice: a table by hand, and properties over any company and any order of decisions."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_assigner.domain.board import Board, Standing
from postroom_assigner.domain.choose import choose, recompute, why_nobody
from postroom_assigner.domain.company import Company
from postroom_contracts.values import AssignmentRecord, Candidates, LeftOut, Preferred

from tests.component.assigner.world import company

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
FULL = LeftOut(agent_ids=["x"], loads=[9], capacities=[9], reasons=["full"])
OFF = LeftOut(agent_ids=["y"], loads=[0], reasons=["off_duty"])


def record(policy: str, loads: dict[str, int], **more: Any) -> AssignmentRecord:
    values = {"team_id": "t", "decided_at": NOON, "configuration_version": 1} | more
    eligible = Candidates(agent_ids=list(loads), loads=list(loads.values()))
    return AssignmentRecord.model_validate({"policy": policy, "eligible": eligible} | values)


def preferred(*excluded: str) -> Preferred:
    return Preferred(agent_id="p", because="rule", load=0, on_duty=True, excluded=list(excluded))


@pytest.mark.parametrize(
    ("given_record", "expected"),
    [
        pytest.param(record("round_robin", {"a": 5, "b": 0}), "a", id="round-robin-takes-the-first"),
        pytest.param(record("least_loaded", {"a": 5, "b": 0}), "b", id="least-loaded-takes-the-least"),
        pytest.param(record("least_loaded", {"a": 5, "b": 2, "c": 2}), "b", id="a-tie-goes-to-who-waited-longest"),
        pytest.param(record("manual", {"a": 0}), None, id="by-hand-means-nobody"),
        pytest.param(record("least_loaded", {}), None, id="nobody-eligible"),
        pytest.param(record("manual", {}, preferred=preferred()), "p", id="preferred"),
        pytest.param(record("round_robin", {"a": 1}, preferred=preferred("full")), "a", id="preferred-is-full"),
    ],
)
def test_choice(given_record: AssignmentRecord, expected: str | None) -> None:
    assert choose(given_record) == expected


@pytest.mark.parametrize(
    ("given_record", "expected"),
    [
        pytest.param(record("manual", {}, team_id=None), "no_team", id="no-team"),
        pytest.param(record("manual", {"a": 1}), "manual", id="manual"),
        pytest.param(record("least_loaded", {}, left_out=[OFF]), "nobody_on_duty", id="off"),
        pytest.param(record("least_loaded", {}, left_out=[OFF, FULL]), "everybody_full", id="one-of-them-full"),
    ],
)
def test_why_nobody(given_record: AssignmentRecord, expected: str) -> None:
    assert why_nobody(given_record) == expected


PEOPLE: st.SearchStrategy[list[dict[str, Any]]] = st.lists(
    st.fixed_dictionaries(
        {
            "capacity": st.none() | st.integers(1, 4),
            "shifts": st.sampled_from([None, None, []]),
            "enabled": st.sampled_from([True, True, True, False]),
            "load": st.integers(0, 5),
            "last": st.integers(0, 3),
        }
    ),
    min_size=1,
    max_size=7,
)


@given(people=PEOPLE, policy=st.sampled_from(["round_robin", "least_loaded"]), decisions=st.integers(1, 12))
def test_never_off_duty_never_full_and_always_by_the_policy(
    people: list[dict[str, Any]], policy: str, decisions: int
) -> None:
    agents = [
        {"id": f"a{n}", "capacity": p["capacity"], "shifts": p["shifts"], "enabled": p["enabled"]}
        for n, p in enumerate(people)
    ]
    firm = Company(company(agents, assignment=policy), 1)
    held = {f"a{n}": p["load"] for n, p in enumerate(people)}
    last = {f"a{n}": p["last"] for n, p in enumerate(people)}
    board = Board(NOON, {a: Standing(held[a], last[a]) for a in held})
    for turn in range(decisions):
        made = board.record(firm, firm.team("front"), inbox_id="support")
        again = AssignmentRecord.model_validate_json(made.model_dump_json())
        chosen = choose(made)
        assert recompute(again) == chosen
        assert {c.agent_id: c.load for c in again.candidates} == held
        assert {c.agent_id: c.capacity for c in again.candidates} == {a["id"]: a["capacity"] for a in agents}
        free = [
            a["id"]
            for a in agents
            if a["enabled"] and a["shifts"] is None and (a["capacity"] is None or held[a["id"]] < a["capacity"])
        ]
        assert {c.agent_id for c in again.candidates if not c.excluded} == set(free)
        if chosen is None:
            assert free == []
            return
        order = min(free, key=lambda a: last[a] if policy == "round_robin" else (held[a], last[a]))
        assert chosen == order  # ties of both: min takes the first in the team's order
        board.take(firm, chosen)
        held[chosen] += 1
        last[chosen] = 10 + turn


@given(people=PEOPLE, without=st.integers(0, 6))
def test_who_put_it_back_is_not_chosen(people: list[dict[str, Any]], without: int) -> None:
    agents = [{"id": f"a{n}", "capacity": p["capacity"]} for n, p in enumerate(people)]
    firm = Company(company(agents), 1)
    board = Board(NOON, {f"a{n}": Standing(p["load"], p["last"]) for n, p in enumerate(people)})
    made = board.record(firm, firm.team("front"), inbox_id="support", without=f"a{without}")
    assert choose(made) != f"a{without}"
    assert len(made.candidates) == len(agents)


def test_a_record_of_two_hundred_takes_about_three_kilobytes() -> None:
    firm = Company(company([{"id": f"agent-{n:03d}"} for n in range(200)]), 1)
    board = Board(NOON, {f"agent-{n:03d}": Standing(17, n) for n in range(200)})
    made = board.record(firm, firm.team("front"), inbox_id="support")
    assert len(made.candidates) == 200
    assert len(made.model_dump_json(exclude_none=True)) < 3300
