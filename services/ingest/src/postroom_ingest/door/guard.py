"""What the door takes at once: connections and bytes. All of one process, none of it waits."""

from collections import Counter

from postroom_ingest.domain.envelope import in_networks
from postroom_ingest.door.settings import DoorSettings
from postroom_ingest.metrics import DOOR_BYTES, DOOR_CONNECTIONS

OUTSIDE = "554 5.7.1 this host may not hand mail to us"
CROWDED = "421 4.7.0 too many connections, come again"


class Guard:
    """Counts. What is taken here has to be given back, by whoever took it."""

    def __init__(self, settings: DoorSettings) -> None:
        self._settings = settings
        self._networks = settings.network_list
        self._hosts: Counter[str] = Counter()
        self._bytes = 0

    def enter(self, host: str) -> str | None:
        """Count a connection of `host` in; return the answer with which it is turned away instead, if so."""
        if not in_networks(host, self._networks):
            return OUTSIDE
        if self._hosts.total() >= self._settings.connections:
            return CROWDED
        if self._hosts[host] >= self._settings.connections_per_host:
            return CROWDED
        self._hosts[host] += 1
        DOOR_CONNECTIONS.set(self._hosts.total())
        return None

    def leave(self, host: str) -> None:
        self._hosts[host] -= 1
        if not self._hosts[host]:
            del self._hosts[host]
        DOOR_CONNECTIONS.set(self._hosts.total())

    def has_room(self, size: int) -> bool:
        return self._bytes + size <= self._settings.in_flight_bytes

    def take(self, size: int) -> bool:
        """Count `size` bytes in if there is room for them; say whether there was."""
        if not self.has_room(size):
            return False
        self._bytes += size
        DOOR_BYTES.set(self._bytes)
        return True

    def give_back(self, size: int) -> None:
        self._bytes -= size
        DOOR_BYTES.set(self._bytes)
