"""Ports for servers: what one process was given no other is given, also while nobody listens there."""

import subprocess
import sys

from postroom_local import ports

ASK = """
import random, sys
from postroom_local import ports
drawn = iter({drawn})
random.randrange = lambda *_: next(drawn)
print(ports.free_port())
"""


def drawn_elsewhere(*drawn: int) -> int:
    """Return the port of another process that draws these one after the other."""
    asked = subprocess.run(
        [sys.executable, "-c", ASK.format(drawn=drawn)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return int(asked.stdout)


def test_a_port_is_of_one_process_until_that_has_ended() -> None:
    given = ports.free_port()
    others = range(given - 20, given)  # some may be taken, or be those of tests that run beside this one
    other = drawn_elsewhere(given, given, *others)
    assert other in others
    assert drawn_elsewhere(other, other, given) == other, "the process that had it has ended"
