"""Rollups: counts, sums and distributions per cut and day, changed only by differences of rows.

A rollup document holds, for one scope (a UTC day, or `total`) and one cut (`all`, or an inbox, channel, tag, team or
agent), every kind: `kinds.<kind>.<outcome>` counts rows, `kinds.<kind>.<clock>.sum|sketch.<bucket>|le.<edge>` hold
durations of answered and resolved ones in milliseconds. In `total`, `withdrawn` holds what differences took away, so
that `kinds + withdrawn` never falls, which a Prometheus counter needs; and `now` holds present counts.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from postroom_contracts.values import Status

from postroom_analytics.domain import distribution
from postroom_analytics.domain.model import ConversationMetrics, Credit, Row
from postroom_analytics.domain.turns import turns_of

TOTAL = "total"
ClockName = Literal["wall", "business"]
CLOCKS: tuple[ClockName, ...] = ("wall", "business")


class Cell(NamedTuple):
    """One rollup document: `scope` is `total` or a day such as `2026-03-06`, `value` is empty for the cut `all`."""

    scope: str
    cut: str
    value: str

    @property
    def id(self) -> str:
        return f"{self.scope}:{self.cut}:{self.value}"


Increments = dict[Cell, dict[str, int]]
"""Per document: dotted path to what is added to it. Zeros are left out; adding is order-free."""

Replaced = tuple[Row | None, Row | None]
"""A row as it was and as it is; None where there was or is none."""


def row_increments(old: Mapping[str, Row], new: Mapping[str, Row]) -> Increments:
    """Return what turns the rollups of `old` rows into those of `new` ones, both by row id."""
    return increments_of([(old.get(row_id), new.get(row_id)) for row_id in old.keys() | new.keys()], [])


def increments_of(replaced: Iterable[Replaced], gauges_moved: Iterable["GaugesMoved"]) -> Increments:
    """Return what a whole batch adds to the rollups: rows and gauges of many conversations fall into few documents."""
    result: Increments = {}
    for before, after in replaced:
        if before is None:
            _add(result, _contribution(after))
        elif before != after:
            _replace(result, _contribution(before), _contribution(after))
    for moved in gauges_moved:
        _move_gauges(result, moved)
    kept = {cell: {path: n for path, n in paths.items() if n} for cell, paths in result.items()}
    return {cell: paths for cell, paths in kept.items() if paths}


def _add(result: Increments, contribution: Mapping[Cell, Mapping[str, int]]) -> None:
    for cell, paths in contribution.items():
        target = result.setdefault(cell, {})
        for path, amount in paths.items():
            target[path] = target.get(path, 0) + amount


def _replace(
    result: Increments, gone: Mapping[Cell, Mapping[str, int]], come: Mapping[Cell, Mapping[str, int]]
) -> None:
    """Take `gone` out and put `come` in; what is not in both alike is noted as withdrawn, so that sums fit counts."""
    for cell in gone.keys() | come.keys():
        target = result.setdefault(cell, {})
        old, new = gone.get(cell, {}), come.get(cell, {})
        for path, amount in old.items():
            if new.get(path) != amount:
                target[path] = target.get(path, 0) - amount
                if cell.scope == TOTAL:
                    history = f"withdrawn.{path.removeprefix('kinds.')}"
                    target[history] = target.get(history, 0) + amount
        for path, amount in new.items():
            if old.get(path) != amount:
                target[path] = target.get(path, 0) + amount


def _contribution(row: Row | None) -> dict[Cell, dict[str, int]]:
    """Return what a row adds to each of its documents: nothing if it does not count."""
    if row is None or not row.counted:
        return {}
    day = datetime.fromtimestamp(row.closed_at // 1000, UTC).date().isoformat()
    paths = dict(_paths(row))
    cuts = _cuts(row.inbox, row.channel, row.credit)
    return {Cell(scope, cut, value): paths for cut, value in cuts for scope in (TOTAL, day)}


def _cuts(inbox: str, channel: str, credit: Credit) -> list[tuple[str, str]]:
    cuts = [("all", ""), ("inbox", inbox), ("channel", channel), *(("tag", tag) for tag in credit.tags)]
    if credit.team is not None:
        cuts.append(("team", credit.team))
    if credit.agent is not None:
        cuts.append(("agent", credit.agent))
    return cuts


def _paths(row: Row) -> Iterator[tuple[str, int]]:
    kind = f"kinds.{row.kind}"
    yield f"{kind}.{row.outcome}", 1
    if row.reopened:
        yield f"{kind}.reopened", 1
    if row.breached is not None and not row.kind.startswith("sla_"):
        yield f"{kind}.{'breached' if row.breached else 'within_target'}", 1
    for mark in row.marks:
        yield f"{kind}.{mark}", 1
    for clock, value in (("wall", row.wall_ms), ("business", row.business_ms)):
        if value is not None:
            yield f"{kind}.{clock}.sum", value
            yield f"{kind}.{clock}.sketch.{distribution.bucket_of(value)}", 1
            yield f"{kind}.{clock}.le.{distribution.edge_of(value)}", 1


# --- what is so now ------------------------------------------------------------------------------------------------


def gauges(state: ConversationMetrics | None) -> frozenset[str]:
    """Return what the conversation is now: of `open`, `unassigned`, `unattended`; nothing when it is settled.

    `open`: neither resolved, spam, deleted nor merged. `unattended`: open with an open turn, snoozed or not.
    `unassigned`: open without an owner.
    """
    if state is None or state.opened_at is None or state.spam_at is not None or state.merged_at is not None:
        return frozenset()
    if state.status not in (Status.OPEN, Status.WAITING, Status.SNOOZED):
        return frozenset()
    episode = state.open_episode
    unattended = episode is not None and any(turn.closed_at is None for turn in turns_of(episode))
    marks = {"open": True, "unattended": unattended, "unassigned": state.owner is None}
    return frozenset(name for name, holds in marks.items() if holds)


@dataclass(frozen=True, slots=True)
class Gauges:
    """What one conversation adds to `now`, in which cuts."""

    marks: frozenset[str]
    inbox: str
    channel: str
    credit: Credit


GaugesMoved = tuple[Gauges, Gauges]
"""Before and after a batch."""


def gauges_of(state: ConversationMetrics | None) -> Gauges:
    if state is None:
        return Gauges(frozenset(), "", "", Credit())
    return Gauges(gauges(state), state.inbox, state.channel, state.credit)


def _move_gauges(result: Increments, moved: GaugesMoved) -> None:
    before, after = moved
    if before == after:
        return
    for one, sign in ((before, -1), (after, 1)):
        if not one.marks:
            continue
        for cut, value in _cuts(one.inbox, one.channel, one.credit):
            target = result.setdefault(Cell(TOTAL, cut, value), {})
            for mark in one.marks:
                target[f"now.{mark}"] = target.get(f"now.{mark}", 0) + sign


# --- reading -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClockSummary:
    """Seconds. Undefined is None, never 0. Percentiles are within 1 % of the exact ones."""

    count: int
    mean: float | None
    p50: float | None
    p90: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class Summary:
    """One kind over the documents that were given. `outcomes` counts rows, those in no average too."""

    kind: str
    wall: ClockSummary
    business: ClockSummary
    outcomes: dict[str, int]


def summarise(documents: Iterable[Mapping[str, Any]], kind: str) -> Summary:
    """Return count, mean and percentiles of `kind` over rollup documents whose rows do not overlap.

    Days of one cut, or all agents of a team, do not overlap; two tags may. Percentiles come from the merged buckets,
    the mean from sum and count; a mean of means is never made.
    """
    parts = [part for document in documents if (part := document.get("kinds", {}).get(kind)) is not None]
    outcomes: Counter[str] = Counter()
    for part in parts:
        outcomes.update({name: n for name, n in part.items() if isinstance(n, int)})
    wall, business = (_clock_summary([p[clock] for p in parts if clock in p]) for clock in CLOCKS)
    return Summary(kind, wall, business, {name: n for name, n in sorted(outcomes.items()) if n})


def _clock_summary(parts: list[Mapping[str, Any]]) -> ClockSummary:
    buckets: Counter[str] = Counter()
    for part in parts:
        buckets.update(part.get("sketch", {}))
    count = sum(buckets.values())
    if count <= 0:
        return ClockSummary(0, None, None, None, None)
    mean = sum(part.get("sum", 0) for part in parts) / count / 1000
    p50, p90, p95 = (_seconds(distribution.percentile(buckets, share)) for share in (0.5, 0.9, 0.95))
    return ClockSummary(count, mean, p50, p90, p95)


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


@dataclass(frozen=True, slots=True)
class Histogram:
    """What Prometheus shows of one kind, clock and cut: cumulative counts by edge, the last for +Inf, and the sum."""

    buckets: list[int]
    sum_seconds: float


def histogram(total: Mapping[str, Any], kind: str, clock: ClockName) -> Histogram:
    """Return the histogram of a `total` document. It never falls: what was withdrawn later stays counted in it."""
    parts = [total.get(part, {}).get(kind, {}).get(clock, {}) for part in ("kinds", "withdrawn")]
    edges: Counter[str] = Counter()
    for part in parts:
        edges.update(part.get("le", {}))
    return Histogram(distribution.cumulative(edges), sum(part.get("sum", 0) for part in parts) / 1000)


def add_to(document: dict[str, Any], increments: Mapping[str, int]) -> None:
    """Do to a document in memory what MongoDB's `$inc` does to a stored one."""
    for path, change in increments.items():
        *parents, last = path.split(".")
        place = document
        for name in parents:
            place = place.setdefault(name, {})
        place[last] = place.get(last, 0) + change
