"""Drafts of replies, which are shared, and of notes, each its writer's: saved while written, handed over, approved, sent once."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from postroom_contracts.events import Data
from postroom_contracts.rights import Ability, can
from postroom_contracts.values import Actor
from postroom_runtime.errors import InfrastructureError

from postroom_desk.answering.drafts import Seat
from postroom_desk.api import draft_shown, drafting, merged_drafts
from postroom_desk.api import models as base
from postroom_desk.api import models_answering as answers
from postroom_desk.api import models_drafts as m
from postroom_desk.api.answering import forward_command, reply_command, text_of
from postroom_desk.api.auth import PartsOf
from postroom_desk.api.drafting import CONFLICTS, Match
from postroom_desk.api.folders import AgentNamed, acting_agent
from postroom_desk.api.guard import Asker, access_for, needs
from postroom_desk.api.problems import Problem, not_found
from postroom_desk.api.writes import OUTCOMES, Asking, Place, answer_of, asking
from postroom_desk.domain import draft as d
from postroom_desk.domain.permissions import Operation
from postroom_desk.parts import Parts
from postroom_desk.reading import UnknownConversationError

router = APIRouter()
Edits = Annotated[Asking, Depends(asking(Operation.EDIT_DRAFT))]
Sends = Annotated[Asking, Depends(asking(Operation.ANSWER))]
Reads = Annotated[Asker, Depends(needs(Operation.EDIT_DRAFT))]
Kind = Annotated[Literal["reply", "note"], Query()]
_DRAFT = "/conversations/{conversation}/draft"


def _seat(parts: Parts, asker: Asker, conversation: str, kind: Literal["reply", "note"], agent: str | None) -> Seat:
    """Return where the draft lies: a note's by its person. Raises Problem 403, 422 when nobody is named."""
    return Seat(conversation, kind, acting_agent(asker, parts, agent) if kind == "note" else None)


def _seat_of(ask: Asking, conversation: str, kind: Literal["reply", "note"], asked: base.Asked) -> Seat:
    return Seat(conversation, kind, ask.actor(asked).id if kind == "note" else None)


@router.get(_DRAFT, summary="Read the draft")
async def read(
    conversation: str, parts: PartsOf, asker: Reads, kind: Kind = "reply", agent: AgentNamed = None
) -> m.DraftShown:
    """What is being written here, by whom. `ETag` is its number. A note's draft is its writer's: `agent` says whose.

    What was written in a conversation that was merged into this one comes along when there is nothing here.
    """
    await asker.inbox_of(parts, conversation)
    seat = _seat(parts, asker, conversation, kind, agent)
    draft = await merged_drafts.read(parts, seat, asker.principal.agent_id or agent or "")
    return await draft_shown.shown(parts, draft)


@router.get(f"{_DRAFT}/versions", summary="Earlier versions of the draft")
async def versions(
    conversation: str, parts: PartsOf, asker: Reads, kind: Kind = "reply", agent: AgentNamed = None
) -> m.DraftVersions:
    await asker.inbox_of(parts, conversation)
    seat = _seat(parts, asker, conversation, kind, agent)
    return draft_shown.versions_of(parts, await parts.writing.drafts.read(seat))


@router.post(
    f"{_DRAFT}/versions/{{number}}/restore",
    summary="Put an earlier version of the draft back",
    response_model=m.DraftShown,
    responses=CONFLICTS,
)
async def restore_version(
    conversation: str, number: int, asked: base.Asked, ask: Edits, kind: Kind = "reply"
) -> Response:
    """Its text; to whom and with which files stays. What stood there becomes a version."""
    await ask.place(conversation)
    seat = _seat_of(ask, conversation, kind, asked)
    return await drafting.restore_version(ask, seat, number, ask.actor(asked).id)


