"""The thread of one conversation as its pane shows it: messages, what happened between them, and the way to the others."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Query

from postroom_desk.api import models as m
from postroom_desk.api import shown
from postroom_desk.console.activity import Line, between
from postroom_desk.console.viewer import Viewer
from postroom_desk.domain.window import SHOWN, Cut, Window
from postroom_desk.parts import Parts
from postroom_desk.reading import Thread

EVENTS = 300
"""Facts between the messages of one page, the newest."""
_Id = Annotated[str | None, Query(max_length=200)]


def window_asked(first: _Id = None, last: _Id = None, message: _Id = None) -> Window:
    return Window(first=first, last=last, message=message)


WindowAsked = Annotated[Window, Depends(window_asked)]


@dataclass(frozen=True, slots=True)
class Way:
    """To messages that are not shown: how many there are, and the parameters of the page that shows a step more."""

    messages: int
    query: dict[str, str]


@dataclass(frozen=True, slots=True)
class ThreadShown:
    """`timeline`: messages and what happened between them, by time. `here`: the parameters that keep this page as it is."""

    timeline: list[m.MessageShown | Line]
    events: list[tuple[m.LoggedEventShown, str]]
    here: dict[str, str]
    earlier: Way | None
    later: Way | None
    first_id: str
    """The first message of all."""
    public: int
    """Messages that are no notes, of all."""
    last_public_at: datetime | None


async def thread_shown(parts: Parts, viewer: Viewer, thread: Thread, messages: list[m.MessageShown]) -> ThreadShown:
    configuration, cut = parts.reader.configuration, thread.cut
    since = thread.every[cut.start].at if cut.earlier else None
    until = thread.every[cut.end].at if cut.later else None
    logged = await parts.events.newest_of(thread.id, EVENTS, since, until)
    items: list[m.MessageShown | Line] = [
        *messages,
        *between(logged, configuration, viewer.texts, viewer.readable),
    ]
    items.sort(key=lambda item: item.at)
    public = [x.at for x in thread.every if x.kind != "note"]
    return ThreadShown(
        timeline=items,
        events=[(e, json.dumps(e.event, indent=2, ensure_ascii=False)) for e in map(shown.logged, logged)],
        here=_here(thread),
        earlier=Way(cut.earlier, _query(thread, cut.with_earlier())) if cut.earlier else None,
        later=Way(cut.later, _query(thread, cut.with_later())) if cut.later else None,
        first_id=thread.every[0].message_id if thread.every else "",
        public=len(public),
        last_public_at=max(public, default=None),
    )


def _here(thread: Thread) -> dict[str, str]:
    """Return what keeps the first message where it is while others come: nothing is taken from a reader's eyes."""
    return _query(thread, thread.cut) if thread.cut.total >= SHOWN else {}


def _query(thread: Thread, cut: Cut) -> dict[str, str]:
    first = {"first": thread.every[cut.start].message_id}
    return first | ({"last": thread.every[cut.end - 1].message_id} if cut.later else {})
