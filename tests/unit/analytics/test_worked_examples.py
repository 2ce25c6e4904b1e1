"""The worked examples of `docs/metrics.md`, folded from files: expected values are written by hand."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import bson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from postroom_analytics.domain.cells import Cell
from postroom_analytics.domain.figures import figures
from postroom_analytics.domain.log import FoldedLog
from postroom_analytics.domain.recorded import read_log
from postroom_analytics.domain.rollup import row_increments, summarise
from postroom_contracts.configuration import ConfigurationApplied
from postroom_contracts.events import Event

DATA = Path(__file__).parents[2] / "data" / "metrics"
Record = ConfigurationApplied | Event
MINUTE, HOUR = 60, 3600


def records(name: str) -> list[Record]:
    with (DATA / f"{name}.jsonl").open(encoding="utf-8") as lines:
        return list(read_log(lines))


def pair(figure: dict[str, Any] | None) -> tuple[float, float] | None:
    return None if figure is None else (figure["wall_seconds"], figure["business_seconds"])


def brief(log: FoldedLog, conversation: str = "c1") -> dict[str, Any]:
    """Return the figures that hold something, durations as (wall, business) seconds, each response with its mark."""
    state = log.state(conversation)
    assert state is not None
    full = figures(state, log.rows_of(conversation))
    result: dict[str, Any] = {}
    for kind, value in full.items():
        if kind == "next_response":
            result[kind] = [(*(pair(v) or ()), "reopened") if v["reopened"] else pair(v) for v in value]
        elif kind in ("resolution", "net_resolution"):
            result[kind] = [pair(v) for v in value]
        elif kind.startswith(("first_", "full_", "net_")):
            result[kind] = pair(value)
        elif kind in ("unanswered", "moved"):
            result[kind] = [v["kind"] for v in value]
        elif kind == "targets":
            result[kind] = [(v["target"], v["outcome"], v["deadline_at"], v["breached_at"]) for v in value]
        elif kind in ("never_answered", "unattended", "undelivered"):
            result[kind] = value
    return {kind: value for kind, value in result.items() if value not in (None, [], False)}


def both(seconds: float) -> tuple[float, float]:
    """Where nothing is ever closed both clocks show the same."""
    return (seconds, seconds)


def minutes(value: float) -> tuple[float, float]:
    return both(value * MINUTE)


def resolved(seconds: float, net: float | None = None) -> dict[str, Any]:
    """One resolved episode and nothing after it: first, full and its own resolution are the same."""
    net = seconds if net is None else net
    return {
        "resolution": [minutes(seconds)],
        "net_resolution": [minutes(net)],
        "first_resolution": minutes(seconds),
        "net_first_resolution": minutes(net),
        "full_resolution": minutes(seconds),
        "net_full_resolution": minutes(net),
    }


EXPECTED: dict[str, dict[str, Any]] = {
    "01": {"first_response": minutes(11), "next_response": [minutes(5)], **resolved(30)},
    "02": {
        "first_response": minutes(11),
        "next_response": [minutes(5), (*minutes(5), "reopened")],
        "resolution": [minutes(30), minutes(30)],
        "net_resolution": [minutes(30), minutes(30)],
        "first_resolution": minutes(30),
        "net_first_resolution": minutes(30),
        "full_resolution": minutes(75),
        "net_full_resolution": minutes(60),
    },
    "03": {"first_response": (66 * HOUR, 2 * HOUR)},
    "04": {"first_response": (13 * HOUR + 15 * MINUTE, 15 * MINUTE)},
    "05": {"first_response": minutes(4), "first_response_handoff": minutes(2)},
    "06": {"unanswered": ["first_response"], "next_response": [(*minutes(5), "reopened")], **resolved(30)},
    "07a": {"first_response": (6 * HOUR, 5.5 * HOUR)},
    "07b": {"first_response": (8 * HOUR, 7.5 * HOUR)},
    "07c-forward": {
        "first_response": (6 * HOUR, 5.5 * HOUR),
        "targets": [("first_response", "breached", "2026-03-29T02:30:00.000Z", "2026-03-29T02:30:00.000Z")],
    },
    "07c-back": {
        "first_response": (8 * HOUR, 7.5 * HOUR),
        "targets": [("first_response", "breached", "2026-10-25T01:30:00.000Z", "2026-10-25T01:30:00.000Z")],
    },
    "07d-forward": {"first_response": (7.5 * HOUR, 4.5 * HOUR)},
    "07d-back": {"first_response": (9.5 * HOUR, 4.5 * HOUR)},
    "08": {
        "first_response": (98 * HOUR, 9 * HOUR),
        "targets": [("first_response", "breached", "2026-04-30T14:30:00.000Z", "2026-04-30T14:30:00.000Z")],
    },
    "08-met": {
        "first_response": (5 * HOUR, 4 * HOUR),
        "targets": [("first_response", "met", "2026-04-30T14:30:00.000Z", None)],
    },
    "08-breached": {
        "first_response": (5 * HOUR + 1, 4 * HOUR + 1),
        "targets": [("first_response", "breached", "2026-04-30T14:30:00.000Z", "2026-04-30T14:30:00.000Z")],
    },
    "08-end-of-day": {
        "first_response": (5.5 * HOUR, 4.5 * HOUR),
        "targets": [("first_response", "met", "2026-04-30T15:00:00.000Z", None)],
    },
    "08-lunch": {
        "first_response": (30 * MINUTE, 0),
        "targets": [("first_response", "met", "2026-04-30T15:00:00.000Z", None)],
    },
    "09a": {
        "first_response": minutes(10),
        "next_response": [minutes(5)],
        **resolved(320, net=40),
        "targets": [("resolution", "met", "2026-03-03T14:40:00.000Z", None)],
    },
    "09b": {
        "first_response": minutes(10),
        "next_response": [minutes(5), minutes(130)],
        **resolved(320, net=160),
        "targets": [("resolution", "breached", "2026-03-03T12:40:00.000Z", "2026-03-03T12:40:00.000Z")],
    },
    "09c": {"first_response": minutes(70), **resolved(90)},
    "10": {"first_response": minutes(10), "next_response": [minutes(20)], **resolved(50)},
    "11": {
        "first_response": minutes(30),
        "next_response": [(16.5 * HOUR, 30 * MINUTE, "reopened")],
        "resolution": [minutes(60), (17.25 * HOUR, 75 * MINUTE)],
        "net_resolution": [minutes(60), (17.25 * HOUR, 75 * MINUTE)],
        "first_resolution": minutes(60),
        "net_first_resolution": minutes(60),
        "full_resolution": (97 * HOUR, 33 * HOUR),
        # 60 min and 17 h 15 wall; 60 and 75 min of business: what lies between the episodes does not count.
        "net_full_resolution": (18.25 * HOUR, 135 * MINUTE),
    },
    "12": {"next_response": [minutes(20)], **resolved(50)},
    "12-no-customer": {},
    "13": {"first_response": minutes(20), "next_response": [minutes(40)]},
}


def folded(log: Iterable[Record], batch: int = 200) -> FoldedLog:
    result = FoldedLog()
    result.fold(log, batch)
    return result


def subject_of(name: str) -> str:
    return "a" if name == "10" else "c1"


@pytest.mark.parametrize("name", EXPECTED)
def test_folded_from_its_file(name: str) -> None:
    assert brief(folded(records(name)), subject_of(name)) == EXPECTED[name]


def test_every_file_has_its_expected_values() -> None:
    assert {path.stem for path in DATA.glob("*.jsonl")} == set(EXPECTED)


def test_the_source_of_a_merge_keeps_a_moved_turn_and_nothing_else() -> None:
    assert brief(folded(records("10")), "b") == {"moved": ["first_response"], "never_answered": True}


def at_most(name: str, until: str) -> list[Record]:
    return [r for r in records(name) if isinstance(r, ConfigurationApplied) or r.time.isoformat() <= until]


@pytest.mark.parametrize(
    ("until", "unattended", "volume"),
    [
        pytest.param("2026-03-03T09:25:00+00:00", 1, 2, id="two-conversations-b-waits"),
        pytest.param("2026-03-03T09:30:00+00:00", 1, 1, id="merged-a-waits-for-b"),
        pytest.param("2026-03-03T09:40:00+00:00", 0, 1, id="answered"),
    ],
)
def test_unattended_and_volume_around_a_merge(until: str, unattended: int, volume: int) -> None:
    log = folded(at_most("10", until))
    total = log.rollups[Cell("total", "all", "")]
    assert log.now()["unattended"] == unattended
    assert sum(total["kinds"]["conversation"].get(outcome, 0) for outcome in ("opened", "merged")) == volume


def test_a_late_answer_is_breached_and_in_the_mean() -> None:
    total = folded(records("08")).rollups[Cell("total", "all", "")]
    summary = summarise([total], "first_response")
    assert (summary.business.count, summary.business.mean) == (1, 9 * HOUR)
    assert summary.outcomes == {"answered": 1, "breached": 1}


def test_a_turn_closed_unanswered_is_counted_beside_the_average_and_not_in_it() -> None:
    total = folded(records("06")).rollups[Cell("total", "all", "")]
    summary = summarise([total], "first_response")
    assert (summary.wall.count, summary.wall.mean, summary.outcomes) == (0, None, {"closed_unanswered": 1})


@pytest.mark.parametrize(
    ("kind", "dates"),
    [
        ("resolution", ["2026-03-02", "2026-03-06"]),
        ("first_resolution", ["2026-03-02"]),
        ("full_resolution", ["2026-03-06"]),
    ],
)
def test_rows_are_dated_by_what_closes_them(kind: str, dates: list[str]) -> None:
    state = (log := folded(records("11"))).state("c1")
    assert state is not None
    found = figures(state, log.rows_of("c1"))[kind]
    rows = found if isinstance(found, list) else [found]
    assert [row["closed_at"][:10] for row in rows] == dates


def test_agent_started_conversation_that_nobody_answered_is_not_never_answered() -> None:
    for name in ("12", "12-no-customer"):
        state = folded(records(name)).state("c1")
        assert state is not None
        assert state.answered


# --- restatement ---------------------------------------------------------------------------------------------------


def everything(log: FoldedLog) -> dict[str, Any]:
    """Return rows and what rollups count, without what tells how the fold got there."""
    return {
        "rows": {c: {r.id: r for r in log.rows_of(c)} for c in log.states},
        "rollups": {cell.id: kept for cell, d in log.rollups.items() if (kept := pruned(without_history(d)))},
    }


def without_history(document: dict[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in document.items() if name != "withdrawn"}


def pruned(document: dict[str, Any]) -> dict[str, Any]:
    """Leave out zeros and what is empty without them."""
    kept = {k: pruned(v) if isinstance(v, dict) else v for k, v in document.items()}
    return {k: v for k, v in kept.items() if v not in (0, {})}


def doubled(log: list[Record]) -> list[Record]:
    """Everything twice, and all of it once more at the end."""
    return [record for record in log for _ in range(2)] + log


def results_last(log: list[Record]) -> list[Record]:
    """The providers' answers come after everything else."""
    return sorted(log, key=lambda r: isinstance(r, Event) and r.source == "/postroom/notifier")


