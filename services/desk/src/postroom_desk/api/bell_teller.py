"""Tells one live stream how many notifications its person has not read."""

from fastapi.sse import ServerSentEvent

from postroom_desk.api.guard import access_for
from postroom_desk.identity.principal import Principal
from postroom_desk.live import Subscription
from postroom_desk.parts import Parts


class BellTeller:
    """What was told, and what is new."""

    def __init__(self, parts: Parts, who: Principal, agent_id: str, subscription: Subscription) -> None:
        self._parts = parts
        self._who = who
        self._agent_id = agent_id
        self._subscription = subscription
        self._told: int | None = None
        self.end = parts.bell.feed.listen(agent_id, subscription.nudge)

    def news(self) -> ServerSentEvent | None:
        """Return what is to be told, if anything is: of the inboxes that they may read at this moment."""
        self._subscription.nudged = False
        unread = self._parts.bell.feed.known(self._agent_id, access_for(self._who, self._parts).readable)
        if unread is None or unread == self._told:
            return None
        self._told = unread
        return ServerSentEvent(event="notifications", data={"unread": unread})
