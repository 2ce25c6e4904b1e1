"""Who is where: what consoles said in the last 15 seconds, folded. Pure: the time is given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from postroom_contracts.configuration import Configuration
from postroom_contracts.presence import AgentPresence

TTL = timedelta(seconds=15)
STALE = timedelta(seconds=60)
"""Clocks of two replicas may differ by less than this."""
MAX_CONSOLES = 20
"""Open pages of one agent that count; of more the oldest are dropped."""
OFFLINE: Mapping[str, Any] = {"state": "offline", "at": []}


@dataclass(frozen=True, slots=True)
class Said:
    """What one console said, and until when it counts."""

    presence: AgentPresence
    at: datetime
    until: datetime


@dataclass(slots=True)
class Board:
    """All that counts now, by agent and console. Single event loop.

    `version` rises with each change that somebody could see; a heartbeat that says the same is none.
    """

    version: int = 0
    _agents: dict[str, dict[str, Said]] = field(default_factory=dict)

    def take(self, presence: AgentPresence, said_at: datetime, now: datetime) -> bool:
        """Take what a console said; say whether that changes anything. What is a minute old is passed over."""
        if now - said_at > STALE:
            return False
        consoles = self._agents.setdefault(presence.agent_id, {})
        before = consoles.pop(presence.console_id, None)
        if before is not None and before.at > said_at:  # one that came late, by another replica
            consoles[presence.console_id] = before
            return False
        consoles[presence.console_id] = Said(presence, said_at, now + TTL)  # the one heard of last stands last
        while len(consoles) > MAX_CONSOLES:
            del consoles[next(iter(consoles))]
        changed = before is None or before.presence != presence
        self.version += changed
        return changed

    def expire(self, now: datetime) -> bool:
        """Forget what counts no more; say whether there was any."""
        gone = [(a, c) for a, consoles in self._agents.items() for c, said in consoles.items() if said.until <= now]
        for agent_id, console_id in gone:
            del self._agents[agent_id][console_id]
            if not self._agents[agent_id]:
                del self._agents[agent_id]
        self.version += bool(gone)
        return bool(gone)

    def agents(self) -> Mapping[str, Mapping[str, Said]]:
        return self._agents


InboxNow = Callable[[str], str | None]
"""Returns the inbox in which a conversation is now, as far as that is known here."""


def seen_by(
    board: Board, readable: frozenset[str], configuration: Configuration, inbox_now: InboxNow
) -> dict[str, dict[str, Any]]:
    """Return by agent what somebody may know who reads `readable`: `state`, and `at`: conversations with what is done there.

    A conversation of another inbox is left out, whether it was there when it was said or has moved there since. Auditors
    and who is no enabled agent are left out altogether.
    """
    shown = {}
    for agent_id, consoles in board.agents().items():
        agent = configuration.agent(agent_id)
        if agent is None or not agent.enabled or agent.role == "auditor":
            continue
        said = [s.presence for s in consoles.values()]
        at: dict[str, str] = {}
        for presence in said:
            if presence.state == "online" and _may_be_known(presence, readable, inbox_now):
                typing = "typing" in (presence.doing, at.get(presence.conversation_id or ""))
                at[presence.conversation_id or ""] = "typing" if typing else "viewing"
        shown[agent_id] = {
            "state": "online" if any(p.state == "online" for p in said) else "away",
            "at": [{"conversation_id": i, "doing": at[i]} for i in sorted(at)],
        }
    return shown


def _may_be_known(presence: AgentPresence, readable: frozenset[str], inbox_now: InboxNow) -> bool:
    if presence.conversation_id is None or presence.doing == "none" or presence.inbox_id not in readable:
        return False
    present = inbox_now(presence.conversation_id)
    return present is None or present in readable


def news(told: Mapping[str, Mapping[str, Any]], shown: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return by agent what is not as it was told; who is there no more is `offline`."""
    changed = {agent_id: what for agent_id, what in shown.items() if told.get(agent_id) != what}
    return changed | {agent_id: OFFLINE for agent_id in told if agent_id not in shown}
