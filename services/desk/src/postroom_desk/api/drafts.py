"""Drafts: shared, saved while they are written, handed over, approved, sent once."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.responses import JSONResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from postroom_contracts.commands import SendReply
from postroom_contracts.facts import RequestRefused
from postroom_contracts.ids import event_id
from postroom_contracts.rights import Ability, can
from postroom_contracts.values import Actor
from postroom_runtime.errors import InfrastructureError
from pydantic import ValidationError

from postroom_desk.answering.uploads import TooLargeError, UnknownUploadError, Upload
from postroom_desk.api import models as base
from postroom_desk.api import models_answering as m
from postroom_desk.api.answering import forward_command, reply_command, text_of, too_large
from postroom_desk.api.auth import PartsOf
from postroom_desk.api.guard import Asker, access_for, needs
from postroom_desk.api.problems import Problem, not_found
from postroom_desk.api.shown import agent_name
from postroom_desk.api.writes import OUTCOMES, Asking, Place, answer_of, asking
from postroom_desk.domain import draft as d
from postroom_desk.domain.notifications import Kind as RingKind
from postroom_desk.domain.notifications import Ring
from postroom_desk.domain.permissions import Operation
from postroom_desk.domain.written import TooDeepError, clean_html
from postroom_desk.domain.written import text_of as plain_text_of
from postroom_desk.parts import Parts
from postroom_desk.reading import UnknownConversationError
from postroom_desk.submit import KeyReusedError, Outcome, Submission, cause_of

router = APIRouter()
Edits = Annotated[Asking, Depends(asking(Operation.EDIT_DRAFT))]
Sends = Annotated[Asking, Depends(asking(Operation.ANSWER))]
Reads = Annotated[Asker, Depends(needs(Operation.EDIT_DRAFT))]
Kind = Annotated[Literal["reply", "note"], Query()]
_NUMBER = re.compile(r'(?:W/)?"?(\d{1,9})"?')
SentT = TypeVar("SentT", bound=m.SentAsked)
LIVE_SECONDS = 0.5
LOOK_EVERY = 4
"""After how many looks a live stream asks whether its person may still see it."""


async def _shown(parts: Parts, draft: d.Draft) -> m.DraftShown:
    written, now = draft.written, parts.clock.now()
    files = await parts.writing.uploads.store.get(written.attachments) if written.attachments else {}
    held = draft.held_until is not None and draft.held_until > now
    given = draft.handed_by is not None
    holder = draft.holder if held or given else None
    return m.DraftShown(
        **draft.model_dump(
            include={"id", "conversation_id", "kind", "number", "seen", "saved_by", "saved_at", "state", "author"}
        ),
        **written.model_dump(include={"mode", "message_id", "text", "html", "subject"}),
        to=[base.Contact(**p) for p in written.to],
        cc=[base.Contact(**p) for p in written.cc],
        bcc=[base.Contact(**p) for p in written.bcc],
        attachments=[_file(files[i]) for i in written.attachments if i in files],
        holder=holder,
        holder_name=agent_name(parts.reader.configuration, holder) if holder else "",
        held_until=draft.held_until if held else None,
        handed_by=draft.handed_by,
        refused=m.RefusedShown(**draft.refused.model_dump(exclude={"router_sequence"})) if draft.refused else None,
    )


def _file(upload: Upload) -> m.DraftFile:
    return m.DraftFile(
        upload_id=upload.id,
        filename=upload.filename,
        content_type=upload.content_type,
        body_bytes=upload.body_bytes,
        content_id=upload.content_id,
    )


async def _answer(parts: Parts, draft: d.Draft, status: int = 200) -> Response:
    shown = (await _shown(parts, draft)).model_dump(mode="json")
    return JSONResponse(shown, status, headers={"ETag": f'"{draft.number}"', "Cache-Control": "private, no-store"})


async def _settled(parts: Parts, draft: d.Draft) -> d.Draft:
    """Return the draft as it stands once what is known of its sending is taken in."""
    if draft.state != "sending":
        return draft
    record = await parts.requests.get(_request_id(draft))
    outcome = await parts.door.find(record) if record else None
    if outcome is None or outcome.event is None:
        return draft
    return await _after(parts, draft, outcome)


async def _after(parts: Parts, draft: d.Draft, outcome: Outcome) -> d.Draft:
    """Return what becomes of a draft by the outcome of its sending: nothing of it is left, or all of it."""
    refused = outcome.event.data(RequestRefused) if outcome.event and outcome.refused else None
    drafts = parts.writing.drafts
    if refused is None:
        await drafts.done(draft)
        return await drafts.read(draft.conversation_id, draft.kind)
    why = d.Refused(
        reason=refused.reason,
        changed=refused.changed,
        router_sequence=refused.router_sequence,
        at=parts.clock.now(),
    )

    def give_back(now: d.Draft) -> d.Draft:
        return d.given_back(now, why) if (now.id, now.state) == (draft.id, "sending") else now

    return await drafts.change(draft.conversation_id, draft.kind, give_back)


def _cause(draft: d.Draft) -> str:
    return cause_of("draft", f"{draft.id}.{draft.attempt}")


def _request_id(draft: d.Draft) -> str:
    return event_id(_cause(draft), SendReply.type_name())


@router.get("/conversations/{conversation}/draft", summary="Read the draft")
async def read(conversation: str, parts: PartsOf, asker: Reads, kind: Kind = "reply") -> m.DraftShown:
    """What is being written here, by whom. `ETag` is its number."""
    await asker.inbox_of(parts, conversation)
    return await _shown(parts, await _settled(parts, await parts.writing.drafts.read(conversation, kind)))


@router.get("/conversations/{conversation}/draft/versions", summary="Earlier versions of the draft")
async def versions(conversation: str, parts: PartsOf, asker: Reads, kind: Kind = "reply") -> m.DraftVersions:
    await asker.inbox_of(parts, conversation)
    draft = await parts.writing.drafts.read(conversation, kind)
    return m.DraftVersions(items=[m.DraftVersion(**v.model_dump()) for v in reversed(draft.versions)])


_CONFLICTS: dict[int | str, dict[str, Any]] = {
    409: {"description": "Somebody else writes it, or it is being sent"},
    412: {"description": "It was changed"},
}


async def _change(ask: Asking, conversation: str, kind: Kind, change: Callable[[d.Draft], d.Draft]) -> d.Draft:
    """Change the draft. Raises Problem 409 while somebody else has it."""
    drafts = ask.parts.writing.drafts
    await _settled(ask.parts, await drafts.read(conversation, kind))
    try:
        return await drafts.change(conversation, kind, change)
    except d.LockedError as error:
        name = agent_name(ask.parts.reader.configuration, error.holder) if error.holder else ""
        detail = f"{name} is writing it" if name else "it is being sent"
        raise Problem(409, "draft-locked", "Locked", detail, holder=error.holder, holder_name=name) from error


@router.put(
    "/conversations/{conversation}/draft", summary="Save the draft", response_model=m.DraftShown, responses=_CONFLICTS
)
async def save(
    conversation: str,
    asked: m.DraftAsked,
    ask: Edits,
    kind: Kind = "reply",
    draft_match: Annotated[str | None, Header(alias="X-Draft-Match", description="The number that was changed")] = None,
) -> Response:
    """Called while somebody writes: it renews their lease of 30 s, too. The HTML is cleaned as when it is sent."""
    await ask.place(conversation)
    agent_id, now = ask.actor(asked).id, ask.parts.clock.now()
    number = _NUMBER.fullmatch(draft_match.strip()) if draft_match else None
    before = await ask.parts.writing.drafts.read(conversation, kind)
    written = await _written(ask, asked, before)

    def change(draft: d.Draft) -> d.Draft:
        if number is not None and int(number[1]) != draft.number:
            raise Problem(412, "draft-changed", "Changed", "somebody else has changed this draft", number=draft.number)
        return d.saved(draft, written, agent_id, now, asked.seen)

    draft = await _change(ask, conversation, kind, change)
    await ask.parts.writing.uploads.store.hold(draft.id, written.attachments)
    return await _answer(ask.parts, draft)


async def _written(ask: Asking, asked: m.DraftAsked, before: d.Draft) -> d.Written:
    """Return what a draft says, cleaned. Raises Problem 413, 422."""
    uploads = ask.parts.writing.uploads
    try:
        files = await uploads.find(ask.asker.principal.key, asked.attachments, before.id)
        html = clean_html(asked.html, [f.content_id for f in files if f.content_id]) if asked.html.strip() else ""
    except UnknownUploadError as error:
        raise Problem(422, "unknown-upload", "Unknown file", "a file is not there any more; add it again") from error
    except TooLargeError as error:
        raise too_large(uploads.max_bytes) from error
    except TooDeepError as error:
        raise Problem(422, "invalid", "The HTML does not fit", "it is nested too deeply") from error
    return d.Written(
        mode=asked.mode,
        message_id=asked.message_id,
        text=asked.text or (plain_text_of(html) if html else ""),
        html=html,
        subject=asked.subject,
        to=[r.model_dump() for r in asked.to],
        cc=[r.model_dump() for r in asked.cc],
        bcc=[r.model_dump() for r in asked.bcc],
        attachments=[f.id for f in files],
    )


@router.post(
    "/conversations/{conversation}/draft/lease",
    summary="Write the draft",
    response_model=m.DraftShown,
    responses=_CONFLICTS,
)
async def lease(conversation: str, asked: m.LeaseAsked, ask: Edits, kind: Kind = "reply") -> Response:
    """One writes at a time; the others see it live. A lease ends 30 s after the last save."""
    await ask.place(conversation)
    agent_id, now = ask.actor(asked).id, ask.parts.clock.now()

    def change(draft: d.Draft) -> d.Draft:
        if asked.release:
            return d.released(draft, agent_id, now)
        return d.taken(draft, agent_id, now, over=asked.take_over)

    return await _answer(ask.parts, await _change(ask, conversation, kind, change))


@router.post(
    "/conversations/{conversation}/draft/hand-over",
    summary="Give the draft to a colleague",
    response_model=m.DraftShown,
    responses=_CONFLICTS,
)
async def hand_over(conversation: str, asked: m.HandOverAsked, ask: Edits, kind: Kind = "reply") -> Response:
    """They are notified of it."""
    place = await ask.place(conversation)
    if not can(ask.parts.reader.configuration, Ability.NOTE, place.inbox_id, asked.to):
        raise Problem(422, "cannot-write", "Cannot be handed over", f"{asked.to} cannot write in this inbox")
    agent_id, now = ask.actor(asked).id, ask.parts.clock.now()
    draft = await _change(ask, conversation, kind, lambda x: d.handed(x, agent_id, asked.to, now))
    await _ring(ask.parts, place, draft, "draft_handed", (asked.to,), agent_id)
    return await _answer(ask.parts, draft)


async def _ring(parts: Parts, place: Place, draft: d.Draft, kind: RingKind, whom: Iterable[str], by: str) -> None:
    """Tell colleagues of a draft. It is no fact: should MongoDB fail just now, the draft is theirs all the same."""
    ring = Ring(
        kind=kind,
        cause_id=f"{draft.id}.{draft.revision}",
        agent_ids=tuple(whom),
        conversation_id=place.conversation_id,
        inbox_id=place.inbox_id,
        team_id=None,
        at=parts.clock.now(),
        actor_id=by,
    )
    with contextlib.suppress(InfrastructureError):
        await parts.bell.ringer.ring([ring])
    parts.bell.feed.touch()


@router.delete("/conversations/{conversation}/draft", summary="Throw the draft away", status_code=204)
async def drop(
    conversation: str,
    parts: PartsOf,
    asker: Reads,
    kind: Kind = "reply",
    agent: Annotated[str | None, Query(max_length=63)] = None,
) -> Response:
    """Its files are swept a day later. 409 while somebody else writes it."""
    await asker.inbox_of(parts, conversation)
    draft = await _settled(parts, await parts.writing.drafts.read(conversation, kind))
    now = parts.clock.now()
    if draft.being_sent(now) or draft.held_by_other(asker.principal.agent_id or agent or "", now):
        raise Problem(
            409, "draft-locked", "Locked", "somebody else writes it, or it is being sent", holder=draft.holder
        )
    await parts.writing.drafts.done(draft)
    await parts.writing.uploads.store.hold(draft.id, [])
    return Response(status_code=204)


@router.post(
    "/conversations/{conversation}/draft/from/{message_id}",
    summary="Put a reply that was taken back into the draft",
    response_model=m.DraftShown,
    responses=_CONFLICTS,
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

    return await _answer(ask.parts, await _change(ask, conversation, "reply", change))


def _person(given: dict[str, object]) -> dict[str, str]:
    return {"address": str(given.get("address") or ""), "name": str(given.get("name") or "")}


@router.post(
    "/conversations/{conversation}/draft/send",
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
    parts, now = ask.parts, ask.parts.clock.now()
    place = await ask.place(conversation)
    sender = ask.actor(asked)
    approvers = parts.reader.configuration.approvers(place.inbox_id)
    may_approve = approvers is None or sender.id in approvers
    step = (
        (lambda x: d.sending(_filled(x), sender.id, now))
        if may_approve
        else (lambda x: d.asked(_filled(x), sender.id, now))
    )
    draft = await _change(ask, conversation, "reply", step)
    if not may_approve:
        await _ring(parts, place, draft, "draft_waits", sorted(approvers or ()), sender.id)
        waits = m.AwaitsApproval(approvers=sorted(approvers or ()))
        return JSONResponse(waits.model_dump(mode="json"), 202)
    try:
        outcome = await _submit(
            ask, place, draft, asked, sender, approved_by=sender.id if approvers is not None else None
        )
    except Problem:
        await parts.writing.drafts.change(conversation, "reply", d.not_sent)
        raise
    if outcome.event is not None:
        await _after(parts, draft, outcome)
    return answer_of(outcome)


def _filled(draft: d.Draft) -> d.Draft:
    """Raises Problem 422 for a draft that says nothing."""
    written = draft.written
    if not (written.text.strip() or written.html.strip() or (written.mode == "forward" and written.message_id)):
        raise Problem(422, "invalid", "Nothing to say", "there is no draft, or it is empty")
    return draft


async def _submit(
    ask: Asking, place: Place, draft: d.Draft, asked: m.SendDraftAsked, sender: Actor, approved_by: str | None
) -> Outcome:
    written, author = draft.written, Actor(kind="agent", id=draft.author) if draft.author else sender
    seen = draft.seen.partition(".")[0]
    ask = replace(
        ask, cause_id=_cause(draft), sequence=ask.sequence if ask.sequence is not None else int(seen) if seen else None
    )
    fields = written.model_dump(exclude={"mode", "subject", "message_id"}) | asked.model_dump(exclude={"agent"})
    if written.mode == "forward":
        del fields["then"]
        about = {"message_id": written.message_id or "", "subject": written.subject or None}
        wanted = _valid(m.ForwardAsked, fields | about)
        text = await text_of(ask, wanted, draft.id)
        command, content = await forward_command(ask, place, wanted, text, author, approved_by)
    else:
        answer = _valid(m.ReplyAsked, fields | {"message_id": written.message_id})
        text = await text_of(ask, answer, draft.id)
        command, content = await reply_command(ask, place, answer, text, author, approved_by)
    submission = Submission(
        ask.cause_id, place.conversation_id, command, f"draft {draft.id}", [content], ask.asker.principal.key
    )
    try:
        return await ask.parts.door.submit(submission)
    except KeyReusedError as error:  # cannot be: the draft's id is nobody else's
        raise Problem(422, "key-reused", "Sent already", "this draft was sent before") from error


def _valid(model: type[SentT], fields: Mapping[str, Any]) -> SentT:
    """Raises Problem 422 for a draft that cannot be sent as it is, such as a forward to nobody."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        detail = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise Problem(422, "invalid", "The draft cannot be sent yet", detail) from error


