"""Where notifications are kept, and who puts them there."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from postroom_desk.domain.notifications import Notification

Counts = Mapping[str, Mapping[str, int]]
"""Unread notifications: agent -> inbox -> how many. Whoever has none is absent."""


class NotificationStore(Protocol):
    """People's lists. Every call may be repeated; InfrastructureError when MongoDB does not answer."""

    async def add(self, notifications: Sequence[Notification]) -> None:
        """Put them into their lists; one that is there, read or not, stays as it is."""
        ...

    async def move(self, conversation_id: str, inbox_id: str) -> None:
        """Have what is about a conversation count as of another inbox: whose readers may see it from now on."""
        ...

    async def listed(
        self,
        agent_id: str,
        readable: frozenset[str],
        limit: int,
        *,
        before: tuple[datetime, str] | None = None,
        unread: bool = False,
    ) -> list[Notification]:
        """Return at most `limit` of readable inboxes, the newest first; `before`: older than this time and id."""
        ...

    async def unread(self, agents: Iterable[str]) -> Counts:
        """Count what these have not read, by inbox."""
        ...

    async def read(
        self,
        agent_id: str,
        at: datetime,
        *,
        ids: Sequence[str] | None = None,
        conversations: Sequence[str] | None = None,
        until: datetime | None = None,
    ) -> int:
        """Mark as read: these, those about conversations, or all up to `until`. Return how many were not before."""
        ...

    async def trim(self, agent_id: str, most: int) -> None:
        """Forget all of a list but its newest `most`."""
        ...
