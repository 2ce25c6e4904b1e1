"""Drafts of conversations that are still to begin, their writer's alone until they are handed over; and one's list of all drafts.

A draft has an id that its writer makes up, so that the first save may be repeated. Which inbox it is to go out from it says
itself: whoever may not read that inbox finds no draft, and to send it needs the right to send from there.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from postroom_contracts.events import Data
from postroom_contracts.rights import Ability, can
from postroom_contracts.values import Actor
from postroom_runtime.errors import InfrastructureError

from postroom_desk.answering.drafts import Seat
from postroom_desk.api import draft_shown, drafting
from postroom_desk.api import models as base
from postroom_desk.api import models_answering as answers
from postroom_desk.api import models_drafts as m
from postroom_desk.api.answering import start_command, text_of
from postroom_desk.api.auth import PartsOf
from postroom_desk.api.drafting import CONFLICTS, NEW, Match
from postroom_desk.api.folders import AgentNamed, acting_agent
from postroom_desk.api.guard import Asker, access_for, needs
from postroom_desk.api.problems import Problem, not_found
from postroom_desk.api.shown import BASE
from postroom_desk.api.writes import OUTCOMES, Asking, Place, answer_of, asking
from postroom_desk.domain import draft as d
from postroom_desk.domain.permissions import Operation
from postroom_desk.parts import Parts
from postroom_desk.reading import PREVIEW_CHARACTERS, Row

router = APIRouter()
MOST = 200
"""How many drafts one person finds among theirs, and may have begun."""
DraftId = Annotated[str, Path(alias="draft", pattern=r"^[0-9A-Za-z-]{8,64}$", description="Made up by who begins it")]
Edits = Annotated[Asking, Depends(asking(Operation.EDIT_DRAFT))]
Sends = Annotated[Asking, Depends(asking(Operation.START_CONVERSATION))]
Reads = Annotated[Asker, Depends(needs(Operation.EDIT_DRAFT))]
Lists = Annotated[Asker, Depends(needs(Operation.LIST_CONVERSATIONS))]
_DRAFT = "/drafts/{draft}"


def _seat(draft_id: str) -> Seat:
    return Seat(draft_id, "start")


def _there(asker: Asker, draft: d.Draft, agent_id: str) -> d.Draft:
    """Return the draft, which this person sees. Raises Problem 404, and 403 when they may only look."""
    inbox_id = draft.written.inbox_id
    if not draft.number or agent_id not in draft.people or inbox_id not in asker.readable:
        raise not_found("there is no such draft")
    asker.trace.about = draft.conversation_id
    asker.trace.touches("", inbox_id)
    asker.in_inbox(inbox_id)
    return draft


async def opened(parts: Parts, asker: Asker, draft_id: str, agent_id: str) -> d.Draft:
    """Return a draft of somebody's. Raises Problem 404, 403."""
    draft = await drafting.settled(parts, await parts.writing.drafts.read(_seat(draft_id)))
    return _there(asker, draft, agent_id)


async def _asked_for(ask: Asking, draft_id: str, asked: base.Asked) -> tuple[d.Draft, Place, Actor]:
    actor = ask.actor(asked)
    draft = await opened(ask.parts, ask.asker, draft_id, actor.id)
    return draft, Place(f"{NEW}{draft_id}", draft.written.inbox_id), actor


# --- the list -----------------------------------------------------------------------------------------------------


@router.get("/drafts", summary="One's drafts")
async def read_drafts(parts: PartsOf, asker: Lists, agent: AgentNamed = None) -> m.DraftRows:
    """The last written first, at most 200: of new conversations, replies that one wrote last or was given, and notes."""
    return m.DraftRows(items=await drafts_of(parts, asker.readable, acting_agent(asker, parts, agent)))


async def drafts_of(parts: Parts, readable: frozenset[str], agent_id: str) -> list[m.DraftRow]:
    """Return somebody's drafts in the inboxes that they may read now."""
    stored = await parts.writing.drafts.store.of(agent_id, MOST)
    found = [x for x in [await drafting.settled(parts, x) for x in stored] if x.number]
    wanted = {x.conversation_id for x in found if x.kind != "start"}
    views = await parts.reader.conversations.get(wanted, readable)
    rows = {row.id: row for row in await parts.reader.rows(views)}
    return [shown for x in found if (shown := _row(x, rows, readable)) is not None]