@router.put(_DRAFT, summary="Save the draft", response_model=m.DraftShown, responses=CONFLICTS)
async def save(
    conversation: str, asked: m.DraftAsked, ask: Edits, kind: Kind = "reply", draft_match: Match = None
) -> Response:
    """Called while somebody writes: it renews their lease of 30 s, too. The HTML is cleaned as when it is sent."""
    await ask.place(conversation)
    agent_id, now = ask.actor(asked).id, ask.parts.clock.now()
    seat = _seat_of(ask, conversation, kind, asked)
    before = await ask.parts.writing.drafts.read(seat)
    written = await drafting.written_of(ask, asked, before, mode=asked.mode, message_id=asked.message_id)
    return await drafting.save(
        ask, seat, draft_match, written, lambda draft: d.saved(draft, written, agent_id, now, asked.seen)
    )


@router.post(f"{_DRAFT}/lease", summary="Write the draft", response_model=m.DraftShown, responses=CONFLICTS)
async def lease(conversation: str, asked: m.LeaseAsked, ask: Edits, kind: Kind = "reply") -> Response:
    """One writes at a time; the others see it live. A lease ends 30 s after the last save."""
    await ask.place(conversation)
    return await drafting.leased(ask, _seat_of(ask, conversation, kind, asked), asked, ask.actor(asked).id)


@router.post(
    f"{_DRAFT}/hand-over", summary="Give the draft to a colleague", response_model=m.DraftShown, responses=CONFLICTS
)
async def hand_over(conversation: str, asked: m.HandOverAsked, ask: Edits, kind: Kind = "reply") -> Response:
    """They are notified of it. A note is its writer's until it is added: 422."""
    place = await ask.place(conversation)
    if kind == "note":
        raise Problem(422, "own-note", "Cannot be handed over", "a note is its writer's until it is added")
    if not can(ask.parts.reader.configuration, Ability.NOTE, place.inbox_id, asked.to):
        raise Problem(422, "cannot-write", "Cannot be handed over", f"{asked.to} cannot write in this inbox")
    agent_id, now = ask.actor(asked).id, ask.parts.clock.now()
    draft = await drafting.change(ask, Seat(conversation, kind), lambda x: d.handed(x, agent_id, asked.to, now))
    await drafting.ring(ask.parts, place, draft, "draft_handed", (asked.to,), agent_id)
    return await draft_shown.answer(ask.parts, draft)


@router.delete(_DRAFT, summary="Throw the draft away", status_code=204)
async def drop(
    conversation: str, parts: PartsOf, asker: Reads, kind: Kind = "reply", agent: AgentNamed = None
) -> Response:
    """Its files are swept a day later. 409 while somebody else writes it."""
    await asker.inbox_of(parts, conversation)
    seat = _seat(parts, asker, conversation, kind, agent)
    draft = await drafting.settled(parts, await parts.writing.drafts.read(seat))
    return await drafting.drop(parts, draft, asker.principal.agent_id or agent or "")


@router.post(
    f"{_DRAFT}/from/{{message_id}}",
    summary="Put a reply that was taken back into the draft",
    response_model=m.DraftShown,
    responses=CONFLICTS,
)
async def restore(conversation: str, message_id: str, asked: base.Asked, ask: Edits) -> Response:
    """Of a reply that was cancelled, held back or not delivered. Only where nothing else is being written."""
    thread = await ask.asker.thread(ask.parts, conversation)
    item = thread.message(message_id)
    if item is None or not item.content or item.view.delivery not in ("cancelled", "failed", "bounced"):
        raise not_found("there is no such reply that did not go out")
    content, now, agent_id = item.content, ask.parts.clock.now(), ask.actor(asked).id
    written = d.Written(
        mode="forward" if item.view.reply_kind == "forward" else "reply",
        text=str(content.get("text") or ""),
        html=str(content.get("html") or ""),
        subject=str(content.get("subject") or ""),
        **{n: [_person(p) for p in content.get(n) or ()] for n in ("to", "cc", "bcc")},
    )

    def change(draft: d.Draft) -> d.Draft:
        if draft.written.text.strip() or draft.written.html.strip():
            raise Problem(409, "draft-there", "A draft is there", "send or drop what is being written first")
        return d.saved(draft, written, agent_id, now, thread.view.etag)

    return await draft_shown.answer(ask.parts, await drafting.change(ask, Seat(conversation, "reply"), change))


