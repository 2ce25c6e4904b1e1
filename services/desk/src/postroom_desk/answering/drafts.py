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


def key_of(conversation_id: str, kind: Kind) -> str:
    return derived_id("draft", conversation_id, kind)


@dataclass(frozen=True, slots=True)
class Drafts:
    store: DraftStore
    clock: Clock

    async def read(self, conversation_id: str, kind: Kind) -> Draft:
        """Return the draft; an empty one, number 0, where nobody writes."""
        found = await self.store.get(key_of(conversation_id, kind))
        return found or Draft(id=str(uuid.uuid4()), conversation_id=conversation_id, kind=kind)

    async def change(self, conversation_id: str, kind: Kind, change: Callable[[Draft], Draft]) -> Draft:
        """Apply `change` to the draft as it then stands, and return it. Raises what it raises, ConflictError."""
        for _ in range(_ATTEMPTS):
            before = await self.read(conversation_id, kind)
            after = change(before).model_copy(update={"revision": before.revision + 1})
            if await self.store.put(key_of(conversation_id, kind), after, before.revision):
                return after
        raise ConflictError("a draft is written by too many at once")

    async def done(self, draft: Draft) -> None:
        """Forget it: it was sent, or thrown away."""
        await self.store.remove(key_of(draft.conversation_id, draft.kind), draft.id)
