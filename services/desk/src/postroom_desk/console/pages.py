"""What all pages share: who looks, waiting for what they have heard of, the frame with navigation and live state.

A page of another subject is a module beside this one with a router; `routes.py` takes it in. Its handlers take
`viewer: Annotated[Viewer, Depends(page_needs(Operation...))]` and end with
`return render(request, parts, viewer, "its.html", title=...)`.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import structlog
from fastapi import Request
from fastapi.responses import HTMLResponse
from postroom_contracts.configuration import Configuration, Preferences

from postroom_desk.api import shown
from postroom_desk.api.reads import positions_of
from postroom_desk.console.folders import folders_of
from postroom_desk.console.rendering import SECURITY_HEADERS, page
from postroom_desk.console.viewer import Viewer, stranger
from postroom_desk.domain.permissions import Operation
from postroom_desk.parts import Parts
from postroom_desk.reading import NotYetError

STATIC = Path(__file__).parent / "static"
ASSETS = ("htmx.min.js", "hx-sse.min.js")
PAGE_WAIT_SECONDS = 1.0
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """A link of the navigation, shown to those who may do `operation`. Its text is `frame.nav.<name>`."""

    name: str
    href: str
    operation: Operation


NAVIGATION: list[Entry] = [
    Entry("inbox", "/", Operation.LIST_CONVERSATIONS),
    Entry("scheduled", "/scheduled", Operation.LIST_CONVERSATIONS),
    Entry("overview", "/overview", Operation.SEE_COMPANY),
    Entry("settings", "/settings", Operation.READ_SETTINGS),
    Entry("audit", "/audit", Operation.READ_AUDIT),
]
"""Other pages add theirs here."""


async def reached(request: Request, parts: Parts) -> None:
    """Wait for what the browser has heard of by live updates, but show what there is in any case.

    What then shows less says so (`X-Behind`), and the browser asks again: a read model stands still for seconds while
    a replica that has died still counts as a member of the group.
    """
    try:
        await parts.reader.wait_for(positions_of(request.headers.get("x-after")), PAGE_WAIT_SECONDS)
    except NotYetError:
        request.state.behind = True


def frame_context(request: Request, parts: Parts, viewer: Viewer) -> dict[str, Any]:
    """Return what `base.html` needs beside the texts."""
    configuration = parts.reader.configuration
    agent_id = viewer.asker.access.agent_id if viewer.asker else None
    company = shown.company(configuration, parts.configurations.latest_version, agent_id)
    return {
        "company": company,
        "agents": {a.id: a.name for a in company.agents},
        "inboxes": {i.id: i.name for i in company.inboxes},
        "teams": {t.id: t.name for t in company.teams},
        "own_teams": next((a.teams for a in company.agents if a.id == viewer.acting_id), []),
        "undo_seconds": _undo_seconds(configuration, viewer.acting_id),
        "tag_names": {t.id: t.name for t in company.tags},
        "acting": viewer.acting_id,
        "navigation": [e for e in NAVIGATION if viewer.sees(e.operation)],
        "demo": parts.demo is not None,
        "path": request.url.path,
        "open_desk": parts.settings.desk_open,
        "missing": missing_assets(),
        "folders": folders_of(parts, viewer),
        "counted": False,
        "drafts": 0,
        "filters": [],
        "words_asked": "",
        "asked": None,
        "now": parts.clock.now(),
    }


def _undo_seconds(configuration: Configuration, agent_id: str | None) -> int:
    """Return for how long a reply of theirs can be taken back."""
    return configuration.notifications.preferences.get(agent_id or "", Preferences()).undo_seconds


def render(
    request: Request, parts: Parts, viewer: Viewer, template: str, status: int = 200, **context: Any
) -> HTMLResponse:
    """Return a page inside the frame that all share, or a fragment of one; `title` is needed by a page."""
    body = page(template, viewer, **{**frame_context(request, parts, viewer), **context})
    behind = {"X-Behind": "1"} if getattr(request.state, "behind", False) else {}
    return HTMLResponse(body, status, headers={**SECURITY_HEADERS, **behind})


def render_bare(
    request: Request, template: str, status: int = 200, *, viewer: Viewer | None = None, **context: Any
) -> HTMLResponse:
    """Return a page outside the frame: for those who are not signed in. `title` is needed."""
    body = page(template, viewer or stranger(request), **context)
    return HTMLResponse(body, status, headers=SECURITY_HEADERS)


@cache
def missing_assets() -> list[str]:
    """Return the names of third-party scripts that set-up has not fetched; pages then work by whole loads."""
    absent = [name for name in ASSETS if not (STATIC / "vendor" / name).exists()]
    if absent:
        log.warning(
            "console assets are missing; `make setup` or services/desk/web_assets.py fetches them", names=absent
        )
    return absent
