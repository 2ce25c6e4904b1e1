"""The bell, put together."""

from collections.abc import Sequence
from dataclasses import dataclass

from postroom_desk.bell.feed import BellFeed
from postroom_desk.bell.ports import NotificationStore
from postroom_desk.bell.ringing import Ringer


@dataclass(frozen=True, slots=True)
class Bell:
    """People's notifications: the lists, what puts something in, and the live counts."""

    store: NotificationStore
    ringer: Ringer
    feed: BellFeed

    async def opened(self, agent_id: str, conversations: Sequence[str]) -> None:
        """This agent looks at these conversations (one, and those that it absorbed): what is about them counts as read.

        Raises InfrastructureError.
        """
        if await self.store.read(agent_id, self.ringer.clock.now(), conversations=conversations):
            self.feed.touch()
