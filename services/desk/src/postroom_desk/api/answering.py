"""Writing: first messages, replies, forwards, notes; taking back, splitting, watching."""

import asyncio
import json
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import JSONResponse
from postroom_contracts import commands as c
from postroom_contracts.events import Data
from postroom_contracts.ids import conversation_id as new_conversation_id
from postroom_contracts.values import Actor, Address, Attachment, ContentReference
from postroom_runtime.clock import monotonic

from postroom_desk.answering.compose import Text, document, stored_people, written
from postroom_desk.answering.drafts import Seat
from postroom_desk.answering.uploads import TooLargeError, UnknownUploadError
from postroom_desk.api import models as base
from postroom_desk.api import models_answering as m
from postroom_desk.api.auth import PartsOf
from postroom_desk.api.guard import Asker, needs
from postroom_desk.api.problems import Problem, not_found
from postroom_desk.api.writes import OUTCOMES, Asking, Place, asking, carry_out, in_zone
from postroom_desk.domain import access as rights
from postroom_desk.domain.access import Ability
from postroom_desk.domain.draft import Draft
from postroom_desk.domain.permissions import Operation
from postroom_desk.domain.preview import preview
from postroom_desk.domain.recipients import Person, own_addresses, suggested
from postroom_desk.domain.written import TooDeepError
from postroom_desk.reading import Thread, ThreadMessage

router = APIRouter(responses=OUTCOMES)
Starts = Annotated[Asking, Depends(asking(Operation.START_CONVERSATION))]
Answers = Annotated[Asking, Depends(asking(Operation.ANSWER))]
Notes = Annotated[Asking, Depends(asking(Operation.ADD_NOTE))]
Handles = Annotated[Asking, Depends(asking(Operation.HANDLE))]
Watches = Annotated[Asking, Depends(asking(Operation.WATCH))]
_MENTION = re.compile(r"(?<![\w@.])@([a-z0-9][a-z0-9-]{0,62})(?![\w@])")
_POLL_SECONDS = 0.05


def addresses(recipients: Sequence[base.Recipient]) -> list[Address]:
    return [Address(address=r.address, name=r.name) for r in recipients]


async def text_of(ask: Asking, asked: m.WrittenAsked, draft_id: str | None = None) -> Text:
    """Return the cleaned text with its files, which stay for good. Raises Problem 422, 413."""
    uploads = ask.parts.writing.uploads
    try:
        files = await uploads.find(ask.asker.principal.key, asked.attachments, draft_id)
        found = written(asked.text, asked.html, files)
        await uploads.use(found.files)
    except UnknownUploadError as error:
        detail = "a file of `attachments` is not there, or not yours; add it again"
        raise Problem(422, "unknown-upload", "Unknown file", detail) from error
    except TooLargeError as error:
        raise too_large(uploads.max_bytes) from error
    except TooDeepError as error:
        raise Problem(422, "invalid", "The HTML does not fit", "it is nested too deeply") from error
    if found.is_empty and not isinstance(asked, m.ForwardAsked):
        raise Problem(422, "invalid", "Nothing to say", "nothing is left of the text once it is cleaned")
    return found


def too_large(max_bytes: int) -> Problem:
    detail = f"the files of a message have at most {max_bytes // 1_000_000} MB together"
    return Problem(413, "too-large", "Too large", detail)


def send_at(ask: Asking, asked: m.SentAsked) -> datetime | None:
    """Return when it leaves; None: now. Raises Problem 422 for a time without zone."""
    at: datetime | None = in_zone(asked.send_at)
    return at or (ask.parts.clock.now() + timedelta(seconds=asked.undo_seconds) if asked.undo_seconds else None)


@router.post("/conversations", summary="Write first")
async def start(asked: m.StartAsked, ask: Starts) -> Response:
    """Starts a conversation with a message of ours."""
    place, text = ask.new_place(asked.inbox_id), await text_of(ask, asked)
    command, content = start_command(ask, asked, text, ask.actor(asked))
    return await carry_out(ask, place, command, asked, content)


