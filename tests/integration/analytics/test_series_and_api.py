"""What others read: Prometheus series that are the same everywhere and never fall, and the REST API."""

import asyncio
import shutil
import subprocess
from collections.abc import Iterable
from typing import Any

import pytest
from postroom_contracts.events import Event

from tests.deployment import ServiceProcess
from tests.integration.analytics.conftest import Figures, Samples, ask, business, counters
from tests.integration.analytics.history import Chronicle, histories, mixed

pytestmark = pytest.mark.connected


def sample(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


async def test_counts_are_those_of_mongodb_from_each_replica_and_never_fall(figures: Figures) -> None:
    events = mixed(histories(400, seed=5))
    first = await figures.start()
    await figures.publish(events[:1000])
    await figures.settled()
    before = business(first)
    await _assert_counts_are_in_mongodb(figures, before)
    first.kill()
    first, second = await figures.start(), await figures.start()
    await figures.publish(events[1000:])
    await figures.settled()
    after = business(first)
    assert business(second) == after
    fallen = {place: (value, after.get(place)) for place, value in counters(before).items() if after[place] < value}
    assert fallen == {}
    await figures.assert_equal_to_fold()
    assert await second.stop() == 0
    assert business(first) == after


async def _assert_counts_are_in_mongodb(figures: Figures, samples: Samples) -> None:
    """Compare with rows, which are counted here; what was withdrawn again is the difference."""
    rows = figures.database["rows_1"]
    for kind in ("first_response", "next_response", "resolution", "net_resolution"):
        outcome = "answered" if "response" in kind else "resolved"
        labels = {"clock": "business", "cut": "team", "value": "care"}
        stored = await rows.count_documents({"kind": kind, "outcome": outcome, "team": "care", "counted": True})
        name = f"postroom_{kind}_seconds_count"
        totals = await figures.reads.total([("team", "care")])
        withdrawn = totals.get("withdrawn", {}).get(kind, {}).get(outcome, 0)
        assert sample(samples, name, **labels) == stored + withdrawn
        assert stored > 0, f"no {kind} to compare"
    opened = await rows.count_documents({"kind": "conversation", "outcome": "opened", "counted": True})
    withdrawn = (await figures.reads.total([("all", "")]))["withdrawn"]["conversation"].get("opened", 0)
    assert sample(samples, "postroom_conversations_total", cut="all", value="") == opened + withdrawn
    open_now = [c for c in figures.folded().states if "open" in _now(figures, c)]
    assert sample(samples, "postroom_conversations_now", state="open", cut="all", value="") == len(open_now) > 0


def _now(figures: Figures, conversation_id: str) -> Iterable[str]:
    from postroom_analytics.domain.now import gauges

    return gauges(figures.folded([e for e in figures.published if e.subject == conversation_id]).state(conversation_id))


async def test_promtool_finds_no_fault_in_the_series(figures: Figures) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.fail("promtool is not installed; it comes with Prometheus (Debian: apt-get install prometheus)")
    process = await figures.start()
    await figures.publish(mixed(histories(20, seed=6)))
    await figures.settled()
    text = process.get("/metrics")
    checked = await asyncio.to_thread(
        subprocess.run, [promtool, "check", "metrics"], check=False, input=text, capture_output=True, text=True
    )
    found = [line for line in (checked.stdout + checked.stderr).splitlines() if "postroom" in line]
    assert (checked.returncode in (0, 3), found) == (True, []), checked.stderr  # 3: remarks on Python's own series


def three_answers() -> list[Event]:
    """Three conversations: answered after 10, 20 and 30 minutes, one of them by bob, on two days; one that waits; and one
    in ann's private inbox, answered after 40 minutes.
    """
    events: list[Event] = []
    for number, (agent, minutes) in enumerate((("ann", 10), ("ann", 20), ("bob", 30))):
        one = Chronicle(f"c{number}")
        one.later(86_400 * number)
        events.append(one.customer())
        one.later(minutes * 60)
        events += [one.accepted(agent, f"r{number}"), one.sent(f"r{number}")]
    waiting, private = Chronicle("c3", "billing"), Chronicle("c4", "own")
    events += [waiting.customer(), private.customer()]
    private.later(40 * 60)
    return [*events, private.accepted("ann", "r4"), private.sent("r4")]


async def test_the_api_answers_by_cut_day_page_and_conversation(figures: Figures) -> None:
    process = await figures.start()
    await figures.publish(three_answers())
    await figures.settled()

    def mean(path: str) -> tuple[int, float | None]:
        wall = ask(process, f"/api/v1/metrics/summary{path}")[1]["first_response"]["wall"]
        return wall["count"], wall["mean"]

    assert mean("") == (3, 1200.0)
    assert mean("?cut=agent&value=ann") == (2, 900.0)
    assert mean("?cut=agent&value=ann&from=2026-03-03&to=2026-03-03") == (1, 1200.0)
    assert mean("?from=2026-03-03") == (2, 1500.0)
    assert mean("?cut=inbox&value=billing") == (0, None)
    assert mean("?cut=tag&value=support&to=2026-03-02") == (1, 600.0)

    now = {row["value"]: row for row in ask(process, "/api/v1/metrics/now?cut=inbox")[1]}
    assert now["support"] == {"cut": "inbox", "value": "support", "open": 3, "unassigned": 3, "unattended": 0}
    assert now["billing"] == {"cut": "inbox", "value": "billing", "open": 1, "unassigned": 1, "unattended": 1}
    assert ask(process, "/api/v1/metrics/now?cut=tag")[1][0]["open"] == 1
    assert ask(process, "/api/v1/metrics/now")[1] == [
        {"cut": "all", "value": "", "open": 4, "unassigned": 4, "unattended": 1}
    ]

    seen, cursor = [], ""
    for _ in range(3):
        page = ask(process, f"/api/v1/metrics/rows?kind=first_response&limit=1{cursor}")[1]
        seen += [(row["agent"], row["wall_ms"]) for row in page["rows"]]
        cursor = f"&cursor={page['next']}"
    assert page["next"] is None
    assert seen == [("bob", 1_800_000), ("ann", 1_200_000), ("ann", 600_000)]
    by_agent = ask(process, "/api/v1/metrics/rows?kind=first_response&cut=agent&value=ann")[1]["rows"]
    assert [row["conversation_id"] for row in by_agent] == ["c1", "c0"]
    row = by_agent[1]
    assert (row["closed_at"], row["calendar"], row["deadline_at"]) == (
        "2026-03-02T08:10:00.000Z",
        "office@1",
        "2026-03-02T12:00:00.000Z",
    )
    assert (row["breached"], row["breached_at"], row["definition"]) == (False, None, "metrics/1")

    found = ask(process, "/api/v1/metrics/conversations/c2")[1]
    assert (found["first_response"]["wall_seconds"], found["first_response"]["agent"]) == (1800.0, "bob")
    assert ask(process, "/api/v1/metrics/conversations/c9")[0] == 404

    # The private inbox counts only where it is named; so it is in none of the above, nor in any series.
    assert mean("?inboxes=support") == (3, 1200.0)
    assert mean("?inboxes=support,own") == (4, 1500.0)
    assert mean("?cut=inbox&value=own") == (0, None)
    assert mean("?cut=inbox&value=own&inboxes=own") == (1, 2400.0)
    assert mean("?cut=inbox&value=own&inboxes=support") == (0, None)
    assert mean("?inboxes=") == (0, None)
    assert mean("?inboxes=own&from=2026-03-02&to=2026-03-02") == (1, 2400.0)
    bounded = ask(process, "/api/v1/metrics/now?cut=inbox&inboxes=own,billing")[1]
    assert [(row["value"], row["open"]) for row in bounded] == [("billing", 1), ("own", 1)]
    assert ask(process, "/api/v1/metrics/now?inboxes=own,support")[1][0]["open"] == 4
    assert "own" not in {row["value"] for cut in ("inbox", "team", "agent") for row in _now_rows(process, cut)}

    def rows(query: str) -> list[tuple[str, str]]:
        found = ask(process, f"/api/v1/metrics/rows?kind=first_response{query}")[1]["rows"]
        return [(row["conversation_id"], row["inbox"]) for row in found]

    assert rows("&inboxes=own") == rows("&inboxes=own,support&cut=inbox&value=own") == [("c4", "own")]
    assert rows("&inboxes=support&cut=inbox&value=own") == rows("&cut=inbox&value=own") == []
    assert 'value="own"' not in process.get("/metrics")


def _now_rows(process: ServiceProcess, cut: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(process, f"/api/v1/metrics/now?cut={cut}")[1]
    return found
