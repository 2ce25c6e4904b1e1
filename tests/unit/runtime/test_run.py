"""`postroom run` with several names: who ended is started again, with growing pauses, and nobody waits for that."""

import signal
import subprocess
import sys
from collections.abc import Callable

import pytest
from postroom_runtime import cli_run
from postroom_runtime.cli import build
from typer.testing import CliRunner


class Ended:
    """A process that is as the test says."""

    def __init__(self) -> None:
        self.returncode: int | None = None

    def poll(self) -> int | None:
        return self.returncode


@pytest.fixture
def time_is(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    now = [0.0]
    monkeypatch.setattr(cli_run, "monotonic", lambda: now[0])
    monkeypatch.setattr(cli_run, "_start", lambda _name: Ended())

    def set_to(seconds: float) -> None:
        now[0] = seconds

    return set_to


def test_pauses_double_up_to_thirty_seconds_and_begin_anew_after_a_good_minute(
    time_is: Callable[[float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    child, at = cli_run._Child.start("router"), 0.0
    for pause in (1, 2, 4, 8, 16, 30, 30):
        process = child.process
        process.returncode = 1
        assert child.look(restart=True)
        time_is(at + pause - 0.01)
        assert child.look(restart=True)
        assert child.process is process
        at += pause
        time_is(at)
        assert child.look(restart=True)
        assert child.process is not process
    time_is(at + 61)
    child.process.returncode = -9
    child.look(restart=True)
    assert capsys.readouterr().err.splitlines()[-1] == "router ended with -9, started again in 1 s"


def test_without_restart_one_that_ends_ends_all(time_is: Callable[[float], None]) -> None:
    child = cli_run._Child.start("router")
    assert child.look(restart=False)
    child.process.returncode = 0
    assert not child.look(restart=False)


@pytest.mark.parametrize(
    ("programs", "expected", "code"),
    [
        pytest.param(["import time; time.sleep(60)"] * 2, True, 0, id="all told to stop"),
        pytest.param(["import time; time.sleep(60)", "pass"], True, 0, id="one in its pause when told to stop"),
        pytest.param(["import time; time.sleep(60)", "pass"], False, 1, id="one ended by itself"),
        pytest.param(
            ["import signal, sys, time; signal.signal(15, lambda *_: sys.exit(3)); print(flush=True); time.sleep(60)"],
            True,
            1,
            id="one failed while stopping",
        ),
    ],
)
def test_exit_code(programs: list[str], expected: bool, code: int) -> None:
    children = [subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE) for text in programs]
    for child, text in zip(children, programs, strict=True):
        assert child.stdout is not None
        if "print" in text:
            child.stdout.readline()
        if text == "pass":
            child.wait(60)
    assert cli_run._stop_children(children, expected=expected, seconds=60) == code
    assert all(child.poll() is not None for child in children)
    for child in children:
        assert child.stdout is not None
        child.stdout.close()


STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(60)"
TWO = f"""
import subprocess, sys
from postroom_runtime import cli_run
cli_run._start = lambda _name: subprocess.Popen([sys.executable, "-c", {STUBBORN!r}])
stop_children = cli_run._stop_children
def told(*children, **options):
    print("stopping", flush=True)
    return stop_children(*children, **options)
cli_run._stop_children = told
sys.exit(cli_run._run_children(["a", "b"], restart=True))
"""


def test_children_have_as_long_as_a_service_takes_to_drain_and_close(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli_run._stop_seconds() == 20 + 80
    monkeypatch.setenv("POSTROOM_GRACEFUL_TIMEOUT_SECONDS", "240")
    assert cli_run._stop_seconds() == 240 + 80
    child = subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    assert cli_run._stop_children([child], expected=True, seconds=0.2) == 1
    assert child.returncode == -signal.SIGKILL
    child.stdout.close()


def test_the_second_signal_ends_children_at_once() -> None:
    parent = subprocess.Popen([sys.executable, "-c", TWO], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert [parent.stdout.readline() for _ in range(2)] == [b"\n", b"\n"]
    parent.terminate()
    assert parent.stdout.readline() == b"stopping\n"  # two signals at once would be one
    with pytest.raises(subprocess.TimeoutExpired):
        parent.wait(0.2)
    parent.terminate()
    assert parent.wait(60) == 1
    parent.stdout.close()


@pytest.mark.parametrize(
    ("arguments", "environment", "says"),
    [
        (["run", "rooter"], {}, "no service rooter; installed: analytics, assigner, desk, ingest, notifier, router"),
        (["run", "router", "desk"], {"POSTROOM_HTTP_PORT": "8080"}, "each then takes a free one"),
    ],
)
def test_what_cannot_run_is_named(arguments: list[str], environment: dict[str, str], says: str) -> None:
    result = CliRunner().invoke(build(), arguments, env=environment)
    assert result.exit_code == 2
    assert says in " ".join(result.stderr.split())