def _row(draft: d.Draft, rows: Mapping[str, Row], readable: frozenset[str]) -> m.DraftRow | None:
    written, row = draft.written, rows.get(draft.conversation_id)
    begins = draft.kind == "start"
    inbox_id = written.inbox_id if begins else row.view.inbox_id if row else ""
    if inbox_id not in readable:
        return None
    kept = {"kind", "conversation_id", "saved_at", "saved_by", "handed_by", "state"}
    own = f"{BASE}/conversations/{draft.conversation_id}/draft?kind={draft.kind}"
    goes_on = row.view.merged_into if row and not begins else None  # where the draft comes along
    return m.DraftRow(
        **draft.model_dump(include=kept),
        inbox_id=inbox_id,
        subject=row.subject if row and not begins else written.subject,
        to=", ".join(p["address"] for p in written.to),
        preview=" ".join(written.text.split())[:PREVIEW_CHARACTERS],
        href=f"{BASE}/drafts/{draft.conversation_id}" if begins else own,
        page=f"/conversations/{NEW if begins else ''}{goes_on or draft.conversation_id}",
    )


# --- one draft ----------------------------------------------------------------------------------------------------


@router.get(_DRAFT, summary="Read the draft of a new conversation")
async def read(draft_id: DraftId, parts: PartsOf, asker: Reads, agent: AgentNamed = None) -> m.DraftShown:
    """404 for whoever neither began it nor was given it. `ETag` is its number."""
    return await draft_shown.shown(parts, await opened(parts, asker, draft_id, acting_agent(asker, parts, agent)))


@router.put(_DRAFT, summary="Save the draft of a new conversation", response_model=m.DraftShown, responses=CONFLICTS)
async def save(draft_id: DraftId, asked: m.FirstDraftAsked, ask: Edits, draft_match: Match = None) -> Response:
    """The first save begins it, under an id that nobody has used. Called while somebody writes; it renews their lease."""
    agent_id, now, seat = ask.actor(asked).id, ask.parts.clock.now(), _seat(draft_id)
    before = await ask.parts.writing.drafts.read(seat)
    if before.number:
        _there(ask.asker, before, agent_id)
    elif len(await ask.parts.writing.drafts.store.of(agent_id, MOST)) >= MOST:
        raise Problem(422, "too-many", "Too many drafts", f"send or discard some: {MOST} drafts are kept for a person")
    _may_write(ask, asked.inbox_id)
    written = await drafting.written_of(ask, asked, before, inbox_id=asked.inbox_id)

    def step(draft: d.Draft) -> d.Draft:
        if draft.number:
            _there(ask.asker, draft, agent_id)
        own = draft.model_copy(update={"people": draft.people or [agent_id]})
        return d.saved(own, written, agent_id, now)

    return await drafting.save(ask, seat, draft_match, written, step)


def _may_write(ask: Asking, inbox_id: str) -> None:
    """Raises Problem: 403, or 422 if the inbox does not exist for them."""
    if inbox_id not in ask.asker.readable:
        raise Problem(422, "unknown-inbox", "Unknown inbox", "`inbox_id` must name an inbox of the configuration")
    ask.asker.trace.touches("", inbox_id)
    ask.asker.in_inbox(inbox_id)


@router.delete(_DRAFT, summary="Throw the draft of a new conversation away", status_code=204)
async def drop(draft_id: DraftId, parts: PartsOf, asker: Reads, agent: AgentNamed = None) -> Response:
    """Its files are swept a day later. 409 while somebody else writes it."""
    agent_id = acting_agent(asker, parts, agent)
    return await drafting.drop(parts, await opened(parts, asker, draft_id, agent_id), agent_id)


@router.post(
    f"{_DRAFT}/lease", summary="Write the draft of a new conversation", response_model=m.DraftShown, responses=CONFLICTS
)
async def lease(draft_id: DraftId, asked: m.LeaseAsked, ask: Edits) -> Response:
    """Needed only once it was handed over: then several see it, and one writes."""
    await _asked_for(ask, draft_id, asked)
    return await drafting.leased(ask, _seat(draft_id), asked, ask.actor(asked).id)


