"""Free loopback ports for the embedded servers."""

from __future__ import annotations

import errno
import random
import socket
from pathlib import Path

from postroom_local.errors import PortTakenError

LOOPBACK = "127.0.0.1"
_EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_FIRST_PORT = 15000
_ATTEMPTS = 200
_handed_out: dict[int, socket.socket | None] = {}
"""Each with what tells other processes that it is ours, also while its server is stopped; the end of this process lets it go."""


def free_port() -> int:
    """Return a loopback TCP port on which nobody listens, a different one on each call of all processes that ask here.

    It lies below the ephemeral range: a client that reconnects in a loop to a killed server's ephemeral port can be
    given that very port as its own end, connects to itself, and the server cannot come back.
    """
    below = _first_ephemeral_port()
    for _ in range(_ATTEMPTS):
        port = random.randrange(_FIRST_PORT, below)
        if port not in _handed_out and is_free(port) and _reserve(port):
            return port
    raise PortTakenError(f"no free port found between {_FIRST_PORT} and {below}; stop servers that are not needed")


def _reserve(port: int) -> bool:
    """Return whether no other process has it: a server that starts slowly, or was killed to be started again, listens on none."""
    mark = socket.socket(socket.AF_UNIX)
    try:
        mark.bind(f"\0postroom-port-{port}")
    except OSError as error:
        mark.close()
        if error.errno == errno.EADDRINUSE:
            return False
        _handed_out[port] = None  # a system without such names: it is free at least
        return True
    _handed_out[port] = mark
    return True


def is_free(port: int) -> bool:
    """Return whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        # As servers do: a port with connections in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def require_free(port: int, server: str, setting: str) -> None:
    """Raise PortTakenError, naming `server` and the setting that chooses another port, when the port is taken."""
    if not is_free(port):
        raise PortTakenError(
            f"port {port} of {server} is taken by another program; stop it (`ss -ltnp 'sport = :{port}'` names it) "
            f"or choose another port by {setting}"
        )


def _first_ephemeral_port() -> int:
    try:
        first = int(_EPHEMERAL_RANGE.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return 32768  # Linux' default
    return first if first > _FIRST_PORT + 1000 else 32768
