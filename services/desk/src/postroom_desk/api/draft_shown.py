"""A draft as it is told: once, with its versions, and as it changes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from fastapi import Response
from fastapi.responses import JSONResponse
from fastapi.sse import ServerSentEvent

from postroom_desk.answering.drafts import Seat
from postroom_desk.answering.uploads import Upload
from postroom_desk.api import models as base
from postroom_desk.api import models_drafts as m
from postroom_desk.api.shown import agent_name
from postroom_desk.domain import draft as d
from postroom_desk.parts import Parts

LIVE_SECONDS = 0.5
LOOK_EVERY = 4
"""After how many looks a live stream asks whether its person may still see it."""


async def shown(parts: Parts, draft: d.Draft) -> m.DraftShown:
    written, now = draft.written, parts.clock.now()
    files = await parts.writing.uploads.store.get(written.attachments) if written.attachments else {}
    held = draft.held_until is not None and draft.held_until > now
    given = draft.handed_by is not None
    holder = draft.holder if held or given else None
    own = {"id", "conversation_id", "kind", "number", "seen", "people", "saved_by", "saved_at", "state", "author"}
    return m.DraftShown(
        **draft.model_dump(include=own),
        **written.model_dump(include={"mode", "message_id", "text", "html", "subject", "inbox_id"}),
        to=[base.Contact(**p) for p in written.to],
        cc=[base.Contact(**p) for p in written.cc],
        bcc=[base.Contact(**p) for p in written.bcc],
        attachments=[_file(files[i]) for i in written.attachments if i in files],
        holder=holder,
        holder_name=agent_name(parts.reader.configuration, holder) if holder else "",
        held_until=draft.held_until if held else None,
        handed_by=draft.handed_by,
        refused=m.RefusedShown(**draft.refused.model_dump(exclude={"router_sequence"})) if draft.refused else None,
    )


def _file(upload: Upload) -> m.DraftFile:
    return m.DraftFile(
        upload_id=upload.id,
        filename=upload.filename,
        content_type=upload.content_type,
        body_bytes=upload.body_bytes,
        content_id=upload.content_id,
    )


async def answer(parts: Parts, draft: d.Draft, status: int = 200) -> Response:
    found = (await shown(parts, draft)).model_dump(mode="json")
    return JSONResponse(found, status, headers={"ETag": f'"{draft.number}"', "Cache-Control": "private, no-store"})


def versions_of(parts: Parts, draft: d.Draft) -> m.DraftVersions:
    configuration = parts.reader.configuration
    newest_first = reversed(draft.versions)
    return m.DraftVersions(
        items=[
            m.DraftVersion(**v.model_dump() | {"to": v.to or []}, by_name=agent_name(configuration, v.by))
            for v in newest_first
        ]
    )


async def changes_of(
    parts: Parts, seat: Seat, may_follow: Callable[[], Awaitable[bool]]
) -> AsyncIterator[ServerSentEvent]:
    """Tell the draft at the beginning and after each change, until its person may not see it any more."""
    last, looks = -1, 0
    while True:
        draft = await parts.writing.drafts.read(seat)
        if draft.revision != last:
            last = draft.revision
            yield ServerSentEvent(event="draft", data=(await shown(parts, draft)).model_dump(mode="json"), id=str(last))
        await asyncio.sleep(LIVE_SECONDS)
        looks += 1
        if looks % LOOK_EVERY == 0 and not await may_follow():
            return
