"""Drafts on the server: changed one at a time over the revision that was read."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from postroom_contracts.ids import derived_id
from postroom_runtime.clock import Clock
from postroom_runtime.errors import ConflictError

from postroom_desk.domain.draft import Draft, Kind

_ATTEMPTS = 5


class DraftStore(Protocol):
    """Keeps drafts by key, each write only over the revision that it was made from."""

    async def get(self, key: str) -> Draft | None: ...

    async def put(self, key: str, draft: Draft, over: int) -> bool:
        """Store over that revision, 0: there is none yet. False: somebody else wrote."""
        ...

    async def remove(self, key: str, draft_id: str) -> None:
        """Remove this draft, not one that was begun after it."""
        ...

    async def of(self, agent_id: str, limit: int) -> list[Draft]:
        """Return the drafts that this person finds among theirs, the last written first."""
        ...


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a draft lies: the reply of a conversation, one person's note in it, or what one begins (`start`).

    `conversation_id` of a `start` is the id by which its draft is asked for: there is no conversation yet.
    """

    conversation_id: str
    kind: Kind
    agent_id: str | None = None
    """Of a note: whose it is."""

    @property
    def key(self) -> str:
        return key_of(self.conversation_id, self.kind, self.agent_id)


def key_of(conversation_id: str, kind: Kind, agent_id: str | None = None) -> str:
    return derived_id("draft", conversation_id, kind, *([agent_id] if agent_id else []))


def seat_of(draft: Draft) -> Seat:
    return Seat(draft.conversation_id, draft.kind, draft.people[0] if draft.kind == "note" and draft.people else None)


@dataclass(frozen=True, slots=True)
class Drafts:
    store: DraftStore
    clock: Clock

    async def read(self, seat: Seat) -> Draft:
        """Return the draft; an empty one, number 0, where nobody writes."""
        found = await self.store.get(seat.key)
        people = [seat.agent_id] if seat.agent_id else []
        return found or Draft(id=str(uuid.uuid4()), conversation_id=seat.conversation_id, kind=seat.kind, people=people)

    async def change(self, seat: Seat, change: Callable[[Draft], Draft]) -> Draft:
        """Apply `change` to the draft as it then stands, and return it. Raises what it raises, ConflictError."""
        for _ in range(_ATTEMPTS):
            before = await self.read(seat)
            after = change(before).model_copy(update={"revision": before.revision + 1})
            if await self.store.put(seat.key, after, before.revision):
                return after
        raise ConflictError("a draft is written by too many at once")

    async def done(self, draft: Draft) -> None:
        """Forget it: it was sent, or thrown away."""
        await self.store.remove(seat_of(draft).key, draft.id)
