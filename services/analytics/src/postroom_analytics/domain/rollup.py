"""Rollups: counts, sums and distributions per cut and day, changed only by differences of rows.

A rollup document holds, for one scope (a UTC day, or `total`) and one cut (`all`, or an inbox, channel, tag, team or
agent), every kind: `kinds.<kind>.<outcome>` counts rows, `kinds.<kind>.<clock>.sum|sketch.<bucket>|le.<edge>` hold
durations of answered and resolved ones in milliseconds. In `total`, `withdrawn` holds what differences took away, so
that `kinds + withdrawn` never falls, which a Prometheus counter needs.

Present counts of a tag stand in its `total` document, as `now.<mark>`. Those of all other cuts, whose values the
configuration bounds, share one document, `<cut>.<value>.<mark>` in scope `now`: an assignment moves them for its agent, its
team, its inbox and all, and that is one write then, for a whole batch.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from postroom_contracts.response_times.model import Credit

from postroom_analytics.domain import distribution
from postroom_analytics.domain.cells import TOTAL, Cell, Increments, cuts_of
from postroom_analytics.domain.model import Row
from postroom_analytics.domain.now import GaugesMoved, move_gauges

ClockName = Literal["wall", "business"]
CLOCKS: tuple[ClockName, ...] = ("wall", "business")

Replaced = tuple[Row | None, Row | None]
"""A row as it was and as it is; None where there was or is none."""


def row_increments(old: Mapping[str, Row], new: Mapping[str, Row]) -> Increments:
    """Return what turns the rollups of `old` rows into those of `new` ones, both by row id."""
    return increments_of([(old.get(row_id), new.get(row_id)) for row_id in old.keys() | new.keys()], [])


def increments_of(replaced: Iterable[Replaced], gauges_moved: Iterable[GaugesMoved]) -> Increments:
    """Return what a whole batch adds to the rollups: rows and gauges of many conversations fall into few documents."""
    result: Increments = {}
    added: dict[_Place, dict[str, int]] = {}
    for before, after in replaced:
        if before is None and after is not None:
            _count(added, after)
        elif before != after:
            _replace(result, _contribution(before), _contribution(after))
    for place, paths in added.items():
        _add(result, dict.fromkeys(_cells(place), paths))
    move_gauges(result, gauges_moved)
    kept = {cell: {path: n for path, n in paths.items() if n} for cell, paths in result.items()}
    return {cell: paths for cell, paths in kept.items() if paths}


class _Place(NamedTuple):
    """Rows that fall into the same documents: those of one UTC day (days since 1970) with the same cuts."""

    day: int
    inbox: str
    channel: str
    credit: Credit


def _cells(place: _Place) -> list[Cell]:
    day = datetime.fromtimestamp(place.day * 86_400, UTC).date().isoformat()
    cuts = cuts_of(place.inbox, place.channel, place.credit)
    return [Cell(scope, cut, value) for cut, value in cuts for scope in (TOTAL, day)]


def _place_of(row: Row) -> _Place:
    return _Place(row.closed_at // 86_400_000, row.inbox, row.channel, row.credit)


def _count(added: dict[_Place, dict[str, int]], row: Row) -> None:
    """Add a new row up with those that fall into the same documents, before they are spread over them."""
    if row.counted:
        paths = added.setdefault(_place_of(row), {})
        for path, amount in _paths(row):
            paths[path] = paths.get(path, 0) + amount


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
    paths = dict(_paths(row))
    return dict.fromkeys(_cells(_place_of(row)), paths)


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
