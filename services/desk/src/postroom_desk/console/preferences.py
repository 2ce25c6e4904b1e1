"""One's own notifications: of what one is told by which way, of which inboxes, and when not. Written into the configuration."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response
from postroom_contracts.configuration import Configuration, Preferences, QuietHours, Way
from postroom_contracts.notifying import general_ways, ways_of
from pydantic import BaseModel, Field, StringConstraints, ValidationError

from postroom_desk.api.auth import PartsOf
from postroom_desk.api.problems import Problem, not_found
from postroom_desk.console.me import Me, Mine, account_page
from postroom_desk.domain.preferring import (
    COLUMNS,
    KINDS,
    Chosen,
    Ticked,
    preferring,
    preferring_in,
    undoing,
    ways_there,
)
from postroom_desk.parts import Parts

router = APIRouter(include_in_schema=False)
PATH = "/account/notifications"
UNDOS: tuple[int, ...] = get_args(Preferences.model_fields["undo_seconds"].annotation)
Word = Annotated[str, StringConstraints(max_length=63)]
Ways = Annotated[list[Word], Field(max_length=100)]
"""What is ticked: `assigned.mail`."""


class Wanted(BaseModel):
    """The form: what is ticked, and quiet hours."""

    way: Ways = []
    inbox: Annotated[list[Word], Field(max_length=2000)] = []
    start: Word = ""
    end: Word = ""
    zone: Word = ""
    undo: Literal["", "0", "5", "10", "20", "30"] = ""
    """For how many seconds a reply can be taken back; empty: as before."""

    def hours(self) -> QuietHours | None:
        """Return the quiet hours. Raises ValidationError."""
        if not (self.start or self.end):
            return None
        return QuietHours(start=self.start, end=self.end, time_zone=self.zone)


def _ticked(ways: list[str]) -> Ticked:
    given = set(ways)
    return {k: frozenset(w for w in COLUMNS if f"{k}.{w}" in given) for k in KINDS}


@router.get(PATH)
async def preferences(mine: Mine, parts: PartsOf, saved: bool = False) -> Response:
    return _page(mine, parts, saved=saved)


@router.post(PATH)
async def change(
    mine: Mine,
    parts: PartsOf,
    wanted: Annotated[Wanted, Form()],
) -> Response:
    """What is ticked is told. Without `start` and `end` there are no quiet hours."""
    try:
        quiet = wanted.hours()
    except ValidationError as error:
        return _page(mine, parts, 422, fault=str(error.errors()[0]["msg"]).removeprefix("Value error, "))
    shown, agent_id = _inboxes(mine, parts), mine.agent.id
    left_out = [i for i in shown if i not in wanted.inbox]
    ticked = _ticked(wanted.way)

    def choose(configuration: Configuration) -> Configuration:
        offered = ways_there(configuration, agent_id)
        chosen = preferring(configuration, agent_id, Chosen(ticked, offered, left_out, shown, quiet))
        return undoing(chosen, agent_id, int(wanted.undo)) if wanted.undo else chosen

    await _write(parts, choose, agent_id)
    return RedirectResponse(f"{PATH}?saved=true", 303)


@router.get(PATH + "/{inbox_id}")
async def preferences_of_inbox(inbox_id: str, mine: Mine, parts: PartsOf) -> Response:
    """What is wanted of one inbox, where that is something else than of all."""
    configuration, agent_id = parts.reader.configuration, mine.agent.id
    inbox = configuration.inbox(inbox_id) if inbox_id in _inboxes(mine, parts) else None
    if inbox is None:
        raise not_found("there is no such inbox")
    own = configuration.notifications.preferences.get(agent_id, Preferences())
    return account_page(
        "preferences_inbox.html",
        mine,
        title=mine.viewer.texts("preferences.title"),
        inbox=inbox,
        apart=inbox_id in own.inbox_ways,
        left_out=inbox_id in own.muted_inboxes,
        **_table(parts, agent_id, {k: ways_of(configuration, agent_id, k, inbox_id) for k in KINDS}),
    )


@router.post(PATH + "/{inbox_id}")
async def change_inbox(
    inbox_id: str,
    mine: Mine,
    parts: PartsOf,
    way: Annotated[list[Word] | None, Form(max_length=100)] = None,
    as_all: Annotated[bool, Form()] = False,
) -> Response:
    """What is ticked is told of this inbox; `as_all`: whatever is told of all."""
    if inbox_id not in _inboxes(mine, parts):
        raise not_found("there is no such inbox")
    agent_id, ticked = mine.agent.id, None if as_all else _ticked(way or [])
    await _write(parts, lambda c: preferring_in(c, agent_id, inbox_id, ticked, ways_there(c, agent_id)), agent_id)
    return RedirectResponse(f"{PATH}?saved=true", 303)


async def _write(parts: Parts, change: Callable[[Configuration], Configuration], agent_id: str) -> None:
    if parts.writer is None:
        raise Problem(503, "unavailable", "Not available", "the configuration cannot be written here")
    await parts.writer.change(change, applied_by=f"preferences of {agent_id}")


def _inboxes(mine: Me, parts: Parts) -> list[str]:
    readable = mine.viewer.readable
    return [i.id for i in parts.reader.configuration.inboxes if i.id in readable]


def _table(parts: Parts, agent_id: str, chosen: Ticked) -> dict[str, Any]:
    """Return what the table of kinds and ways shows; a way that there is for no kind has no column."""
    there = ways_there(parts.reader.configuration, agent_id)
    columns: list[Way] = [w for w in COLUMNS if any(w in ways for ways in there.values())]
    return {"kinds": KINDS, "columns": columns, "there": there, "chosen": chosen}


def _page(mine: Me, parts: Parts, status: int = 200, fault: str = "", *, saved: bool = False) -> Response:
    configuration, agent_id = parts.reader.configuration, mine.agent.id
    own = configuration.notifications.preferences.get(agent_id, Preferences())
    return account_page(
        "preferences.html",
        mine,
        status,
        title=mine.viewer.texts("preferences.title"),
        own=own,
        inboxes={i: inbox.name for i in _inboxes(mine, parts) if (inbox := configuration.inbox(i))},
        zone=str(mine.viewer.zone or "UTC"),
        undos=UNDOS,
        fault=fault,
        saved=saved,
        **_table(parts, agent_id, {k: general_ways(configuration, agent_id, k) for k in KINDS}),
    )
