"""What somebody writes in a conversation that is merged into another one goes there with it: where it was nobody can go on.

It comes when it is asked for in the conversation that goes on, unless something is being written there or a colleague has it.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

from postroom_desk.answering.drafts import Seat
from postroom_desk.api import drafting
from postroom_desk.domain import draft as d
from postroom_desk.parts import Parts

MOST = 50
"""Merged conversations that are looked at; who merges more had something else in mind."""


async def read(parts: Parts, seat: Seat, agent_id: str) -> d.Draft:
    """Return the draft at this seat; when there is none the newest of what was merged into its conversation, moved here."""
    drafts = parts.writing.drafts
    there = await drafting.settled(parts, await drafts.read(seat))
    if there.number:
        return there
    left = [x async for x in _left_behind(parts, seat) if _may_move(parts, x, agent_id)]
    if not left:
        return there
    newest = max(left, key=lambda x: x.saved_at.timestamp() if x.saved_at else 0.0)
    unseen: dict[str, Any] = {"seen": "", "refused": None}  # its writer saw nothing of this one
    moved = newest.model_copy(update={"conversation_id": seat.conversation_id, "revision": 1, **unseen})
    if await drafts.store.put(seat.key, moved, 0):
        await drafts.store.remove(replace(seat, conversation_id=newest.conversation_id).key, newest.id)
        parts.folders.touch()
    return await drafts.read(seat)


def _may_move(parts: Parts, draft: d.Draft, agent_id: str) -> bool:
    now = parts.clock.now()
    return not draft.written.is_empty and draft.state != "sending" and not draft.held_by_other(agent_id, now)


async def _left_behind(parts: Parts, seat: Seat) -> AsyncIterator[d.Draft]:
    """Yield the drafts at this seat of all that was merged into its conversation, at whatever distance."""
    looked: set[str] = {seat.conversation_id}
    sources = await _absorbed(parts, [seat.conversation_id])
    while sources and len(looked) <= MOST:
        for source in sources:
            found = await parts.writing.drafts.store.get(replace(seat, conversation_id=source).key)
            if found is not None:
                yield await drafting.settled(parts, found)
        looked |= set(sources)
        sources = [s for s in await _absorbed(parts, sources) if s not in looked]


async def _absorbed(parts: Parts, conversations: Sequence[str]) -> list[str]:
    views = await parts.reader.conversations.get(set(conversations), None)
    return [source for view in views.values() for source in view.absorbed]