def start_command(
    ask: Asking, asked: m.StartAsked, text: Text, actor: Actor, approved_by: str | None = None
) -> tuple[c.StartConversation, dict[str, Any]]:
    """Return the command and the content of a first message."""
    to, cc, bcc = addresses(asked.to), addresses(asked.cc), addresses(asked.bcc)
    people = {"to": stored_people(to), "cc": stored_people(cc), "bcc": stored_people(bcc)}
    reference, content = document("start", ask.message_id(), asked.inbox_id, text, subject=asked.subject, **people)
    command = c.StartConversation(
        actor=actor,
        message_id=ask.message_id(),
        inbox_id=asked.inbox_id,
        to=to,
        cc=cc,
        bcc=bcc,
        content=reference,
        attachments=[f.attachment for f in text.files],
        send_at=send_at(ask, asked),
        approved_by=approved_by,
    )
    return command, content


@router.post("/conversations/{conversation}/reply", summary="Answer the customer")
async def reply(conversation: str, asked: m.ReplyAsked, ask: Answers) -> Response:
    """Refused when a customer or colleague wrote since `If-Match`. `then` resolves or waits in the same decision."""
    place = await ask.place(conversation)
    text = await text_of(ask, asked)
    command, content = await reply_command(ask, place, asked, text, ask.actor(asked))
    return await carry_out(ask, place, command, asked, content)


async def reply_command(
    ask: Asking, place: Place, asked: m.ReplyAsked, text: Text, actor: Actor, approved_by: str | None = None
) -> tuple[c.SendReply, dict[str, Any]]:
    """Return the command and the content of a reply. Raises Problem 404 for a message that is not in the conversation."""
    to, cc, bcc = addresses(asked.to), addresses(asked.cc), addresses(asked.bcc)
    answered = None
    if asked.message_id is not None:
        answered = _message(await ask.asker.thread(ask.parts, place.conversation_id), asked.message_id)
        own = own_addresses(ask.parts.reader.configuration)
        to = to or [Address(address=p.address, name=p.name) for p in suggested(answered.content, "reply", own).to]
    people = {"to": stored_people(to), "cc": stored_people(cc), "bcc": stored_people(bcc)}
    reference, content = document("reply", ask.message_id(), place.inbox_id, text, **people)
    command = c.SendReply(
        actor=actor,
        expected_sequence=ask.sequence,
        message_id=ask.message_id(),
        content=reference,
        via="api",
        to=to,
        cc=cc,
        bcc=bcc,
        attachments=[f.attachment for f in text.files],
        send_at=send_at(ask, asked),
        then=asked.then,
        hold_if_customer_writes=asked.hold_if_customer_writes,
        approved_by=approved_by,
        **_answers(answered),
    )
    return command, content


def _answers(answered: ThreadMessage | None) -> dict[str, Any]:
    if answered is None:
        return {}
    reference = ContentReference(content_id=answered.view.content_id, sha256=str(answered.content.get("sha256") or ""))
    return {"answers": reference, "answers_message_id": answered.view.message_id}


def _message(thread: Thread, message_id: str) -> ThreadMessage:
    found = thread.message(message_id)
    if found is None or found.view.erased or not found.content or found.view.kind == "note":
        raise not_found("this conversation has no such message that could be answered or passed on")
    return found


@router.post("/conversations/{conversation}/forward", summary="Pass a message on to third parties")
async def forward(conversation: str, asked: m.ForwardAsked, ask: Answers) -> Response:
    """The customer gets nothing of it. What the third parties answer comes back into this conversation."""
    place = await ask.place(conversation)
    text = await text_of(ask, asked)
    command, content = await forward_command(ask, place, asked, text, ask.actor(asked))
    return await carry_out(ask, place, command, asked, content)


async def forward_command(
    ask: Asking, place: Place, asked: m.ForwardAsked, text: Text, actor: Actor, approved_by: str | None = None
) -> tuple[c.SendReply, dict[str, Any]]:
    """Return the command and the content of a forward. Raises Problem 404, 413."""
    original = _message(await ask.asker.thread(ask.parts, place.conversation_id), asked.message_id)
    there = original.content.get("attachments") or []
    files = [f for f in there if asked.original_files or f.get("inline")]
    limit = ask.parts.writing.uploads.max_bytes
    if sum(int(f.get("body_bytes") or 0) for f in files) + sum(f.body_bytes for f in text.files) > limit:
        raise too_large(limit)
    to, cc, bcc = addresses(asked.to), addresses(asked.cc), addresses(asked.bcc)
    people = {"to": stored_people(to), "cc": stored_people(cc), "bcc": stored_people(bcc)}
    reference, content = document(
        "reply", ask.message_id(), place.inbox_id, text, files, subject=asked.subject or "", **people
    )
    command = c.SendReply(
        actor=actor,
        message_id=ask.message_id(),
        content=reference,
        via="api",
        to=to,
        cc=cc,
        bcc=bcc,
        attachments=[Attachment.model_validate(f) for f in content["attachments"]],
        send_at=send_at(ask, asked),
        reply_kind="forward",
        hold_if_customer_writes=asked.hold_if_customer_writes,
        approved_by=approved_by,
        **_answers(original),
    )
    return command, content


