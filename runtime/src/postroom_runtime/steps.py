"""Named steps between which a process may die. Tests enumerate them from the code and kill at each.

`reach("consumer.saved")` costs one comparison in production. With `POSTROOM_KILL_AT=consumer.saved:3` the third time
that this step is reached the process kills itself with SIGKILL, as a power cut would.
"""

import os
import signal

_KILL_AT, _, _COUNT = os.environ.get("POSTROOM_KILL_AT", "").partition(":")
_remaining = int(_COUNT or "1")


def reach(step: str) -> None:
    """Mark that `step` was reached. Every literal given here must be killed at by a test (`tests/.../test_kill_steps`)."""
    global _remaining  # noqa: PLW0603 - one countdown for the whole process, only under test
    if step != _KILL_AT:
        return
    _remaining -= 1
    if _remaining <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
