"""Ports for servers: what one process was given no other is given, also while nobody listens there."""

import subprocess
import sys

from postroom_local import ports

ASK = """
import random, sys
from postroom_local import ports
drawn = iter([{given}, {given}, {other}])
random.randrange = lambda *_: next(drawn)
print(ports.free_port())
"""


def drawn_elsewhere(given: int, other: int) -> int:
    """Return the port of another process that draws `given` twice and then `other`."""
    asked = subprocess.run(
        [sys.executable, "-c", ASK.format(given=given, other=other)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return int(asked.stdout)


def test_a_port_is_of_one_process_until_that_has_ended() -> None:
    given = ports.free_port()
    other = next(port for port in range(given + 1, given + 1000) if ports.is_free(port))
    assert drawn_elsewhere(given, other) == other
    assert drawn_elsewhere(other, given) == other, "the process that had it has ended"