def _person(given: dict[str, object]) -> dict[str, str]:
    return {"address": str(given.get("address") or ""), "name": str(given.get("name") or "")}


@router.post(
    f"{_DRAFT}/send",
    summary="Send the draft",
    responses={
        **OUTCOMES,
        202: {"model": base.Pending | m.AwaitsApproval, "description": "Taken, or it waits for an approver"},
    },
)
async def send(conversation: str, asked: m.SendDraftAsked, ask: Sends) -> Response:
    """Once, however often it is asked for. A refused one stays as the draft, with what changed.

    In an inbox with `approval`, of somebody who is no approver, it waits for one instead: 202, `awaiting_approval`.
    """
    place, sender = await ask.place(conversation), ask.actor(asked)
    seat = Seat(conversation, "reply")
    draft, waits, approved_by = await drafting.let_go(ask, place, seat, sender.id, _filled)
    if waits is not None:
        return waits
    seen = draft.seen.partition(".")[0]
    sequence = ask.sequence if ask.sequence is not None else int(seen) if seen else None
    ask = replace(ask, cause_id=drafting.draft_cause(draft), sequence=sequence)
    author = Actor(kind="agent", id=draft.author) if draft.author else sender

    async def made() -> tuple[str, Data, Any]:
        command, content = await _command(ask, place, draft, asked, author, approved_by)
        return place.conversation_id, command, content

    return answer_of(await drafting.submit(ask, draft, made))


def _filled(draft: d.Draft) -> d.Draft:
    """Raises Problem 422 for a draft that says nothing."""
    written = draft.written
    if not (written.text.strip() or written.html.strip() or (written.mode == "forward" and written.message_id)):
        raise Problem(422, "invalid", "Nothing to say", "there is no draft, or it is empty")
    return draft


async def _command(
    ask: Asking, place: Place, draft: d.Draft, asked: m.SendDraftAsked, author: Actor, approved_by: str | None
) -> tuple[Data, dict[str, Any]]:
    written = draft.written
    fields = written.model_dump(exclude={"mode", "subject", "message_id", "inbox_id"}) | asked.model_dump(
        exclude={"agent"}
    )
    if written.mode == "forward":
        del fields["then"]
        about = {"message_id": written.message_id or "", "subject": written.subject or None}
        wanted = drafting.valid(answers.ForwardAsked, fields | about)
        text = await text_of(ask, wanted, draft.id)
        return await forward_command(ask, place, wanted, text, author, approved_by)
    answer = drafting.valid(answers.ReplyAsked, fields | {"message_id": written.message_id})
    text = await text_of(ask, answer, draft.id)
    return await reply_command(ask, place, answer, text, author, approved_by)


async def _follows(
    conversation: str, parts: PartsOf, asker: Reads, kind: Kind = "reply", agent: AgentNamed = None
) -> tuple[Asker, Seat]:
    """Dependency: checked before the answer begins, so that a refusal can still be a problem."""
    await asker.inbox_of(parts, conversation)
    return asker, _seat(parts, asker, conversation, kind, agent)


@router.get(f"{_DRAFT}/live", summary="Follow the draft (SSE)", response_class=EventSourceResponse)
async def live(
    parts: PartsOf, follows: Annotated[tuple[Asker, Seat], Depends(_follows)]
) -> AsyncIterator[ServerSentEvent]:
    """The draft as somebody writes it: at the beginning, and after each change. Ends with the right to see it."""
    asker, seat = follows

    async def may_follow() -> bool:
        return await _may_follow(seat.conversation_id, parts, asker)

    async for change in draft_shown.changes_of(parts, seat, may_follow):
        yield change


async def _may_follow(conversation: str, parts: Parts, asker: Asker) -> bool:
    try:
        now = replace(asker, access=access_for(asker.principal, parts))
        await now.inbox_of(parts, conversation)
        return await asker.still_valid()
    except (Problem, UnknownConversationError, InfrastructureError):
        return False