async def _follows(conversation: str, parts: PartsOf, asker: Reads) -> Asker:
    """Dependency: checked before the answer begins, so that a refusal can still be a problem."""
    await asker.inbox_of(parts, conversation)
    return asker


@router.get(
    "/conversations/{conversation}/draft/live", summary="Follow the draft (SSE)", response_class=EventSourceResponse
)
async def live(
    conversation: str, parts: PartsOf, asker: Annotated[Asker, Depends(_follows)], kind: Kind = "reply"
) -> AsyncIterator[ServerSentEvent]:
    """The draft as somebody writes it: at the beginning, and after each change. Ends with the right to see it."""
    last, looks = -1, 0
    while True:
        draft = await parts.writing.drafts.read(conversation, kind)
        if draft.revision != last:
            last = draft.revision
            yield ServerSentEvent(
                event="draft", data=(await _shown(parts, draft)).model_dump(mode="json"), id=str(last)
            )
        await asyncio.sleep(LIVE_SECONDS)
        looks += 1
        if looks % LOOK_EVERY == 0 and not await _may_follow(conversation, parts, asker):
            return


async def _may_follow(conversation: str, parts: Parts, asker: Asker) -> bool:
    try:
        now = replace(asker, access=access_for(asker.principal, parts))
        await now.inbox_of(parts, conversation)
        return await asker.still_valid()
    except (Problem, UnknownConversationError, InfrastructureError):
        return False
