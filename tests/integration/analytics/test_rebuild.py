"""Rebuilding from offset 0 while the world goes on."""

import asyncio

import pytest
from postroom_analytics.checks import check

from tests.integration.analytics.conftest import Figures, business, counters
from tests.integration.analytics.history import histories, mixed

pytestmark = pytest.mark.connected


async def test_a_rebuild_under_load_loses_nothing_and_no_counter_falls(figures: Figures) -> None:
    events = mixed(histories(400, seed=7))
    process = await figures.start()
    await figures.publish(events[:800])
    await figures.settled()
    before = business(process)

    rebuilding = figures.rebuild()
    communicating = asyncio.to_thread(rebuilding.communicate, timeout=120)
    out, err = await figures.publish_while(events[800:], communicating, 25)
    assert rebuilding.returncode == 0, err
    assert "in use as generation 2" in out
    await figures.assert_equal_to_fold()
    after = business(process)
    assert {place: value for place, value in counters(before).items() if after[place] < value} == {}
    assert not await figures.database["states_1"].estimated_document_count()
    # With all quiet, what is in use is what another rebuild gives.
    checking = figures.rebuild("--check")
    out, err = await asyncio.to_thread(checking.communicate, timeout=120)
    assert (checking.returncode, ", 0 figures differ, compared" in out) == (0, True), out + err
    assert await figures.database.list_collection_names(filter={"name": {"$regex": "_3$"}}) == []
    await _doctor_looks_at_the_generation_in_use(figures)


async def _doctor_looks_at_the_generation_in_use(figures: Figures) -> None:
    settings = figures.deployment.settings
    assert [(finding.well, finding.detail) for finding in await check(settings, None)] == [(True, "all there")]
    await figures.database["rows_2"].drop_index("conversation_id_1")
    (finding,) = await check(settings, None)
    assert (finding.well, finding.detail) == (False, "missing: rows_2.conversation_id_1")


@pytest.mark.parametrize(
    ("collection", "change", "named"),
    [
        pytest.param("rows_1", {"$inc": {"wall_ms": 1}}, "differs: row ", id="a-row"),
        pytest.param(
            "rollups_1", {"$inc": {"kinds.first_response.answered": 1}}, "differs: rollup total", id="a-rollup"
        ),
    ],
)
async def test_a_check_finds_a_figure_that_was_tampered_with(
    figures: Figures, collection: str, change: dict[str, dict[str, int]], named: str
) -> None:
    await figures.start()
    await figures.publish(mixed(histories(30, seed=8)))
    await figures.settled()
    query = {"kind": "first_response", "wall_ms": {"$gt": 0}} if collection == "rows_1" else {"scope": "total"}
    assert await figures.database[collection].find_one_and_update(query, change) is not None
    checking = figures.rebuild("--check")
    out, err = await asyncio.to_thread(checking.communicate, timeout=60)
    assert (checking.returncode, out.count("differs: ")) == (1, 1), out + err
    assert named in out


async def test_two_rebuilds_do_not_run_at_once(figures: Figures) -> None:
    from datetime import timedelta

    from postroom_runtime.clock import SystemClock

    until = SystemClock().now() + timedelta(seconds=60)
    await figures.database["leases"].insert_one({"_id": "rebuild", "holder": "another", "until": until, "fence": 1})
    refused = figures.rebuild()
    _, err = await asyncio.to_thread(refused.communicate, timeout=60)
    assert refused.returncode == 1
    assert "another rebuild is under way" in err
