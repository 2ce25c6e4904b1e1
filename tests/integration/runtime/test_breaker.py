"""A bad release stops before it has emptied its topic into dead letters."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from postroom_contracts.topics import CONVERSATION_COMMANDS
from postroom_runtime import cli_dead_letters as cli
from postroom_runtime.consumer import BatchConsumer
from prometheus_client import REGISTRY

from tests.integration.runtime.support import Bench, check_log, until, until_states
from tests.integration.runtime.toy import GROUP, note

pytestmark = pytest.mark.connected
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.mark.parametrize("one_by_one", [False, True], ids=["in one batch", "one by one"])
async def test_bad_release_stops_and_the_mended_one_handles_everything(
    bench: Bench, tmp_path: Path, one_by_one: bool
) -> None:
    mended = tmp_path / "mended"
    notes = [note(f"c{n % 80}", f"m{n}", NOW, f"bug-until:{mended}") for n in range(240)]
    expected: dict[str, list[str]] = {}
    for n in range(240):
        expected.setdefault(f"c{n % 80}", []).append(f"m{n}")
    if not one_by_one:  # all of it is there before the first poll, some 20 conversations a partition
        await bench.publish(notes)
    async with bench.member() as runtime:
        (consumer,) = runtime.consumers
        if one_by_one:
            assert all(runtime.readiness().values())
            for n in range(30):
                await runtime.publisher.publish_events(CONVERSATION_COMMANDS, [notes[n]])
                await until(lambda n=n: consumer.breaker.open or _failures(consumer) > n, f"record {n} failed")
            await runtime.publisher.publish_events(CONVERSATION_COMMANDS, notes[30:])
        await until(lambda: consumer.breaker.open, "the breaker opens")
        await until(lambda: not runtime.readiness()["consumers"], "readiness turns red")
        assert REGISTRY.get_sample_value("postroom_consumer_stopped", {"group": GROUP.name}) == 1
        await until(lambda: _all_committed(bench), "what was put aside before is committed")
        before = await bench.committed()
        await asyncio.sleep(1)
        assert await bench.committed() == before, "nothing more is committed"
    parked = len(await bench.records("toy-dlq"))
    assert parked <= (25 if one_by_one else 0)
    mended.touch()
    async with bench.member() as runtime:
        assert all(runtime.readiness().values())
        for hold in bench.holds():
            await cli.replay_key(bench.settings, GROUP.name, hold["key"])
        await until_states(bench, expected)
    check_log(await bench.effects(), expected)
    assert bench.holds() == []


async def _all_committed(bench: Bench) -> bool:
    """Say whether the commits have come up to what was parked: nothing was handled."""
    return sum((await bench.committed()).values()) == len(await bench.records("toy-dlq"))


def _failures(consumer: BatchConsumer) -> int:
    return sum(1 for _, bad in consumer.breaker.window if bad)
