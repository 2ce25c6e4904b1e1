"""Child processes that end with us, are waited for with a deadline, and whose log is at hand when they fail."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from postroom_local.errors import StartFailedError

POLL_SECONDS = 0.05
_LOG_TAIL_LINES = 15
# Linux <sys/prctl.h>.
_PR_SET_PDEATHSIG = 1
# Asks the kernel for SIGKILL at the death of the parent, then becomes the program, with the same pid. A separate
# interpreter (about 15 ms) rather than `preexec_fn`, which may deadlock in a process with threads.
_GUARD = f"""
import ctypes, os, sys
ctypes.CDLL(None).prctl({_PR_SET_PDEATHSIG}, {int(signal.SIGKILL)}, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    os._exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""
# The kernel sends that signal when the *thread* that started the child ends, so one thread which lives as long as
# the process starts them all.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="postroom-local-starter")


class ManagedProcess:
    """One running child in a process group of its own, so that a Ctrl-C reaches it through us, in our order."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log_path: Path) -> None:
        self.name = name
        self.log_path = log_path
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def stop(self, deadline_seconds: float = 20.0) -> bool:
        """End the child by SIGTERM, after the deadline by SIGKILL; True when SIGTERM was enough. May be repeated."""
        self._signal(signal.SIGTERM, group=False)
        try:
            self._process.wait(deadline_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        self._signal(signal.SIGKILL, group=True)  # what it may have left behind
        return True

    def kill(self) -> None:
        """End the child and all it started by SIGKILL, now; returns when the child is gone. May be repeated."""
        self._signal(signal.SIGKILL, group=True)
        self._process.wait(10.0)

    def wait_ready(self, is_ready: Callable[[], bool], deadline_seconds: float, advice: str) -> None:
        """Return when `is_ready()` does; it must not block for long and returns False while nobody answers.

        Raises StartFailedError (after ending the child), with the end of the log and `advice`, when the child ends
        before or the deadline passes.
        """
        give_up_at = time.monotonic() + deadline_seconds
        while not is_ready():
            if not self.running:
                raise self._failure(f"ended with exit status {self._process.returncode}", advice)
            if time.monotonic() > give_up_at:
                self.kill()
                raise self._failure(f"did not answer within {deadline_seconds:g} s", advice)
            time.sleep(POLL_SECONDS)

    def log_tail(self, lines: int = _LOG_TAIL_LINES) -> str:
        """Return the last lines of the child's output, empty when there is none."""
        try:
            text = self.log_path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def _failure(self, what: str, advice: str) -> StartFailedError:
        tail = self.log_tail() or "(its log is empty)"
        return StartFailedError(f"{self.name} {what}. {advice}\nThe end of its log, {self.log_path}:\n{tail}")

    def _signal(self, number: signal.Signals, *, group: bool) -> None:
        """Signal the child, or its whole process group, if it is still there."""
        if not group and self._process.poll() is not None:
            return  # its pid may already belong to somebody else; a group id does not while a member lives
        with suppress(ProcessLookupError, PermissionError):
            (os.killpg if group else os.kill)(self.pid, number)


def spawn(
    name: str,
    command: Sequence[str],
    log_path: Path,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> ManagedProcess:
    """Start `command` (an absolute program path and its arguments), its output appended to `log_path`.

    It is killed by the kernel when this process dies in whatever way. `env` is added to our environment.
    """
    log_path.parent.mkdir(parents=True, exist_ok=True)
    guarded = [sys.executable, "-I", "-S", "-c", _GUARD, str(os.getpid()), *command]
    with log_path.open("ab") as log:
        process = _starter.submit(
            subprocess.Popen,
            guarded,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            start_new_session=True,
        ).result()
    return ManagedProcess(name, process, log_path)
