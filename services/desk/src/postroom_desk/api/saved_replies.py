"""Saved replies: found while one writes, filled for a conversation, one's own kept."""

import uuid
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from postroom_contracts.fields import Slug
from pydantic import Field, StringConstraints

from postroom_desk.api.auth import PartsOf
from postroom_desk.api.guard import Asker, needs
from postroom_desk.api.models import Answer, Asked, Recipients
from postroom_desk.api.models_drafts import OneLine
from postroom_desk.api.problems import Problem, not_found
from postroom_desk.domain.permissions import Operation
from postroom_desk.domain.saved_replies import (
    Saved,
    TemplateFaultError,
    faults,
    found_by,
    of_configuration,
    rendered,
    values_for,
)
from postroom_desk.domain.written import TooDeepError
from postroom_desk.parts import Parts

router = APIRouter()
MAX_OWN = 200
Finds = Annotated[Asker, Depends(needs(Operation.UPLOAD_FILE))]
Owns = Annotated[Asker, Depends(needs(Operation.OWN_ACCOUNT))]
Writes = Annotated[Asker, Depends(needs(Operation.EDIT_DRAFT))]
As = Annotated[str | None, Query(max_length=63, description="The agent; unless the token names one")]


class SavedReplyShown(Answer):
    id: str
    name: str
    text: str
    """As it is stored, with its variables."""
    html: str | None
    teams: list[str]
    own: bool


class SavedReplies(Answer):
    items: list[SavedReplyShown]


class SavedReplyAsked(Asked):
    """One's own. Variables: `[customer.first_name|there]`, or Liquid."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"\S")]
    text: Annotated[str, StringConstraints(max_length=50_000)]
    html: Annotated[str, StringConstraints(max_length=100_000)] | None = None


class RenderAsked(Asked):
    """Who writes: `agent`."""


class FirstRenderAsked(RenderAsked):
    """From which inbox a conversation is to begin, and with whom: the first of `to` is the customer."""

    inbox_id: Slug
    to: Annotated[Recipients, Field(default_factory=list)]
    subject: OneLine = ""


class Rendered(Answer):
    text: str
    html: str


def _agent(asker: Asker, agent: str | None) -> str | None:
    return asker.principal.agent_id or agent


def _own(asker: Asker, agent: str | None) -> str:
    """Return whose they are. Raises Problem 422 for a token that is nobody's and names nobody."""
    found = _agent(asker, agent)
    if found is None:
        raise Problem(422, "unknown-agent", "Unknown agent", "`agent` must name whose saved replies are meant")
    return found


async def _all(parts: Parts, agent_id: str | None) -> list[Saved]:
    own = await parts.writing.saved_replies.of(agent_id) if agent_id else []
    return [*own, *of_configuration(parts.reader.configuration, agent_id)]


@router.get("/saved-replies", summary="Find saved replies")
async def find(
    parts: PartsOf, asker: Finds, q: Annotated[str, Query(max_length=100)] = "", agent: As = None
) -> SavedReplies:
    """Those of one's teams, of everybody, and one's own; at most 20, the best first."""
    found = found_by(await _all(parts, _agent(asker, agent)), q)
    return SavedReplies(
        items=[
            SavedReplyShown(
                id=s.id, name=s.name, text=s.text, html=s.html, teams=list(s.teams), own=s.owner is not None
            )
            for s in found
        ]
    )


@router.post("/conversations/{conversation}/saved-replies/{saved_id}/render", summary="Fill a saved reply")
async def render(conversation: str, saved_id: str, asked: RenderAsked, parts: PartsOf, asker: Writes) -> Rendered:
    """As it stands in this conversation, written by this agent."""
    thread = await asker.thread(parts, conversation)
    return await _filled(
        parts, _agent(asker, asked.agent), saved_id, thread.view.inbox_id, thread.contact, thread.subject
    )


@router.post("/saved-replies/{saved_id}/render", summary="Fill a saved reply for a first message")
async def render_first(saved_id: str, asked: FirstRenderAsked, parts: PartsOf, asker: Writes) -> Rendered:
    """As it stands in a conversation that is still to begin."""
    if asked.inbox_id not in asker.readable:
        raise Problem(422, "unknown-inbox", "Unknown inbox", "`inbox_id` must name an inbox of the configuration")
    asker.trace.touches("", asked.inbox_id)
    asker.in_inbox(asked.inbox_id)
    contact = asked.to[0].model_dump() if asked.to else {}
    return await _filled(parts, _agent(asker, asked.agent), saved_id, asked.inbox_id, contact, asked.subject)


async def _filled(
    parts: Parts, agent_id: str | None, saved_id: str, inbox_id: str, contact: Mapping[str, str], subject: str
) -> Rendered:
    """Raises Problem 404, 422."""
    configuration = parts.reader.configuration
    saved = next((s for s in await _all(parts, agent_id) if s.id == saved_id), None)
    if saved is None:
        raise not_found("there is no such saved reply for you")
    values = values_for(configuration, configuration.agent(agent_id), inbox_id, contact, subject)
    try:
        text, html = rendered(saved, values)
    except (TemplateFaultError, TooDeepError) as error:
        raise Problem(422, "template", "The saved reply cannot be filled", str(error)) from error
    return Rendered(text=text, html=html)


@router.post("/saved-replies", summary="Keep a saved reply of one's own", status_code=201)
async def create(asked: SavedReplyAsked, parts: PartsOf, asker: Owns) -> SavedReplyShown:
    """422 with what is wrong with its variables."""
    owner = _own(asker, asked.agent)
    if len(await parts.writing.saved_replies.of(owner)) >= MAX_OWN:
        raise Problem(422, "too-many", "Too many", f"one person keeps at most {MAX_OWN}")
    return await _store(parts, owner, str(uuid.uuid4()), asked)


@router.put("/saved-replies/{saved_id}", summary="Change a saved reply of one's own")
async def change(saved_id: str, asked: SavedReplyAsked, parts: PartsOf, asker: Owns) -> SavedReplyShown:
    owner = _own(asker, asked.agent)
    if not any(s.id == saved_id for s in await parts.writing.saved_replies.of(owner)):
        raise not_found("there is no such saved reply of yours")
    return await _store(parts, owner, saved_id, asked)


async def _store(parts: Parts, owner: str, saved_id: str, asked: SavedReplyAsked) -> SavedReplyShown:
    saved = Saved(saved_id, asked.name.strip(), asked.text, asked.html, (), owner)
    if wrong := faults(saved):
        raise Problem(422, "template", "The saved reply cannot be filled", "; ".join(wrong))
    await parts.writing.saved_replies.put(saved)
    return SavedReplyShown(id=saved_id, name=saved.name, text=saved.text, html=saved.html, teams=[], own=True)


@router.delete("/saved-replies/{saved_id}", summary="Forget a saved reply of one's own", status_code=204)
async def remove(saved_id: str, parts: PartsOf, asker: Owns, agent: As = None) -> Response:
    if not await parts.writing.saved_replies.remove(_own(asker, agent), saved_id):
        raise not_found("there is no such saved reply of yours")
    return Response(status_code=204)
