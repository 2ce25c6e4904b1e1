"""The counts of unread notifications, live, of those who look."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from postroom_desk.bell.ports import Counts, NotificationStore
from postroom_desk.counting import LiveCount
from postroom_desk.live import Broadcaster
from postroom_desk.reading import Reader

TICK_SECONDS = 3.0
_NONE: Mapping[str, int] = {}


@dataclass(slots=True)
class BellFeed:
    """Counts for one process. Streams wait with `listen`; pages read `unread`."""

    store: NotificationStore
    reader: Reader
    live: Broadcaster
    counting: LiveCount[Counts] = field(init=False)
    """Of those who look; of whoever has begun to a moment ago not yet."""
    _agents: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.counting = LiveCount(self._count, self.reader, self.live, TICK_SECONDS)

    async def unread(self, agent_id: str, readable: frozenset[str]) -> int:
        """Return how many notifications this agent has not read, of these inboxes. Raises InfrastructureError."""
        return _sum((await self.store.unread([agent_id])).get(agent_id, _NONE), readable)

    def known(self, agent_id: str, readable: frozenset[str]) -> int | None:
        """Return it as it was last counted for the streams; None: not yet."""
        counts = (self.counting.latest or {}).get(agent_id)
        return None if counts is None else _sum(counts, readable)

    def touch(self) -> None:
        """Say that a count may have changed."""
        self.counting.touch()

    def listen(self, agent_id: str, listener: Callable[[], None]) -> Callable[[], None]:
        """Have this agent counted, and `listener` called when a count has changed; returns how to end that."""
        end = self.counting.listen(lambda _: listener())
        self._agents[agent_id] += 1
        listener()
        self.touch()

        def end_all() -> None:
            end()
            self._agents[agent_id] -= 1
            self._agents += Counter()  # forgets whoever looks no more

        return end_all

    async def _count(self) -> Counts:
        agents = list(self._agents)
        found = await self.store.unread(agents)
        return {agent_id: found.get(agent_id, _NONE) for agent_id in agents}


def _sum(counts: Mapping[str, int], readable: frozenset[str]) -> int:
    return sum(n for inbox_id, n in counts.items() if inbox_id in readable)
