"""Erasing a person: one request for a contact, carried out in every conversation that knows them."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from fastapi.responses import JSONResponse
from postroom_contracts.commands import EraseContact
from pydantic import BaseModel, ConfigDict

from postroom_desk.api import models as m
from postroom_desk.api import shown
from postroom_desk.api.problems import Problem
from postroom_desk.api.writes import Asking, asking
from postroom_desk.domain.permissions import Operation
from postroom_desk.submit import KeyReusedError, Submission

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
