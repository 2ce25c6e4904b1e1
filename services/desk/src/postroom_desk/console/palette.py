"""Where one can go, for the command palette (Ctrl K): asked once by a page, when it is opened first."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from postroom_desk.api.auth import PartsOf
from postroom_desk.api.shown import company
from postroom_desk.console.asked import address
from postroom_desk.console.folders import folders_of, saved_filters
from postroom_desk.console.pages import NAVIGATION, Entry
from postroom_desk.console.viewer import Viewer, page_needs
from postroom_desk.domain.permissions import Operation
from postroom_desk.parts import Parts
from postroom_desk.settings_text import SECTIONS

router = APIRouter(include_in_schema=False)
Lists = Annotated[Viewer, Depends(page_needs(Operation.LIST_CONVERSATIONS))]
_ACCOUNT = {
    "account.title": "/account",
    "account.second_factor": "/account/second-factor",
    "account.sessions": "/account/sessions",
    "account.tokens": "/account/tokens",
    "preferences.title": "/account/notifications",
    "saved.title": "/account/saved-replies",
}


class Place(BaseModel):
    """`group` says what it is, in the viewer's language."""

    model_config = ConfigDict(frozen=True)

    group: str
    label: str
    href: str


@router.get("/panes/palette")
async def palette(viewer: Lists, parts: PartsOf) -> list[Place]:
    """Folders, saved filters, people, pages and settings: what the navigation shows to this person, and no more."""
    say = viewer.texts
    go = [Place(group=say("palette.page"), label=say(f"frame.nav.{e.name}"), href=e.href) for e in _pages(viewer)]
    filters = [
        Place(group=say("palette.filter"), label=f.name, href=f.address) for f in await saved_filters(parts, viewer)
    ]
    if viewer.acting_id is not None:
        go.append(Place(group=say("palette.folder"), label=say("inbox.folder.drafts"), href="/drafts"))
    return [*go, *_folders(parts, viewer), *filters, *_people(parts, viewer), *_settings(viewer), *_account(viewer)]


def _pages(viewer: Viewer) -> list[Entry]:
    return [e for e in NAVIGATION if viewer.sees(e.operation)]


def _folders(parts: Parts, viewer: Viewer) -> list[Place]:
    say = viewer.texts
    return [
        Place(
            group=say("palette.folder"),
            label=f.name or say(f"inbox.folder.{f.key}"),
            href=address("/conversations", dict(f.query)),
        )
        for f in folders_of(parts, viewer)
    ]


def _people(parts: Parts, viewer: Viewer) -> list[Place]:
    if not viewer.sees(Operation.MANAGE_PEOPLE):
        return []
    agents = company(parts.reader.configuration, 0, None).agents
    group = viewer.texts("palette.person")
    return [Place(group=group, label=a.name, href=f"/settings/people/{a.id}") for a in agents]


def _settings(viewer: Viewer) -> list[Place]:
    if not viewer.sees(Operation.READ_SETTINGS):
        return []
    say = viewer.texts
    pages = {"/settings/history": "settings.history"} | {f"/settings/{s}": f"settings.sections.{s}" for s in SECTIONS}
    if viewer.sees(Operation.MANAGE_PEOPLE):
        pages["/settings/people"] = "people.title"
    return [
        Place(group=say("settings.title"), label=say(key), href=href) for href, key in pages.items() if say.has(key)
    ]


def _account(viewer: Viewer) -> list[Place]:
    """Only a person in their own session has one."""
    if viewer.signed_in.principal.by != "session" or viewer.signed_in.principal.agent_id is None:
        return []
    group = viewer.texts("frame.account")
    return [Place(group=group, label=viewer.texts(key), href=href) for key, href in _ACCOUNT.items()]
