"""The one live connection of a page: what happened where, so that it asks again for what it shows.

Events: `hello` at the beginning (`behind`: pages may lack what came before it), `fact` (conversation and type), `counts` (what
lies in each folder), `notifications` (how many are unread), `resync` when everything must be asked for again, `beat` every
ten seconds, so that a page notices a connection that has silently gone. It resumes by `Last-Event-ID` as the API's stream does.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.sse import EventSourceResponse, ServerSentEvent
from postroom_runtime.errors import InfrastructureError

from postroom_desk.api import streams
from postroom_desk.api.auth import PartsOf
from postroom_desk.console.viewer import Viewer, page_needs
from postroom_desk.domain.permissions import Operation
from postroom_desk.domain.positions import Positions, parse_positions
from postroom_desk.parts import Parts

BEAT_SECONDS = 10.0
router = APIRouter(include_in_schema=False)
Follows = Annotated[Viewer, Depends(page_needs(Operation.FOLLOW_EVENTS))]


@router.get("/live", response_class=EventSourceResponse)
async def live(
    parts: PartsOf, viewer: Follows, seen: Annotated[Positions | None, Depends(streams.seen_before)]
) -> AsyncIterator[ServerSentEvent]:
    facts = streams.events(
        parts, viewer.signed_in, seen, agent=viewer.acting_id, counts=True, presence=True, notifications=True
    )
    async with contextlib.aclosing(with_beats(facts, BEAT_SECONDS)) as items:
        async for item in items:
            if item.event == "hello":
                yield await _hello(item, parts)
            else:
                yield item if item.event is not None else _short(item)


async def _hello(item: ServerSentEvent, parts: Parts) -> ServerSentEvent:
    """Return it with whether pages may show less than what the stream begins behind: they are asked for again then."""
    try:
        behind = not (await parts.events.progress()).includes_all(parse_positions(item.id or ""))
    except InfrastructureError:
        behind = True
    return ServerSentEvent(event="hello", data={"behind": behind}, id=item.id, retry=item.retry)


def _short(item: ServerSentEvent) -> ServerSentEvent:
    """Return a fact without its content: the page asks for what it shows, with its own rights."""
    said = {name: item.data[name] for name in ("conversation_id", "type")}
    return ServerSentEvent(event="fact", data=said, id=item.id)


async def with_beats(items: AsyncIterator[ServerSentEvent], seconds: float) -> AsyncGenerator[ServerSentEvent, None]:
    """Give `items`, and a beat whenever none came for so long."""
    following: asyncio.Task[ServerSentEvent] | None = None
    try:
        while True:
            following = following or asyncio.ensure_future(anext(items))
            done, _ = await asyncio.wait({following}, timeout=seconds)
            if not done:
                yield ServerSentEvent(event="beat", data={})
                continue
            task, following = following, None
            try:
                yield task.result()
            except StopAsyncIteration:
                return
    finally:
        if following is not None:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
                await following
        if hasattr(items, "aclose"):
            await items.aclose()