def assigner_last(log: list[Record]) -> list[Record]:
    return sorted(log, key=lambda r: isinstance(r, Event) and r.source == "/postroom/assigner")


def neighbours_swapped(log: list[Record]) -> list[Record]:
    """Neighbours of one source and conversation come the wrong way round, but for the first of each."""
    result = list(log)
    for n in range(len(result) - 1):
        one, two = result[n], result[n + 1]
        if isinstance(one, Event) and isinstance(two, Event) and one.sequence is not None and one.sequence > 1:
            same = (one.source, one.subject) == (two.source, two.subject)
            if same and two.sequence == one.sequence + 1:
                result[n], result[n + 1] = two, one
    return result


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("noise", [doubled, results_last, assigner_last, neighbours_swapped])
@pytest.mark.parametrize("batch", [1, 3, 200])
def test_noise_and_the_size_of_batches_change_nothing(
    name: str, noise: Callable[[list[Record]], list[Record]], batch: int
) -> None:
    assert everything(folded(noise(records(name)), batch)) == everything(folded(records(name)))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(EXPECTED)), st.randoms(use_true_random=False), st.integers(1, 5))
def test_any_interleaving_of_the_sources_gives_the_same(name: str, random: Any, batch: int) -> None:
    log = records(name)
    waiting: dict[str, list[Record]] = {}
    for record in log:
        waiting.setdefault(record.source if isinstance(record, Event) else "", []).append(record)
    mixed: list[Record] = waiting.pop("", [])
    accepted: set[str] = set()
    while any(waiting.values()):
        source = random.choice([s for s, queue in waiting.items() if queue and possible(queue[0], accepted)])
        event = waiting[source].pop(0)
        accepted.add(getattr(event, "id", ""))
        if isinstance(event, Event) and type(event.data).__name__ == "ReplyAccepted":
            accepted.add(event.data.message_id)  # type: ignore[attr-defined]
        mixed.append(event)
        if random.random() < 0.3:
            mixed.append(random.choice(mixed))
    assert everything(folded(mixed, batch)) == everything(folded(log))