@router.post(
    f"{_DRAFT}/hand-over",
    summary="Give the draft of a new conversation to a colleague",
    response_model=m.DraftShown,
    responses=CONFLICTS,
)
async def hand_over(draft_id: DraftId, asked: m.HandOverAsked, ask: Edits) -> Response:
    """They are notified, see it from now on and go on with it; whoever gave it still sees it."""
    _, place, actor = await _asked_for(ask, draft_id, asked)
    if not can(ask.parts.reader.configuration, Ability.NOTE, place.inbox_id, asked.to):
        raise Problem(422, "cannot-write", "Cannot be handed over", f"{asked.to} cannot write in this inbox")
    now = ask.parts.clock.now()
    draft = await drafting.change(ask, _seat(draft_id), lambda x: d.handed(x, actor.id, asked.to, now))
    await drafting.ring(ask.parts, place, draft, "draft_handed", (asked.to,), actor.id)
    return await draft_shown.answer(ask.parts, draft)


@router.get(f"{_DRAFT}/versions", summary="Earlier versions of the draft of a new conversation")
async def versions(draft_id: DraftId, parts: PartsOf, asker: Reads, agent: AgentNamed = None) -> m.DraftVersions:
    draft = await opened(parts, asker, draft_id, acting_agent(asker, parts, agent))
    return draft_shown.versions_of(parts, draft)


@router.post(
    f"{_DRAFT}/versions/{{number}}/restore",
    summary="Put an earlier version of the draft of a new conversation back",
    response_model=m.DraftShown,
    responses=CONFLICTS,
)
async def restore_version(draft_id: DraftId, number: int, asked: base.Asked, ask: Edits) -> Response:
    """Its text, subject and receivers; the files stay. What stood there becomes a version."""
    _, _, actor = await _asked_for(ask, draft_id, asked)
    return await drafting.restore_version(ask, _seat(draft_id), number, actor.id)


@router.post(
    f"{_DRAFT}/send",
    summary="Send the draft, which begins the conversation",
    responses={
        **OUTCOMES,
        202: {"model": base.Pending | m.AwaitsApproval, "description": "Taken, or it waits for an approver"},
    },
)
async def send(draft_id: DraftId, asked: m.SendFirstAsked, ask: Sends) -> Response:
    """Once, however often it is asked for; then the draft is gone. A refused one stays.

    In an inbox with `approval`, of somebody who is no approver, it waits for one, who sees it from now on: 202.
    """
    _, place, sender = await _asked_for(ask, draft_id, asked)

    def ready(draft: d.Draft) -> d.Draft:
        _wanted(_there(ask.asker, draft, sender.id), asked)
        return draft

    draft, waits, approved_by = await drafting.let_go(ask, place, _seat(draft_id), sender.id, ready)
    if waits is not None:
        return waits
    author = Actor(kind="agent", id=draft.author) if draft.author else sender
    sends = replace(ask, cause_id=drafting.draft_cause(draft))

    async def made() -> tuple[str, Data, Any]:
        wanted = _wanted(draft, asked)
        sends.asker.trace.conversations.clear()  # its conversation comes first
        there = sends.new_place(wanted.inbox_id)
        text = await text_of(sends, wanted, draft.id)
        return there.conversation_id, *start_command(sends, wanted, text, author, approved_by)

    return answer_of(await drafting.submit(sends, draft, made))


def _wanted(draft: d.Draft, asked: m.SendFirstAsked) -> answers.StartAsked:
    """Return what is to go out. Raises Problem 422 for what cannot go yet: to nobody, or without a subject."""
    fields = draft.written.model_dump(exclude={"mode", "message_id"}) | asked.model_dump(exclude={"agent"})
    return drafting.valid(answers.StartAsked, fields)


async def _follows(draft_id: DraftId, parts: PartsOf, asker: Reads, agent: AgentNamed = None) -> tuple[Asker, str, str]:
    agent_id = acting_agent(asker, parts, agent)
    await opened(parts, asker, draft_id, agent_id)
    return asker, draft_id, agent_id


@router.get(
    f"{_DRAFT}/live", summary="Follow the draft of a new conversation (SSE)", response_class=EventSourceResponse
)
async def live(
    parts: PartsOf, follows: Annotated[tuple[Asker, str, str], Depends(_follows)]
) -> AsyncIterator[ServerSentEvent]:
    """The draft as somebody writes it: at the beginning, and after each change. Ends with the right to see it, or with it."""
    asker, draft_id, agent_id = follows

    async def may_follow() -> bool:
        now = replace(asker, access=access_for(asker.principal, parts))
        try:
            await opened(parts, now, draft_id, agent_id)
            return await asker.still_valid()
        except (Problem, InfrastructureError):
            return False

    async for change in draft_shown.changes_of(parts, _seat(draft_id), may_follow):
        yield change