@router.post("/conversations/{conversation}/note", summary="Add an internal note")
async def note(conversation: str, asked: m.NoteAsked, ask: Notes) -> Response:
    """Who is mentioned is told, and must be able to read the conversation."""
    place = await ask.place(conversation)
    draft = await _draft_of(ask, conversation, asked)
    text = await text_of(ask, asked, draft.id if draft else None)
    reference, content = document("note", ask.message_id(), place.inbox_id, text)
    command = c.AddNote(
        actor=ask.actor(asked),
        expected_sequence=ask.sequence,
        message_id=ask.message_id(),
        content=reference,
        mentions=mentioned(ask, place, asked.mentions, text.text),
    )
    answer = await carry_out(ask, place, command, asked, content)
    if draft and answer.status_code == HTTPStatus.OK:
        await ask.parts.writing.drafts.done(draft)
        ask.parts.folders.touch()
    return answer


async def _draft_of(ask: Asking, conversation: str, asked: m.NoteAsked) -> Draft | None:
    """Return the draft that a note was; None when it is gone, or was another's."""
    draft = await ask.parts.writing.drafts.read(Seat(conversation, "note", ask.actor(asked).id))
    return draft if draft.id == asked.draft_id else None


def mentioned(ask: Asking, place: Place, named: Sequence[str], text: str) -> list[str]:
    """Return who is told of a note. Raises Problem 422 for who may not read it: they would get it by mail."""
    configuration = ask.parts.reader.configuration
    in_text = [name for name in _MENTION.findall(text) if configuration.agent(name) is not None]
    everybody = list(dict.fromkeys([*named, *in_text]))
    for agent_id in everybody:
        if not rights.access_of(configuration, agent_id).can(Ability.READ, place.inbox_id):
            detail = f"{agent_id} cannot read this conversation, so they cannot be mentioned"
            raise Problem(422, "cannot-read", "Cannot be mentioned", detail)
    return everybody


@router.get(
    "/conversations/{conversation}/recipients",
    summary="To whom an answer would go",
    responses={200: {"model": m.SuggestedRecipients, "description": "As they stand now"}},
)
async def recipients(
    conversation: str,
    parts: PartsOf,
    asker: Annotated[Asker, Depends(needs(Operation.READ_CONVERSATION))],
    mode: Literal["reply", "reply_all", "forward"] = "reply_all",
    message: Annotated[str | None, Query(max_length=200)] = None,
    agent: Annotated[
        str | None, Query(max_length=63, description="Whose signature; unless the token names one")
    ] = None,
) -> m.SuggestedRecipients:
    """As a mail program would choose; and what stands around the text that this agent writes."""
    thread = await asker.thread(parts, conversation)
    configuration = parts.reader.configuration
    own = own_addresses(configuration)
    answered = _message(thread, message) if message else _latest(thread)
    found = suggested(answered.content if answered else {}, mode, own)
    around = preview(configuration, thread.view.inbox_id, asker.principal.agent_id or agent)
    return m.SuggestedRecipients(
        mode=mode,
        message_id=answered.view.message_id if answered else None,
        to=_contacts(found.to),
        cc=_contacts(found.cc),
        known=_contacts(_everybody(thread, own)),
        from_name=around.from_name,
        from_address=around.from_address,
        signature=around.signature,
        needs_approval=around.needs_approval,
    )


