"""The double of people's notification lists; it passes the tests of the real ones (tests/integration/desk/test_bell.py)."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from postroom_desk.bell.ports import Counts
from postroom_desk.domain.notifications import Notification


class InMemoryNotifications:
    """Port NotificationStore."""

    def __init__(self) -> None:
        self.kept: dict[str, Notification] = {}

    def _of(self, agent_id: str) -> list[Notification]:
        mine = (n for n in self.kept.values() if n.agent_id == agent_id)
        return sorted(mine, key=lambda n: (n.at, n.id), reverse=True)

    async def add(self, notifications: Sequence[Notification]) -> None:
        for notification in notifications:
            self.kept.setdefault(notification.id, notification)

    async def move(self, conversation_id: str, inbox_id: str) -> None:
        for n in list(self.kept.values()):
            if n.conversation_id == conversation_id:
                self.kept[n.id] = n.model_copy(update={"inbox_id": inbox_id})

    async def listed(
        self,
        agent_id: str,
        readable: frozenset[str],
        limit: int,
        *,
        before: tuple[datetime, str] | None = None,
        unread: bool = False,
    ) -> list[Notification]:
        found = [n for n in self._of(agent_id) if n.inbox_id in readable and (before is None or (n.at, n.id) < before)]
        return [n for n in found if not (unread and n.read_at)][:limit]

    async def unread(self, agents: Iterable[str]) -> Counts:
        found: dict[str, dict[str, int]] = {}
        wanted = set(agents)
        for n in self.kept.values():
            if n.agent_id in wanted and n.read_at is None:
                counts = found.setdefault(n.agent_id, {})
                counts[n.inbox_id] = counts.get(n.inbox_id, 0) + 1
        return found

    async def read(
        self,
        agent_id: str,
        at: datetime,
        *,
        ids: Sequence[str] | None = None,
        conversations: Sequence[str] | None = None,
        until: datetime | None = None,
    ) -> int:
        found = [
            n
            for n in self._of(agent_id)
            if n.read_at is None
            and (ids is None or n.id in ids)
            and (conversations is None or n.conversation_id in conversations)
            and (until is None or n.at <= until)
        ]
        self.kept |= {n.id: n.model_copy(update={"read_at": at}) for n in found}
        return len(found)

    async def trim(self, agent_id: str, most: int) -> None:
        for n in self._of(agent_id)[most:]:
            del self.kept[n.id]
