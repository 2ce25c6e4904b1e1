"""Who may sign in: `/settings/people`. Every button does what the API's route of the same name does."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from postroom_contracts.configuration import InboxRight, Role
from pydantic import BaseModel, Field, StringConstraints

from postroom_desk.api import models_people as m
from postroom_desk.api import people as api
from postroom_desk.api.auth import PartsOf
from postroom_desk.api.guard import Asker
from postroom_desk.api.people import AgentId
from postroom_desk.api.problems import Problem
from postroom_desk.console.pages import render
from postroom_desk.console.viewer import Viewer, page_needs
from postroom_desk.domain.permissions import Operation
from postroom_desk.identity.administration import NotPossibleError, UnknownPersonError
from postroom_desk.parts import Parts
from postroom_desk.people_rights import UnfitRightsError

router = APIRouter(include_in_schema=False, prefix="/settings/people")
Manages = Annotated[Viewer, Depends(page_needs(Operation.MANAGE_PEOPLE))]
ROLES: tuple[Role, ...] = get_args(Role)
RIGHTS: tuple[InboxRight, ...] = get_args(InboxRight)
Action = Literal["disable", "enable", "sessions", "factor"]
_DOES: dict[Action, Callable[[Parts, Asker, str], Awaitable[None]]] = {
    "disable": api.put_out,
    "enable": api.let_in,
    "sessions": api.sessions_ended,
    "factor": api.factor_taken_off,
}
Word = Annotated[str, StringConstraints(max_length=63)]


class RightsForm(BaseModel):
    """The role, and for each inbox that was shown `inbox:right`; nothing after the colon: none of one's own."""

    role: Role
    inbox: Annotated[list[Annotated[str, StringConstraints(max_length=130)]], Field(max_length=2000)] = []

    def rights(self) -> dict[str, InboxRight | None]:
        pairs = (entry.partition(":") for entry in self.inbox)
        return {inbox: next((r for r in RIGHTS if r == right), None) for inbox, _, right in pairs}


@router.get("")
async def people(request: Request, viewer: Manages, parts: PartsOf) -> Response:
    found = await parts.identity.administration.all(parts.reader.configuration)
    rows = [m.person_shown(known) for known in found]
    return render(request, parts, viewer, "people.html", title=viewer.texts("people.title"), rows=rows)


@router.get("/{agent_id}")
async def person(agent_id: AgentId, request: Request, viewer: Manages, parts: PartsOf, did: Word = "") -> Response:
    known = did if viewer.texts.has(f"people.did.{did}") else ""
    return await _person(agent_id, request, viewer, parts, did=known)


@router.post("/{agent_id}/link")
async def link(
    agent_id: AgentId,
    request: Request,
    viewer: Manages,
    parts: PartsOf,
    purpose: Annotated[Literal["invitation", "reset"], Form()],
) -> Response:
    """Have it mailed; where no mail can be sent, show it, once."""
    made: list[m.LinkMade] = []

    async def make() -> None:
        made.append(await api.link_made(parts, viewer.signed_in, agent_id, purpose))

    if (refused := await _refused(make, agent_id, request, viewer, parts)) is not None:
        return refused
    if made[0].mailed:
        return _back(agent_id, purpose)
    return await _person(agent_id, request, viewer, parts, made=made[0])


@router.post("/{agent_id}/do/{action}")
async def act(agent_id: AgentId, action: Action, request: Request, viewer: Manages, parts: PartsOf) -> Response:
    async def done() -> None:
        await _DOES[action](parts, viewer.signed_in, agent_id)

    refused = await _refused(done, agent_id, request, viewer, parts)
    return _back(agent_id, action) if refused is None else refused


@router.post("/{agent_id}/tokens/withdraw")
async def withdraw(
    agent_id: AgentId, viewer: Manages, parts: PartsOf, token: Annotated[str, Form(max_length=100)] = ""
) -> Response:
    gone = await api.token_withdrawn(parts, viewer.signed_in, agent_id, token)
    return _back(agent_id, "token" if gone else "")


@router.post("/{agent_id}/rights")
async def rights(
    agent_id: AgentId, request: Request, viewer: Manages, parts: PartsOf, asked: Annotated[RightsForm, Form()]
) -> Response:
    async def done() -> None:
        await api.rights_changed(parts, viewer.signed_in, agent_id, asked.role, asked.rights())

    refused = await _refused(done, agent_id, request, viewer, parts)
    return _back(agent_id, "rights") if refused is None else refused


def _back(agent_id: str, did: str) -> Response:
    return RedirectResponse(f"/settings/people/{agent_id}" + (f"?did={did}" if did else ""), 303)


async def _refused(
    work: Callable[[], Awaitable[None]], agent_id: str, request: Request, viewer: Viewer, parts: Parts
) -> Response | None:
    """Do it; return the page that says why it cannot be done, or None when it was."""
    try:
        with api.explained():
            await work()
    except Problem as problem:
        fault = _fault(problem, viewer)
        if fault is None:
            raise
        return await _person(agent_id, request, viewer, parts, problem.status, fault=fault)
    return None


def _fault(problem: Problem, viewer: Viewer) -> str | None:
    """Return why, in the viewer's words; None for what the page has none for."""
    cause = problem.__cause__
    if isinstance(cause, UnfitRightsError):
        return viewer.texts("people.fault.invalid", what=str(cause))
    code = cause.code if isinstance(cause, NotPossibleError) else problem.extra.get("code")
    return viewer.texts(f"people.fault.{code}") if code else None


async def _person(
    agent_id: str, request: Request, viewer: Viewer, parts: Parts, status: int = 200, **context: Any
) -> Response:
    try:
        shown = await api.details(parts, agent_id)
    except UnknownPersonError as error:
        raise Problem(404, "not-found", "Not found", "there is no such person") from error
    mails = parts.identity.letters.can_send(parts.reader.configuration)
    defaults: dict[str, Any] = {"did": "", "fault": "", "made": None}
    page = {"title": shown.name, "p": shown, "mails": mails, "roles": ROLES, "rights": RIGHTS}
    return render(request, parts, viewer, "person.html", status, **page, **(defaults | context))
