"""What the benchmark's exit status says: a target missed, something that never came, a run without an end."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import bench

GOOD: dict[str, Any] = {
    "notify": {"median_ms_over_idle": 100.0, "missing": 0},
    "webhook": {"p50_ms": 20.0, "p99_ms": 90.0, "missing": 0},
}


@pytest.fixture
def quiet_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(bench, "load", lambda: 0.0)
    monkeypatch.setattr(bench, "busy_share", lambda _seconds: 0.0)
    monkeypatch.setattr(bench, "OUTPUT", tmp_path / "bench.json")
    monkeypatch.delenv("BENCH_ONLY", raising=False)
    return tmp_path / "bench.json"


@pytest.mark.parametrize(
    ("part", "key", "value", "status"),
    [
        ("notify", "missing", 0, 0),
        ("notify", "missing", 1, 1),
        ("webhook", "missing", 3, 1),
        ("webhook", "p50_ms", 60.5, 1),
        ("notify", "median_ms_over_idle", -20.0, 0),
    ],
)
def test_what_is_missing_and_what_is_slow_fail_the_run(
    quiet_machine: Path, monkeypatch: pytest.MonkeyPatch, part: str, key: str, value: float, status: int
) -> None:
    async def measured(_only: str, _rounds: int) -> dict[str, Any]:
        return {**GOOD, part: {**GOOD[part], key: value}}

    monkeypatch.setattr(bench, "measure", measured)
    assert bench.main() == status
    assert json.loads(quiet_machine.read_text())[part][key] == value


def test_a_run_without_an_end_is_stopped_in_order_and_fails(
    quiet_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[str] = []

    async def endless(only: str, _rounds: int) -> dict[str, Any]:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(only)
        return {}

    monkeypatch.setattr(bench, "measure", endless)
    monkeypatch.setattr(bench, "LIMIT_SECONDS", 0.05)
    assert bench.main() == 1
    assert stopped == [""]
    assert not quiet_machine.exists()


def test_a_part_that_waits_in_vain_says_so_itself(quiet_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def waits(_only: str, _rounds: int) -> dict[str, Any]:
        raise TimeoutError("not done in 90 s: router 5")

    monkeypatch.setattr(bench, "measure", waits)
    with pytest.raises(TimeoutError, match="router 5"):
        bench.main()
    assert not quiet_machine.exists()
