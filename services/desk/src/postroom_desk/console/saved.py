"""Saved replies: one's own, and those of one's teams, which leads and admins change, within the configuration."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response
from postroom_contracts.configuration import Configuration
from postroom_contracts.templates import REPLY_VARIABLES
from pydantic import BaseModel, StringConstraints

from postroom_desk.api.auth import PartsOf
from postroom_desk.api.problems import Problem, not_found
from postroom_desk.api.saved_replies import MAX_OWN
from postroom_desk.api.told import tell
from postroom_desk.console.me import Me, Mine, account_page
from postroom_desk.domain import shared_replies as s
from postroom_desk.domain.permissions import Operation
from postroom_desk.domain.saved_replies import Saved, faults, of_configuration
from postroom_desk.parts import Parts
from postroom_desk.settings_text import SectionFaultError, section_yaml, with_section

router = APIRouter(include_in_schema=False)
PATH = "/account/saved-replies"
MAX_NAME, MAX_TEXT, MAX_HTML = 100, 50_000, 100_000
EVERYBODY = "*"
Word = Annotated[str, StringConstraints(max_length=100)]
Long = Annotated[str, StringConstraints(max_length=200_000)]


class Wanted(BaseModel):
    """The form. `id`: which is changed; empty: a new one, of `whose` (a team, everybody, empty: one's own)."""

    id: Word = ""
    whose: Word = ""
    seen: Word = ""
    name: Long = ""
    text: Long = ""
    html: Long = ""

    def saved(self, saved_id: str, teams: tuple[str, ...], owner: str | None) -> Saved:
        text, html = (t.replace("\r\n", "\n").strip("\n") for t in (self.text, self.html))
        return Saved(saved_id, " ".join(self.name.split()), text, html if html.strip() else None, teams, owner)


@dataclass(frozen=True, slots=True)
class Shown:
    """One in the list; `changeable`: by whoever looks."""

    saved: Saved
    changeable: bool


@router.get(PATH)
async def saved_replies(
    mine: Mine, parts: PartsOf, edit: Annotated[str, Query(max_length=100)] = "", done: bool = False
) -> Response:
    """The list, with the form of one that is changed (`edit`) or of a new one."""
    return await _page(mine, parts, editing=await _changeable(mine, parts, edit) if edit else None, done=done)


@router.post(PATH)
async def save(request: Request, mine: Mine, parts: PartsOf, wanted: Annotated[Wanted, Form()]) -> Response:
    """Store a new one, or a change of the one that was seen; one that somebody else changed meanwhile is shown first."""
    saved = await _meant(mine, parts, wanted)
    if wrong := _faults(mine, saved):
        return await _page(mine, parts, 422, wrong, editing=saved, seen=wanted.seen)
    try:
        if saved.owner is None:
            await _write(request, mine, parts, lambda c: s.with_reply(c, _named(c, saved), wanted.seen))
        else:
            await _keep(mine, parts, saved, wanted.seen)
    except s.ChangedMeanwhileError as error:
        return await _overtaken(mine, parts, saved, error.now)
    except SectionFaultError as error:
        return await _page(mine, parts, 422, [str(p) for p in error.problems], editing=saved, seen=wanted.seen)
    return RedirectResponse(f"{PATH}?done=true", 303)


@router.post(PATH + "/delete")
async def delete(request: Request, mine: Mine, parts: PartsOf, wanted: Annotated[Wanted, Form()]) -> Response:
    saved = await _changeable(mine, parts, wanted.id)
    try:
        if saved.owner is None:
            await _write(request, mine, parts, lambda c: s.without_reply(c, saved.id, wanted.seen))
        else:
            await parts.writing.saved_replies.remove(mine.agent.id, saved.id)
    except s.ChangedMeanwhileError as error:
        return await _overtaken(mine, parts, error.now or saved, error.now)
    except SectionFaultError as error:
        return await _page(mine, parts, 422, [str(p) for p in error.problems])
    return RedirectResponse(f"{PATH}?done=true", 303)


# --- which is meant -----------------------------------------------------------------------------------------------


async def _changeable(mine: Me, parts: Parts, saved_id: str) -> Saved:
    """Return one that this person may change. Raises Problem 404."""
    found = [x.saved for x in await _all(mine, parts) if x.saved.id == saved_id and x.changeable]
    if not found:
        raise not_found("there is no such saved reply that you could change")
    return found[0]


async def _meant(mine: Me, parts: Parts, wanted: Wanted) -> Saved:
    """Return what the form says. Raises Problem 404, and 422 for a team whose saved replies are not theirs."""
    if wanted.id:
        before = await _changeable(mine, parts, wanted.id)
        return wanted.saved(before.id, before.teams, before.owner)
    if not wanted.whose:
        new = wanted.saved("", (), mine.agent.id)  # a form that is sent twice at once gives one, under one id
        return replace(new, id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{mine.agent.id} {s.fingerprint(new)}")))
    configuration = parts.reader.configuration
    teams = () if wanted.whose == EVERYBODY else (wanted.whose,)
    if not _keeps(mine, configuration, teams):
        raise Problem(422, "unknown-team", "Unknown team", "`whose` must name a team whose saved replies are yours")
    return wanted.saved("", teams, None)


def _named(configuration: Configuration, saved: Saved) -> Saved:
    """Return it with an id, which a new one gets where it is added: two at once get two."""
    return saved if saved.id else replace(saved, id=s.id_for(configuration, saved.name))


def _keeps(mine: Me, configuration: Configuration, teams: tuple[str, ...]) -> bool:
    return mine.viewer.sees(Operation.CHANGE_SAVED_REPLIES) and s.keeps(configuration, mine.agent, teams)


async def _all(mine: Me, parts: Parts) -> list[Shown]:
    """Return one's own, then those that one may use or change, by name."""
    configuration = parts.reader.configuration
    own = [Shown(x, changeable=True) for x in await parts.writing.saved_replies.of(mine.agent.id)]
    used = {x.id for x in of_configuration(configuration, mine.agent.id)}
    others = [Shown(x, _keeps(mine, configuration, x.teams)) for x in of_configuration(configuration, None)]
    there = [x for x in others if x.changeable or x.saved.id in used]
    return [*sorted(own, key=_by_name), *sorted(there, key=_by_name)]


def _by_name(shown: Shown) -> str:
    return shown.saved.name.casefold()


# --- checked and written ------------------------------------------------------------------------------------------


def _faults(mine: Me, saved: Saved) -> list[str]:
    texts = mine.viewer.texts
    if not saved.name or len(saved.name) > MAX_NAME:
        return [texts("saved.bad_name", n=MAX_NAME)]
    if not (saved.text.strip() or saved.html):
        return [texts("saved.empty")]
    if len(saved.text) > MAX_TEXT or len(saved.html or "") > MAX_HTML:
        return [texts("saved.too_long", n=MAX_TEXT)]
    return faults(saved)


async def _keep(mine: Me, parts: Parts, saved: Saved, seen: str) -> None:
    """Store one's own. Raises ChangedMeanwhileError: in another window; Problem 422 for one too many."""
    store = parts.writing.saved_replies
    own = await store.of(mine.agent.id)
    if not seen and s.is_among(saved, own):
        return
    if not seen and saved.id in {x.id for x in own}:  # which said this once, and was changed since
        saved = replace(saved, id=str(uuid.uuid4()))
    now = next((x for x in own if x.id == saved.id), None)
    if (s.fingerprint(now) if now else "") != seen:
        raise s.ChangedMeanwhileError(now)
    if now is None and len(own) >= MAX_OWN:
        raise Problem(422, "too-many", "Too many", f"one person keeps at most {MAX_OWN}")
    await store.put(saved)


async def _write(request: Request, mine: Me, parts: Parts, change: Callable[[Configuration], Configuration]) -> None:
    """Change the configuration, checked as a file is. Raises SectionFaultError, and what `change` raises; Problem 503."""
    if parts.writer is None:
        raise Problem(503, "unavailable", "Not available", "the configuration cannot be written here")

    def checked(before: Configuration) -> Configuration:
        after = change(before)
        text = section_yaml(after, "saved_replies") or "saved_replies: []\n"
        return with_section(before, "saved_replies", text)

    version = await parts.writer.change(checked, applied_by=f"desk: {mine.agent.id}")
    by = mine.viewer.signed_in.principal.name
    await tell(request, "settings-changed", session=mine.session, about=str(version), section="saved_replies", by=by)


# --- shown --------------------------------------------------------------------------------------------------------


async def _overtaken(mine: Me, parts: Parts, saved: Saved, now: Saved | None) -> Response:
    """Show what stands there beside what was wanted, which a second look puts over it."""
    texts = mine.viewer.texts
    wrong = [texts("saved.changed"), f"{now.name}: {now.text}"] if now else [texts("saved.gone")]
    again = saved if now else replace(saved, id="")
    return await _page(mine, parts, 409, wrong, editing=again, seen=s.fingerprint(now) if now else "")


async def _page(
    mine: Me,
    parts: Parts,
    status: int = 200,
    wrong: list[str] | None = None,
    *,
    editing: Saved | None = None,
    seen: str | None = None,
    done: bool = False,
) -> Response:
    configuration, everything = parts.reader.configuration, await _all(mine, parts)
    known = editing is not None and any(x.saved.id == editing.id for x in everything)
    led = s.teams_of(configuration, mine.agent) if mine.viewer.sees(Operation.CHANGE_SAVED_REPLIES) else []
    context: dict[str, Any] = {
        "own": [x for x in everything if x.saved.owner],
        "shared": [x for x in everything if not x.saved.owner],
        "editing": editing,
        "known": known,
        "seen": s.fingerprint(editing) if editing and known and seen is None else seen or "",
        "whose": _whose(editing),
        "teams": {t.id: t.name for t in configuration.teams},
        "led": led,
        "everybody": EVERYBODY if _keeps(mine, configuration, ()) else "",
        "fingerprint": s.fingerprint,
        "variables": REPLY_VARIABLES,
        "wrong": wrong or [],
        "done": done,
    }
    return account_page("saved_replies.html", mine, status, title=mine.viewer.texts("saved.title"), **context)


def _whose(editing: Saved | None) -> str:
    if editing is None or editing.owner is not None:
        return ""
    return editing.teams[0] if editing.teams else EVERYBODY
