"""Erasing a person: one request for a contact, carried out in every conversation that knows them; and how far it is."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import JSONResponse
from postroom_contracts.commands import EraseContact
from pydantic import BaseModel, ConfigDict

from postroom_desk.api import models as m
from postroom_desk.api import shown
from postroom_desk.api.auth import PartsOf
from postroom_desk.api.guard import Asker, needs
from postroom_desk.api.problems import Problem, not_found
from postroom_desk.api.writes import Asking, asking
from postroom_desk.domain.erasure import Progress, State
from postroom_desk.domain.permissions import Operation
from postroom_desk.erasures import RouterAwayError
from postroom_desk.parts import Parts
from postroom_desk.submit import KeyReusedError, Submission

Sees = Annotated[Asker, Depends(needs(Operation.ERASE_CONTACT))]
ContactId = Annotated[str, Path(pattern=r"^[0-9a-zA-Z-]{1,64}$", description="As in `contact_id` of a message")]
Erases = Annotated[Asking, Depends(asking(Operation.ERASE_CONTACT))]
OUTCOMES: dict[int | str, dict[str, Any]] = {503: {"description": "Kafka or MongoDB is away; repeat with the same key"}}
router = APIRouter(responses=OUTCOMES)


class EraseAsked(m.Asked):
    """`whole`: also what others wrote in conversations with this person."""

    whole: bool = False


class ErasureTaken(BaseModel):
    """It is carried out in the background: a `ContentErased` for each conversation, all with `request_id` as their cause."""

    model_config = ConfigDict(frozen=True)

    request_id: str
    contact_id: str
    status_url: str
    """Says `done` once the first conversation is erased."""


@router.post("/contacts/{contact_id}/erase", summary="Erase a person", status_code=202, response_model=ErasureTaken)
async def erase_contact(contact_id: ContactId, asked: EraseAsked, ask: Erases) -> JSONResponse:
    """Their messages, what was written to them, their name and addresses go, everywhere; no fact and no number does.

    It cannot be undone. A contact of this id that nobody knows, or that was erased before, is taken all the same.
    """
    command = EraseContact(actor=ask.actor(asked), contact_id=contact_id, whole=asked.whole)
    everything = f"{ask.path} {command.model_dump_json()}"
    submission = Submission(ask.cause_id, contact_id, command, everything, by=ask.asker.principal.key)
    try:
        outcome = await ask.parts.door.submit(submission)
    except KeyReusedError as error:
        detail = "this Idempotency-Key was used for another request"
        raise Problem(422, "key-reused", "Idempotency-Key used twice", detail) from error
    trace = ask.asker.trace
    trace.about, trace.details = outcome.request_id, {"command": "EraseContact", "contact": contact_id}
    status_url = f"{shown.BASE}/requests/{outcome.request_id}"
    taken = ErasureTaken(request_id=outcome.request_id, contact_id=contact_id, status_url=status_url)
    return JSONResponse(taken.model_dump(mode="json"), 202, headers={"Location": status_url})


class ErasureShown(BaseModel):
    """How far an erasure is."""

    model_config = ConfigDict(frozen=True)

    contact_id: str
    state: State
    """`asked`: the router has not taken it yet; `running`; `done`: by the router; `verified`: every service has forgotten its
    copies, too, and nothing is left in the content store; `left`: something is."""
    request_id: str | None
    asked_by: str | None
    asked_at: datetime | None
    begun_at: datetime | None
    """Since when whoever writes from this address is somebody new."""
    done_at: datetime | None
    whole: bool
    conversations: int
    """In which it is erased, so far."""
    services: dict[str, bool]
    """Those that hold copies, and whether each is past all that was erased so far."""
    left: int
    """Texts and files that still stand in the content store, once all services are past."""


@router.get("/contacts/{contact_id}/erasure", summary="How far the erasure of a person is")
async def read_erasure(
    contact_id: ContactId,
    parts: PartsOf,
    _asker: Sees,
    request_id: Annotated[
        str | None, Query(max_length=100, description="Of this request, or of a later one; else of the latest")
    ] = None,
) -> ErasureShown:
    """404: nobody asked for it, or the router has not taken it and no `request_id` says that it was asked for."""
    found = await erasure_progress(parts, contact_id, request_id)
    if found is None:
        raise not_found("nobody asked for the erasure of this contact")
    said = found.said
    return ErasureShown(
        contact_id=contact_id,
        state=found.state,
        request_id=said.request_id if said else request_id,
        asked_by=said.asked_by if said else None,
        asked_at=said.asked_at if said else None,
        begun_at=said.begun_at if said else None,
        done_at=said.done_at if said else None,
        whole=said.whole if said else False,
        conversations=found.conversations,
        services=dict(found.forgot or {}),
        left=found.left,
    )


async def erasure_progress(parts: Parts, contact_id: str, request_id: str | None) -> Progress | None:
    """Return how far it is. Raises Problem 503 when the router does not answer."""
    record = await parts.requests.get(request_id) if request_id else None
    since = record.at if record is not None and record.conversation_id == contact_id else None
    try:
        return await parts.erasures.progress(contact_id, since)
    except RouterAwayError as error:
        detail = "the router does not answer" if parts.erasures.router else "POSTROOM_ROUTER_URL is not set"
        problem = Problem(503, "unavailable", "Not available at the moment", detail, headers={"Retry-After": "5"})
        raise problem from error
