"""Rollups: exact withdrawal, merged percentiles, Prometheus histograms that never fall."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postroom_analytics.domain import distribution
from postroom_analytics.domain.cells import Cell, Increments
from postroom_analytics.domain.distribution import PROMETHEUS_SECONDS, RELATIVE_ERROR
from postroom_analytics.domain.documents import row_document, row_from_document
from postroom_analytics.domain.model import Row
from postroom_analytics.domain.rollup import (
    add_to,
    histogram,
    increments_of,
    row_increments,
    summarise,
)
from postroom_contracts.response_times.model import Credit, marked_private

DAY_MS = 86_400_000
MARCH_3 = 1_772_496_000_000
"""2026-03-03T00:00Z."""


def row(n: int, wall_ms: int | None, **changed: Any) -> Row:
    base = Row(
        id=f"r{n}",
        conversation_id="c",
        kind="first_response",
        n=n,
        outcome="answered",
        started_at=MARCH_3,
        closed_at=MARCH_3 + 1000,
        calendar="always@1",
        configuration_version=1,
        inbox="support",
        channel="email",
        credit=Credit("ann", "care", ("vip", "refund")),
        wall_ms=wall_ms,
        business_ms=wall_ms,
    )
    return replace(base, **changed)


def by_id(*rows: Row) -> dict[str, Row]:
    return {r.id: r for r in rows}


class Rollups:
    def __init__(self) -> None:
        self.documents: dict[Cell, dict[str, Any]] = {}

    def add(self, increments: Increments) -> "Rollups":
        for cell, paths in increments.items():
            add_to(self.documents.setdefault(cell, {}), paths)
        return self

    def of(self, cut: str = "all", value: str = "", scope: str = "total") -> dict[str, Any]:
        return self.documents.get(Cell(scope, cut, value), {})


def rolled(*rows: Row) -> Rollups:
    return Rollups().add(row_increments({}, by_id(*rows)))


def test_a_row_stands_in_each_of_its_cuts_and_in_its_day() -> None:
    assert {cell.id for cell in rolled(row(1, 5000)).documents} == {
        f"{scope}:{cut}"
        for scope in ("total", "2026-03-03")
        for cut in ("all:", "inbox:support", "channel:email", "tag:vip", "tag:refund", "team:care", "agent:ann")
    }


def test_a_row_of_a_private_inbox_stands_in_a_cut_of_its_own_alone() -> None:
    assert {cell.id for cell in rolled(row(1, 5000, inbox=marked_private("own"))).documents} == {
        "total:private:own",
        "2026-03-03:private:own",
    }


durations = st.lists(st.integers(0, 40 * DAY_MS), min_size=1, max_size=60)


@settings(deadline=None)
@given(durations)
def test_mean_is_exact_and_percentiles_are_within_the_stated_error(values: list[int]) -> None:
    summary = summarise([rolled(*(row(n, v) for n, v in enumerate(values))).of()], "first_response").wall
    assert summary.count == len(values)
    assert summary.mean == pytest.approx(sum(values) / len(values) / 1000, abs=1e-9)
    for share, published in ((0.5, summary.p50), (0.9, summary.p90), (0.95, summary.p95)):
        exact = sorted(values)[math.ceil(share * len(values) - 1e-9) - 1]
        assert published == pytest.approx(exact / 1000, rel=RELATIVE_ERROR + 1e-6, abs=1e-9)


@settings(deadline=None)
@given(durations, durations)
def test_withdrawing_leaves_what_was_there_before(kept: list[int], gone: list[int]) -> None:
    first = by_id(*(row(n, v) for n, v in enumerate(kept)))
    more = by_id(*(row(1000 + n, v) for n, v in enumerate(gone)))
    rollups = Rollups().add(row_increments({}, first)).add(row_increments({}, more)).add(row_increments(more, {}))
    fresh = Rollups().add(row_increments({}, first))
    assert summarise([rollups.of()], "first_response") == summarise([fresh.of()], "first_response")


@settings(deadline=None)
@given(durations, durations)
def test_percentiles_of_merged_groups_are_those_of_all_their_values(one: list[int], two: list[int]) -> None:
    rows = [row(n, v, credit=Credit("ann")) for n, v in enumerate(one)]
    rows += [row(1000 + n, v, credit=Credit("bob")) for n, v in enumerate(two)]
    rollups = rolled(*rows)
    agents = [rollups.of("agent", agent) for agent in ("ann", "bob")]
    assert summarise(agents, "first_response") == summarise([rollups.of()], "first_response")


@settings(deadline=None)
@given(durations)
def test_the_histogram_is_what_prometheus_would_have_counted(values: list[int]) -> None:
    shown = histogram(rolled(*(row(n, v) for n, v in enumerate(values))).of(), "first_response", "wall")
    expected = [sum(v / 1000 <= edge for v in values) for edge in PROMETHEUS_SECONDS]
    assert shown.buckets == [*expected, len(values)]
    assert shown.sum_seconds == pytest.approx(sum(values) / 1000)


@settings(deadline=None)
@given(durations, st.lists(st.tuples(st.integers(0, 59), st.integers(0, 40 * DAY_MS) | st.none()), max_size=30))
def test_the_histogram_never_falls_whatever_is_restated(
    values: list[int], changes: list[tuple[int, int | None]]
) -> None:
    rows = by_id(*(row(n, v) for n, v in enumerate(values)))
    rollups = Rollups().add(row_increments({}, rows))
    before = histogram(rollups.of(), "first_response", "wall")
    for position, value in changes:
        changed = dict(rows)
        row_id = f"r{position % len(values)}"
        if value is None:
            changed.pop(row_id, None)
        else:
            changed[row_id] = row(position % len(values), value)
        rollups.add(row_increments(rows, changed))
        rows = changed
        after = histogram(rollups.of(), "first_response", "wall")
        assert all(a >= b for a, b in zip(after.buckets, before.buckets, strict=True))
        assert after.sum_seconds >= before.sum_seconds
        before = after
    wall = summarise([rollups.of()], "first_response").wall
    assert wall.count == len(rows)
    assert (wall.mean or 0) * wall.count == pytest.approx(sum(r.wall_ms or 0 for r in rows.values()) / 1000)


def test_what_a_restated_row_added_stays_in_sum_and_count_alike() -> None:
    rollups = rolled(row(1, 60_000)).add(row_increments(by_id(row(1, 60_000)), by_id(row(1, 180_000))))
    shown = histogram(rollups.of(), "first_response", "wall")
    assert (shown.buckets[-1], shown.sum_seconds) == (2, 240)
    assert summarise([rollups.of()], "first_response").wall.mean == 180


def test_a_row_that_does_not_count_stands_nowhere() -> None:
    assert row_increments({}, by_id(row(1, 5000, counted=False))) == {}


def test_an_unchanged_row_writes_nothing() -> None:
    assert row_increments(by_id(row(1, 5000)), by_id(row(1, 5000))) == {}


def test_undefined_is_null_and_zero_is_a_value() -> None:
    rollups = rolled(row(1, None, outcome="closed_unanswered"))
    summary = summarise([rollups.of()], "first_response")
    assert (summary.wall.count, summary.wall.mean, summary.wall.p50) == (0, None, None)
    assert summary.outcomes == {"closed_unanswered": 1}
    summary = summarise([rolled(row(1, 0)).of()], "first_response")
    assert (summary.wall.count, summary.wall.mean, summary.wall.p50) == (1, 0, 0)
    assert summarise([], "resolution").wall.count == 0


def test_a_value_on_an_edge_is_within_it() -> None:
    shown = histogram(rolled(row(1, 60_000), row(2, 60_001)).of(), "first_response", "wall")
    assert shown.buckets[:2] == [1, 2]


@settings(deadline=None)
@given(st.integers(1, 10**12))
def test_a_buckets_value_is_within_the_error_of_every_member(milliseconds: int) -> None:
    value = distribution.value_of(distribution.bucket_of(milliseconds))
    assert abs(value - milliseconds) <= milliseconds * (RELATIVE_ERROR + 1e-9)


def test_increments_of_a_batch_add_up_and_cancel() -> None:
    one, two = row(1, 5000), row(2, 5000)
    come_and_gone = increments_of([(None, one), (one, None)], [])
    assert {cell.scope for cell in come_and_gone} == {"total"}
    assert all(path.startswith("withdrawn.") for paths in come_and_gone.values() for path in paths)
    single = increments_of([(None, one)], [])
    both = increments_of([(None, one), (None, two)], [])
    assert both == {cell: {path: 2 * n for path, n in paths.items()} for cell, paths in single.items()}


def test_a_row_comes_back_from_its_document_as_it_was() -> None:
    original = row(1, 5000, breached=True, deadline_at=MARCH_3, breached_at=MARCH_3, marks=("undelivered",))
    document = row_document(original)
    assert document["closed_at"].isoformat() == "2026-03-03T00:00:01+00:00"
    assert row_from_document({**document, "closed_at": document["closed_at"].replace(tzinfo=None)}) == original
