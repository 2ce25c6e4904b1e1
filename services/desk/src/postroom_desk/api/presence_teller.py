"""Tells one live stream who is where, as far as its person may know."""

from collections.abc import Mapping
from typing import Any

from fastapi.sse import ServerSentEvent
from postroom_contracts.configuration import Configuration

from postroom_desk.api import shown
from postroom_desk.api.guard import access_for
from postroom_desk.domain.access import Access
from postroom_desk.domain.presence import news
from postroom_desk.identity.principal import Principal
from postroom_desk.live import Subscription
from postroom_desk.parts import Parts


class PresenceTeller:
    """What was told, and what is new."""

    def __init__(self, parts: Parts, who: Principal, subscription: Subscription) -> None:
        self._parts = parts
        self._who = who
        self._subscription = subscription
        self._told: Mapping[str, Mapping[str, Any]] | None = None
        self._version = -1
        self._configuration: Configuration | None = None
        self._access: Access | None = None
        self.end = parts.presence.listen(subscription.nudge)

    def news(self) -> ServerSentEvent | None:
        """Return what is to be told, if anything is: the first time all of it, then what has changed."""
        self._subscription.nudged = False
        board, configuration = self._parts.presence.board, self._parts.reader.configuration
        if board.version == self._version and configuration is self._configuration:
            return None
        self._version = board.version
        found = self._parts.presence.seen_by(self._present().readable, configuration)
        changed = found if self._told is None else news(self._told, found)
        whole, self._told = self._told is None, found
        if not changed and not whole:
            return None
        return ServerSentEvent(event="presence", data=as_shown(changed, self._parts, whole=whole))

    def _present(self) -> Access:
        """Return what their person may do now; computed anew when the configuration is another."""
        configuration = self._parts.reader.configuration
        if self._access is None or configuration is not self._configuration:
            self._configuration, self._access = configuration, access_for(self._who, self._parts)
        return self._access


def as_shown(agents: Mapping[str, Mapping[str, Any]], parts: Parts, *, whole: bool) -> dict[str, Any]:
    configuration = parts.reader.configuration
    people = [
        {"agent_id": agent_id, "name": shown.agent_name(configuration, agent_id), **what}
        for agent_id, what in sorted(agents.items())
    ]
    return {"whole": whole, "agents": people}
