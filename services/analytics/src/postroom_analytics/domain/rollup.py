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


Increments = dict[Cell, Counter[str]]
"""Per document: dotted path to what is added to it. Zeros are left out; adding is order-free."""


def row_increments(old: Mapping[str, Row], new: Mapping[str, Row]) -> Increments:
    """Return what turns the rollups of `old` rows into those of `new` ones, both by row id."""
    result: Increments = {}
    for row_id in old.keys() | new.keys():
        before, after = old.get(row_id), new.get(row_id)
        if before == after:
            continue
        gone, come = _contribution(before), _contribution(after)
        for cell in gone.keys() | come.keys():
            _replace(result.setdefault(cell, Counter()), gone.get(cell, {}), come.get(cell, {}), cell.scope == TOTAL)
    return _without_zeros(result)


def _replace(target: Counter[str], gone: Mapping[str, int], come: Mapping[str, int], keep_history: bool) -> None:
    """Take `gone` out and put `come` in; what is not in both alike is noted as withdrawn, so that sums fit counts."""
    for path, amount in gone.items():
        if come.get(path) != amount:
            target[path] -= amount
            if keep_history:
                target[f"withdrawn.{path.removeprefix('kinds.')}"] += amount
    for path, amount in come.items():
        if gone.get(path) != amount:
            target[path] += amount


def _contribution(row: Row | None) -> dict[Cell, dict[str, int]]:
    """Return what a row adds to each of its documents: nothing if it does not count."""
    if row is None or not row.counted:
        return {}
    day = datetime.fromtimestamp(row.closed_at // 1000, UTC).date().isoformat()
    paths = dict(_paths(row))
    cuts = list(_cuts(row.inbox, row.channel, row.credit))
    return {Cell(scope, cut, value): paths for cut, value in cuts for scope in (TOTAL, day)}


def _cuts(inbox: str, channel: str, credit: Credit) -> Iterator[tuple[str, str]]:
    yield "all", ""
    yield "inbox", inbox
    yield "channel", channel
    for tag in credit.tags:
        yield "tag", tag
    if credit.team is not None:
        yield "team", credit.team
    if credit.agent is not None:
        yield "agent", credit.agent


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


def _without_zeros(increments: Increments) -> Increments:
    kept = {cell: Counter({p: n for p, n in paths.items() if n}) for cell, paths in increments.items()}
    return {cell: paths for cell, paths in kept.items() if paths}


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


def gauge_increments(old: ConversationMetrics | None, new: ConversationMetrics) -> Increments:
    """Return the changes of `now.<gauge>` in the totals of every cut, from one state to another."""
    result: Increments = {}
    for state, sign in ((old, -1), (new, 1)):
        marks = gauges(state)
        if state is None or not marks:
            continue
        for cut, value in _cuts(state.inbox, state.channel, state.credit):
            counter = result.setdefault(Cell(TOTAL, cut, value), Counter())
            for mark in marks:
                counter[f"now.{mark}"] += sign
    return _without_zeros(result)


def merged(parts: Iterable[Increments]) -> Increments:
    """Return the sum of several increments: what a batch writes."""
    result: Increments = {}
    for part in parts:
        for cell, paths in part.items():
            target = result.setdefault(cell, Counter())
            for path, change in paths.items():
                target[path] += change
    return _without_zeros(result)


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
