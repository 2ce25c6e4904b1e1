"""kill -9 at every named step: after the restart each record has had its effect once, in order, without a gap."""

import ast
import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from postroom_runtime import cli_dead_letters as cli

from tests.groups import bury
from tests.integration.runtime.support import ROOT, Bench, check_log, until, until_states
from tests.integration.runtime.test_bad_records import encoded
from tests.integration.runtime.test_holds import until_parked
from tests.integration.runtime.test_rebalance import spread
from tests.integration.runtime.toy import GROUP, note
from tests.kill_steps import COVERED

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def steps_in(folder: Path) -> set[str]:
    """Return every literal that is given to `reach` under `folder`; one that is no literal is an error."""
    found: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "reach":
                (argument,) = node.args
                assert isinstance(argument, ast.Constant), f"{path}:{node.lineno}: a step is named by a literal"
                assert isinstance(argument.value, str)
                found.add(argument.value)
    return found


RUNTIME_STEPS = steps_in(ROOT / "runtime" / "src")
SERVICE_STEPS = steps_in(ROOT / "services")


async def plain(bench: Bench, step: str) -> None:
    """Several batches; the process dies in the third, or after the first commit, with others done behind it."""
    bench.settings = bench.settings.model_copy(update={"max_records": 20})
    notes, expected = spread(120, 6)
    await bench.publish(notes)
    times = 1 if step == "consumer.committed" else 3  # one commit is of several batches
    assert await bench.start(kill_at=f"{step}:{times}").until_dead() == -9
    await bury(bench.settings, bench.groups)
    async with bench.member():
        await until_states(bench, expected)
        await until(lambda: _all_told(bench, len(notes)), "what was saved and not yet published follows")
    check_log(await bench.effects(), expected)
    assert await bench.records("toy-dlq") == []


async def _all_told(bench: Bench, count: int) -> bool:
    """Say whether so many facts stand on the log; repeats do not count, and may well come before the last one."""
    return len({dict(record.headers)["ce_id"] for record in await bench.effects()}) == count


async def faulty(bench: Bench, step: str) -> None:
    """One batch with all that can go wrong in it."""
    mended = bench.processes_dir / "mended"
    records = [
        encoded(note("c1", "m0", NOW)),
        encoded(note("c1", "bad", NOW)) | {"value": b"{"},
        encoded(note("c2", "n0", NOW)),
        encoded(note("c1", "never", NOW, "permanent")),
        encoded(note("c1", "m1", NOW, f"bug-until:{mended}")),
        encoded(note("c1", "m2", NOW)),
        encoded(note("c2", "n1", NOW)),
        encoded(note("c1", "m3", NOW)),
    ]
    async with bench.producer() as producer:
        for record in records:
            await producer.send_and_wait(bench.commands, **record, partition=0)
    assert await bench.start(kill_at=step).until_dead() == -9
    await bury(bench.settings, bench.groups)
    expected = {"c1": ["m0", "m1", "m2", "m3"], "c2": ["n0", "n1"]}
    async with bench.member():
        await until(lambda: _settled(bench), "all are handled or parked")
        mended.touch()
        await cli.replay_key(bench.settings, GROUP.name, "c1")
        await until_states(bench, expected)
    check_log(await bench.effects(), expected)
    letters = await cli.load_letters(bench.settings, GROUP.name)
    assert [letter.origin_offset for letter in letters if letter.reason == "permanent"] == [1, 3]
    assert bench.holds() == []


async def _settled(bench: Bench) -> bool:
    return max((await bench.committed()).values(), default=0) == 8


async def replayed(bench: Bench, step: str) -> None:
    """A process that dies during the replay of a key."""
    mended = bench.processes_dir / "mended"
    await bench.publish([note("c1", "m0", NOW, f"bug-until:{mended}"), note("c1", "m1", NOW), note("c2", "n0", NOW)])
    async with bench.member():
        await until_parked(bench, 2)
    mended.touch()
    dying = await bench.start(kill_at=step).until_ready()
    replay = asyncio.create_task(cli.replay_key(bench.settings, GROUP.name, "c1"))
    try:
        assert await dying.until_dead() == -9
        await bury(bench.settings, bench.groups)
        async with bench.member():
            await replay
            await bench.publish([note("c1", "m2", NOW)])
            expected = {"c1": ["m0", "m1", "m2"], "c2": ["n0"]}
            await until_states(bench, expected)
    finally:
        replay.cancel()
        with suppress(asyncio.CancelledError):
            await replay
    check_log(await bench.effects(), expected)
    assert bench.holds() == []


SCENARIOS: dict[str, Callable[[Bench, str], Awaitable[None]]] = {
    "fold.loaded": plain,
    "fold.decided": plain,
    "fold.before_saved": plain,
    "fold.saved": plain,
    "fold.after_saved": plain,
    "fold.published": plain,
    "consumer.handled": plain,
    "consumer.committed": plain,
    "batch.unreadable_parked": faulty,
    "batch.permanent_parked": faulty,
    "batch.held": faulty,
    "batch.parked": faulty,
    "batch.parked_behind": faulty,
    "batch.marker_handled": replayed,
}
"""What the process is doing when it dies at a step of the runtime."""


def test_every_step_of_the_runtime_has_a_scenario() -> None:
    assert set(SCENARIOS) == RUNTIME_STEPS


def test_every_step_of_a_service_is_killed_at_by_a_test_that_exists() -> None:
    assert set(COVERED) == SERVICE_STEPS
    for step, test in COVERED.items():
        name, _, function = test.partition("::")
        path = ROOT / name
        assert path.exists(), f"{step}: {name} does not exist"
        source = path.read_text()
        assert f"def {function}(" in source, f"{step}: {test} does not exist"
        finds_them = "reach\\(" in source
        assert f'"{step}' in source or finds_them, f"{step}: {test} does not kill there"


@pytest.mark.connected
@pytest.mark.parametrize("step", sorted(SCENARIOS))
async def test_killed_at(bench: Bench, step: str) -> None:
    await SCENARIOS[step](bench, step)
