"""Who read, answered and changed what: `/audit`, for admins and auditors."""

from datetime import UTC, datetime
from typing import Annotated, Any, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse, Response
from postroom_contracts.fields import format_time
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from postroom_desk.api import audit as api
from postroom_desk.api.auth import PartsOf
from postroom_desk.audit.port import Outcome
from postroom_desk.audit.search import Search
from postroom_desk.console.pages import render
from postroom_desk.console.texts import Texts, read_entries
from postroom_desk.console.viewer import Viewer, page_needs
from postroom_desk.domain.permissions import Operation

router = APIRouter(include_in_schema=False, prefix="/audit")
Reads = Annotated[Viewer, Depends(page_needs(Operation.READ_AUDIT))]
PAGE = 50
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
_ACTION = "audit.action."
Word = Annotated[str, StringConstraints(max_length=200, strip_whitespace=True)]


class AuditAsked(BaseModel):
    """The form. Times are those of the viewer's zone; what is none is said and passed over."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    person: Word = ""
    action: Word = ""
    outcome: Word = ""
    conversation: Word = ""
    begin: Annotated[Word, Field(alias="from")] = ""
    end: Annotated[Word, Field(alias="to")] = ""
    cursor: Annotated[str, StringConstraints(max_length=20, pattern=r"^\d*$")] = ""

    def named(self) -> dict[str, str]:
        """Return the filters that are set, as the API names them, but for the times."""
        given = {"person": self.person, "action": self.action, "conversation": self.conversation}
        outcome = {"outcome": self.outcome} if self.outcome in OUTCOMES else {}
        return {name: value for name, value in given.items() if value} | outcome


@router.get("")
async def audit(request: Request, viewer: Reads, parts: PartsOf, asked: Annotated[AuditAsked, Query()]) -> Response:
    """A page of entries, the newest first; the filters stay in the address."""
    asker, named = viewer.signed_in, asked.named()
    times = {name: _moment(text, viewer) for name, text in (("from", asked.begin), ("to", asked.end)) if text}
    hidden = api.hidden_from(parts, asker)
    search = Search(
        hidden=hidden,
        person=named.get("person"),
        action=named.get("action"),
        outcome=named.get("outcome"),
        conversation_id=named.get("conversation"),
        begin=times.get("from"),
        end=times.get("to"),
        before=int(asked.cursor) if asked.cursor else None,
        limit=PAGE,
    )
    found = await api.log_of(parts).find(search)
    rows = [_row(api.shown(link, hidden), viewer) for link in found[:PAGE]]
    exact = named | {name: format_time(at) for name, at in times.items() if at}
    return render(
        request,
        parts,
        viewer,
        "audit.html",
        title=viewer.texts("audit.title"),
        rows=rows,
        asked_for=asked,
        bad_time=None in times.values(),
        outcomes=OUTCOMES,
        actions=_actions(viewer.texts),
        older=_older(request, rows[-1]["sequence"]) if len(found) > PAGE else "",
        export=f"/api/v1/audit/export?{urlencode(exact)}",
        check=await api.checked(parts),
    )


@router.post("/check")
async def check(viewer: Reads, parts: PartsOf) -> Response:
    """Begin to look at the whole chain."""
    await api.check_begun(parts, viewer.signed_in)
    return RedirectResponse("/audit#check", 303)


def _row(link: dict[str, Any], viewer: Viewer) -> dict[str, Any]:
    readable = link["inbox_id"] in viewer.readable
    details = ", ".join(f"{name} {value}" for name, value in sorted(link["details"].items()))
    words = {"at_time": datetime.fromisoformat(link["at"]), "said": action_name(viewer.texts, link["action"])}
    return {"hidden": False, **link, **words, "shown_details": details, "opens": readable and link["conversation_id"]}


def action_name(texts: Texts, action: str) -> str:
    """Return what an action is called; one of a newer release by its code."""
    key = _ACTION + action
    return texts(key) if texts.has(key) else action


def _actions(texts: Texts) -> list[tuple[str, str]]:
    """Return every action with its name, by name."""
    codes = (key.removeprefix(_ACTION) for key in read_entries("en") if key.startswith(_ACTION))
    return sorted(((code, action_name(texts, code)) for code in codes), key=lambda pair: pair[1].casefold())


def _older(request: Request, sequence: int) -> str:
    query = {name: value for name, value in request.query_params.items() if name != "cursor"}
    return f"/audit?{urlencode({**query, 'cursor': str(sequence)})}"


def _moment(text: str, viewer: Viewer) -> datetime | None:
    """Return the instant of a time as the form gives it; None for what is no time."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=viewer.zone or UTC)).astimezone(UTC)
