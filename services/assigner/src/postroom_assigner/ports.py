"""What the assigner needs of the world."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from postroom_contracts.ids import digest


def slot_key(conversation_id: str, epoch: int) -> str:
    """Return the name of a slot that is taken for a conversation's owner at `epoch`; the same for a repeat."""
    return f"{digest(conversation_id)[:24]}-{epoch}"


class Reserved(NamedTuple):
    """A slot that was taken and is not known to be used: its owner's write may be on its way, or be lost."""

    conversation_id: str
    epoch: int
    taken_at: datetime


@dataclass(slots=True)
class Load:
    """What is stored of one agent. `count`: slots in use or reserved. `generation` rises with each correction."""

    count: int = 0
    last_assigned: int = 0
    generation: int = 0
    reserved: dict[str, Reserved] = field(default_factory=dict)


@dataclass(slots=True)
class Take:
    """Slots to take of one agent: all or none. `moves`: a slot reserved before under another key, which is not new."""

    capacity: int | None
    last_assigned: int = 0
    new: dict[str, Reserved] = field(default_factory=dict)
    moves: dict[str, tuple[str, Reserved]] = field(default_factory=dict)
    """Old key -> (new key, slot)."""
    confirmed: list[str] = field(default_factory=list)
    """Reservations whose owners are saved: they need not be kept."""


@dataclass(slots=True)
class Release:
    """Slots to free of one agent: `count` of saved owners, counted under `generation`, and reservations by key."""

    generation: int
    count: int = 0
    reserved: list[str] = field(default_factory=list)


class AgentLoads(Protocol):
    """How many conversations each agent holds, exact over all replicas or too high, never too low."""

    async def load(self, agent_ids: Iterable[str]) -> dict[str, Load]:
        """Return a load for each agent; an empty one for who never had anything. One query."""
        ...

    async def take(self, takes: Mapping[str, Take]) -> None:
        """Take slots, in one round trip. Raises ConflictError when an agent has not that many left, or when one of the
        keys is reserved already; other agents' slots may have been taken then.
        """
        ...

    async def give_back(self, releases: Mapping[str, Release]) -> None:
        """Free slots whose owners are saved without them. One whose generation has passed is free already."""
        ...


@dataclass(frozen=True, slots=True)
class WaitingConversation:
    """A conversation in a queue, or whose owner is gone, as the drain proposes it."""

    conversation_id: str
    epoch: int
    attempt: int


@dataclass(frozen=True, slots=True)
class QueueLength:
    """How many wait for a team, and since when the oldest does."""

    count: int
    oldest_since: datetime


class WaitingQueue(Protocol):
    """What waits for an owner."""

    async def lengths(self) -> dict[str, QueueLength]:
        """Return team id to its queue, of teams for which somebody waits; an empty id: no team."""
        ...

    async def first(
        self,
        team_id: str,
        limit: int,
        not_released_by: str | None,
        not_in: Sequence[str] = (),
        besides: AbstractSet[str] = frozenset(),
    ) -> Sequence[WaitingConversation]:
        """Return the first `limit` by priority, then age.

        Left out are those that `not_released_by` put back, those of the inboxes `not_in`, and the conversations `besides`.
        """
        ...

    async def owned_by_others_than(
        self, agent_ids: Sequence[str], limit: int, besides: AbstractSet[str] = frozenset()
    ) -> Sequence[WaitingConversation]:
        """Return conversations, but for `besides`, whose slot is of somebody who is not among `agent_ids`."""
        ...