def _latest(thread: Thread) -> ThreadMessage | None:
    """Return the customer's latest message; not what strangers wrote, nor those to whom something was forwarded."""
    third: set[str] = set()
    latest: ThreadMessage | None = None
    for item in (i for i in thread.messages if i.content and i.went_to is None):
        sender = str((item.content.get("from") or {}).get("address") or "").lower()
        if item.view.reply_kind == "forward" and item.view.kind == "outgoing":
            third |= {str(p.get("address") or "").lower() for p in item.content.get("to") or ()}
        elif item.view.kind == "incoming" and item.view.message_kind == "message" and not item.view.from_stranger:
            latest = latest if sender in third else item
    return latest or next((i for i in reversed(thread.messages) if i.view.kind == "outgoing" and i.content), None)


def _everybody(thread: Thread, own: frozenset[str]) -> tuple[Person, ...]:
    people: list[Any] = []
    for item in thread.messages:
        people += [item.content["from"]] if item.content.get("from") else []
        people += [*(item.content.get("to") or ()), *(item.content.get("cc") or ())]
    return suggested({"from": None, "to": people, "cc": []}, "reply", own).to


def _contacts(people: Sequence[Person]) -> list[base.Contact]:
    return [base.Contact(address=p.address, name=p.name) for p in people]


@router.post(
    "/conversations/{conversation}/messages/{message_id}/cancel",
    summary="Take a scheduled reply back",
    responses={200: {"model": m.Cancelled, "description": "The fact that it led to, and what happened to the mail"}},
)
async def cancel(conversation: str, message_id: str, asked: m.CancelAsked, ask: Answers) -> Response:
    """409 `too_late` when its time has come. `result` says what happened to the mail, as the sender has reported it."""
    place = await ask.place(conversation)
    command = c.CancelReply(actor=ask.actor(asked), expected_sequence=ask.sequence, message_id=message_id)
    answer = await carry_out(ask, place, command, asked)
    if answer.status_code != 200:  # noqa: PLR2004 - 202: not decided yet
        return answer
    result = await _became(ask, conversation, message_id)
    return JSONResponse(json.loads(bytes(answer.body)) | {"result": result})


async def _became(ask: Asking, conversation: str, message_id: str) -> str:
    """Return what became of a reply that was cancelled; waits at most as long as a request does."""
    until = monotonic() + ask.parts.settings.request_wait_seconds
    while monotonic() < until:
        view = await ask.asker.conversation(ask.parts, conversation)
        state = next((x.delivery for x in view.messages if x.message_id == message_id), "")
        if state == "cancelled":
            return "cancelled"
        if state in ("sent", "delivered", "failed", "bounced"):
            return "too_late"
        await asyncio.sleep(_POLL_SECONDS)
    return "pending"


@router.post("/conversations/{conversation}/split", summary="Split a message and what follows off")
async def split(conversation: str, asked: m.SplitAsked, ask: Handles) -> Response:
    """`event.data.new_conversation_id` is the new conversation."""
    place = await ask.place(conversation)
    thread = await ask.asker.thread(ask.parts, conversation)
    before: list[ThreadMessage] = []
    for item in thread.messages:
        if item.view.message_id == asked.message_id:
            break
        before.append(item)
    stays = next((i for i in reversed(before) if _is_customers(i)), None)
    command = c.SplitConversation(
        actor=ask.actor(asked),
        expected_sequence=ask.sequence,
        message_id=asked.message_id,
        new_conversation_id=new_conversation_id(place.inbox_id, ask.cause_id),
        **_answers(stays),
    )
    return await carry_out(ask, place, command, asked)


def _is_customers(item: ThreadMessage) -> bool:
    view = item.view
    return (
        view.kind == "incoming" and view.message_kind == "message" and not view.from_stranger and item.went_to is None
    )


async def _watching(ask: Asking, conversation: str, asked: base.Asked, model: Any) -> Response:
    actor = ask.actor(asked)
    command: Data = model(actor=actor, expected_sequence=ask.sequence, agent_id=actor.id)
    return await carry_out(ask, await ask.place(conversation), command, asked)


@router.post("/conversations/{conversation}/watch", summary="Be told of what customers write here")
async def watch(conversation: str, asked: base.Asked, ask: Watches) -> Response:
    return await _watching(ask, conversation, asked, c.WatchConversation)


@router.post("/conversations/{conversation}/unwatch", summary="Watch no longer")
async def unwatch(conversation: str, asked: base.Asked, ask: Watches) -> Response:
    return await _watching(ask, conversation, asked, c.UnwatchConversation)
