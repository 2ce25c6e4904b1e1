"""One's own notifications: which mails, of which inboxes, and when not. Written into the configuration."""

from typing import Annotated, get_args

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response
from postroom_contracts.configuration import Configuration, MutableKind, Preferences, QuietHours
from pydantic import BaseModel, Field, StringConstraints, ValidationError

from postroom_desk.api.auth import PartsOf
from postroom_desk.api.problems import Problem
from postroom_desk.console.me import Me, Mine, account_page
from postroom_desk.parts import Parts

router = APIRouter(include_in_schema=False)
KINDS: tuple[MutableKind, ...] = get_args(MutableKind)
Word = Annotated[str, StringConstraints(max_length=63)]


class Wanted(BaseModel):
    """The form: what is ticked, and quiet hours."""

    kind: Annotated[list[Word], Field(max_length=20)] = []
    inbox: Annotated[list[Word], Field(max_length=2000)] = []
    start: Word = ""
    end: Word = ""
    zone: Word = ""

    def hours(self) -> QuietHours | None:
        """Return the quiet hours. Raises ValidationError."""
        if not (self.start or self.end):
            return None
        return QuietHours(start=self.start, end=self.end, time_zone=self.zone)


@router.get("/account/notifications")
async def preferences(mine: Mine, parts: PartsOf, saved: bool = False) -> Response:
    return _page(mine, parts, saved=saved)


@router.post("/account/notifications")
async def change(
    mine: Mine,
    parts: PartsOf,
    wanted: Annotated[Wanted, Form()],
) -> Response:
    """What is ticked is sent. Without `start` and `end` there are no quiet hours."""
    if parts.writer is None:
        raise Problem(503, "unavailable", "Not available", "the configuration cannot be written here")
    try:
        quiet = wanted.hours()
    except ValidationError as error:
        return _page(mine, parts, 422, fault=str(error.errors()[0]["msg"]).removeprefix("Value error, "))
    shown = _inboxes(mine, parts)
    muted = [k for k in KINDS if k not in wanted.kind]
    left_out = [i for i in shown if i not in wanted.inbox]
    agent_id = mine.agent.id
    await parts.writer.change(
        lambda c: preferring(c, agent_id, muted, left_out, shown, quiet), applied_by=f"preferences of {agent_id}"
    )
    return RedirectResponse("/account/notifications?saved=true", 303)


def preferring(
    configuration: Configuration,
    agent_id: str,
    muted: list[MutableKind],
    left_out: list[str],
    shown: list[str],
    quiet: QuietHours | None,
) -> Configuration:
    """Return the configuration with these preferences; what was muted of inboxes that were not `shown` stays so."""
    section = configuration.notifications
    if configuration.agent(agent_id) is None:
        return configuration
    before = section.preferences.get(agent_id, Preferences())
    known = {i.id for i in configuration.inboxes}
    inboxes = [i for i in before.muted_inboxes if i not in shown] + [i for i in left_out if i in known]
    own = Preferences(muted_inboxes=inboxes, quiet_hours=quiet)
    everybody = {**section.preferences, agent_id: own}
    kinds = {**section.muted, agent_id: muted}
    changed = {
        "preferences": {a: p for a, p in everybody.items() if p != Preferences()},
        "muted": {a: k for a, k in kinds.items() if k},
    }
    return configuration.model_copy(update={"notifications": section.model_copy(update=changed)})


def _inboxes(mine: Me, parts: Parts) -> list[str]:
    readable = mine.viewer.readable
    return [i.id for i in parts.reader.configuration.inboxes if i.id in readable]


def _page(mine: Me, parts: Parts, status: int = 200, fault: str = "", *, saved: bool = False) -> Response:
    configuration = parts.reader.configuration
    section = configuration.notifications
    return account_page(
        "preferences.html",
        mine,
        status,
        title=mine.viewer.texts("preferences.title"),
        kinds=[k for k in KINDS if getattr(section, k)],
        muted=section.muted.get(mine.agent.id, []),
        own=section.preferences.get(mine.agent.id, Preferences()),
        inboxes={i: inbox.name for i in _inboxes(mine, parts) if (inbox := configuration.inbox(i))},
        zone=str(mine.viewer.zone or "UTC"),
        fault=fault,
        saved=saved,
    )