def possible(record: Record, accepted: set[str]) -> bool:
    """Nobody sends a reply before it was accepted, and nobody acts on a conversation before it exists."""
    if not isinstance(record, Event) or record.source == "/postroom/router":
        return True
    message_id = getattr(record.data, "message_id", None)
    return bool(accepted) if message_id is None else message_id in accepted


def stored_and_loaded(log: FoldedLog) -> FoldedLog:
    """Return the log after every document went through MongoDB's encoding."""

    def bson_round_trip(document: dict[str, Any]) -> dict[str, Any]:
        return bson.decode(bson.encode(document))

    return FoldedLog(
        configurations=log.configurations,
        states={key: bson_round_trip(document) for key, document in log.states.items()},
        rows={c: {key: bson_round_trip(d) for key, d in rows.items()} for c, rows in log.rows.items()},
        rollups={cell: bson_round_trip(document) for cell, document in log.rollups.items()},
    )


@pytest.mark.parametrize("name", EXPECTED)
def test_rebuilt_in_two_parts_through_stored_state(name: str) -> None:
    log = records(name)
    whole = folded(log)
    for cut in range(1, len(log)):
        first = folded(log[:cut])
        second = stored_and_loaded(first)
        second.fold(log[cut:])
        assert everything(second) == everything(whole), cut
        assert brief(second, subject_of(name)) == EXPECTED[name]


@pytest.mark.parametrize("name", EXPECTED)
def test_rollups_are_the_sum_of_the_rows(name: str) -> None:
    log = folded(neighbours_swapped(doubled(records(name))), batch=2)
    rows = {row.id: row for c in log.states for row in log.rows_of(c)}
    fresh: dict[str, Any] = {}
    for cell, increments in row_increments({}, rows).items():
        document: dict[str, Any] = fresh.setdefault(cell.id, {})
        for path, count in increments.items():
            *parents, last = path.split(".")
            place = document
            for parent in parents:
                place = place.setdefault(parent, {})
            place[last] = count
    kept = {cell.id: pruned({"kinds": d.get("kinds", {})}) for cell, d in log.rollups.items()}
    assert {key: document for key, document in kept.items() if document} == fresh
