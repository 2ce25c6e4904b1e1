"""What is done to a draft of whatever kind: changed under its lease, its versions, thrown away, sent once."""

import contextlib
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Annotated, Any, TypeVar

from fastapi import Header, Response
from fastapi.responses import JSONResponse
from postroom_contracts.commands import SendReply, StartConversation
from postroom_contracts.events import Data
from postroom_contracts.facts import RequestRefused
from postroom_contracts.ids import event_id
from postroom_runtime.errors import InfrastructureError
from pydantic import BaseModel, ValidationError

from postroom_desk.answering.drafts import Seat, seat_of
from postroom_desk.answering.uploads import TooLargeError, UnknownUploadError, Upload
from postroom_desk.api import models_drafts as m
from postroom_desk.api.answering import too_large
from postroom_desk.api.draft_shown import answer
from postroom_desk.api.problems import Problem, not_found
from postroom_desk.api.shown import agent_name
from postroom_desk.api.writes import Asking, Place
from postroom_desk.domain import draft as d
from postroom_desk.domain.notifications import Kind as RingKind
from postroom_desk.domain.notifications import Ring
from postroom_desk.domain.written import TooDeepError, clean_html
from postroom_desk.domain.written import text_of as plain_text_of
from postroom_desk.parts import Parts
from postroom_desk.submit import KeyReusedError, Outcome, Submission, cause_of

Match = Annotated[str | None, Header(alias="X-Draft-Match", description="The number that was changed")]
CONFLICTS: dict[int | str, dict[str, Any]] = {
    409: {"description": "Somebody else writes it, or it is being sent"},
    412: {"description": "It was changed"},
}
ModelT = TypeVar("ModelT", bound=BaseModel)
NEW = "new-"
"""What stands before the id of a draft that begins a conversation where an id of those stands: in pages and notifications."""
_NUMBER = re.compile(r'(?:W/)?"?(\d{1,9})"?')


# --- changed ------------------------------------------------------------------------------------------------------


async def change(ask: Asking, seat: Seat, step: Callable[[d.Draft], d.Draft]) -> d.Draft:
    """Change the draft. Raises Problem 409 while somebody else has it."""
    drafts = ask.parts.writing.drafts
    before = await settled(ask.parts, await drafts.read(seat))
    try:
        after = await drafts.change(seat, step)
    except d.LockedError as error:
        name = agent_name(ask.parts.reader.configuration, error.holder) if error.holder else ""
        detail = f"{name} is writing it" if name else "it is being sent"
        raise Problem(409, "draft-locked", "Locked", detail, holder=error.holder, holder_name=name) from error
    if before.listed_for != after.listed_for:
        ask.parts.folders.touch()
    return after


async def save(
    ask: Asking, seat: Seat, match: str | None, written: d.Written, step: Callable[[d.Draft], d.Draft]
) -> Response:
    """Store what somebody wrote over the number that they changed. Raises Problem 409, 412."""
    number = _NUMBER.fullmatch(match.strip()) if match else None

    def over(draft: d.Draft) -> d.Draft:
        if draft.being_sent(ask.parts.clock.now()):
            raise d.LockedError(None)  # what comes after it is another draft, and not a change of this one
        if number is not None and int(number[1]) != draft.number:
            raise Problem(412, "draft-changed", "Changed", "somebody else has changed this draft", number=draft.number)
        return step(draft)

    draft = await change(ask, seat, over)
    await ask.parts.writing.uploads.store.hold(draft.id, written.attachments)
    return await answer(ask.parts, draft)


async def written_of(ask: Asking, asked: m.DraftTextAsked, before: d.Draft, **fields: Any) -> d.Written:
    """Return what a draft says, cleaned. Raises Problem 413, 422."""
    uploads = ask.parts.writing.uploads
    try:
        files = await uploads.find(ask.asker.principal.key, asked.attachments, before.id)
        html = _cleaned(asked.html, files)
    except UnknownUploadError as error:
        raise Problem(422, "unknown-upload", "Unknown file", "a file is not there any more; add it again") from error
    except TooLargeError as error:
        raise too_large(uploads.max_bytes) from error
    except TooDeepError as error:
        raise Problem(422, "invalid", "The HTML does not fit", "it is nested too deeply") from error
    return d.Written(
        text=asked.text or (plain_text_of(html) if html else ""),
        html=html,
        subject=asked.subject,
        to=[r.model_dump() for r in asked.to],
        cc=[r.model_dump() for r in asked.cc],
        bcc=[r.model_dump() for r in asked.bcc],
        attachments=[f.id for f in files],
        **fields,
    )


def _cleaned(html: str, files: Iterable[Upload]) -> str:
    return clean_html(html, [f.content_id for f in files if f.content_id]) if html.strip() else ""


async def restore_version(ask: Asking, seat: Seat, number: int, agent_id: str) -> Response:
    """Put an earlier version back, with the files of now. Raises Problem 404, 409."""
    now, drafts = ask.parts.clock.now(), ask.parts.writing.drafts
    try:
        before = await drafts.read(seat)
        version = d.version_of(before, number)
        files = await ask.parts.writing.uploads.store.get(before.written.attachments)
        html = _cleaned(version.html, files.values())  # pictures that are gone are left out
        draft = await change(ask, seat, lambda x: d.restored(x, version, html, agent_id, now))
    except d.UnknownVersionError as error:
        raise not_found("the draft has no such version any more") from error
    return await answer(ask.parts, draft)


async def leased(ask: Asking, seat: Seat, asked: m.LeaseAsked, agent_id: str) -> Response:
    now = ask.parts.clock.now()

    def step(draft: d.Draft) -> d.Draft:
        if asked.release:
            return d.released(draft, agent_id, now)
        return d.taken(draft, agent_id, now, over=asked.take_over)

    return await answer(ask.parts, await change(ask, seat, step))


async def drop(parts: Parts, draft: d.Draft, agent_id: str) -> Response:
    """Throw it away. Raises Problem 409 while somebody else has it."""
    now = parts.clock.now()
    if draft.being_sent(now) or draft.held_by_other(agent_id, now):
        raise Problem(
            409, "draft-locked", "Locked", "somebody else writes it, or it is being sent", holder=draft.holder
        )
    await forget(parts, draft)
    await parts.writing.uploads.store.hold(draft.id, [])
    return Response(status_code=204)


async def forget(parts: Parts, draft: d.Draft) -> None:
    await parts.writing.drafts.done(draft)
    parts.folders.touch()
    if draft.kind == "start":  # nobody has to look at what is not there any more
        for agent_id in draft.people:
            await parts.bell.opened(agent_id, [f"{NEW}{draft.conversation_id}"])


async def ring(parts: Parts, place: Place, draft: d.Draft, kind: RingKind, whom: Iterable[str], by: str) -> None:
    """Tell colleagues of a draft. It is no fact: should MongoDB fail just now, the draft is theirs all the same."""
    said = Ring(
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
        await parts.bell.ringer.ring([said])
    parts.bell.feed.touch()


# --- sent ---------------------------------------------------------------------------------------------------------


def draft_cause(draft: d.Draft) -> str:
    """Return what the message's ids follow from: however often it is asked for, an attempt makes one message."""
    return cause_of("draft", f"{draft.id}.{draft.attempt}")


def _request_id(draft: d.Draft) -> str:
    command = StartConversation if draft.kind == "start" else SendReply
    return event_id(draft_cause(draft), command.type_name())


async def settled(parts: Parts, draft: d.Draft) -> d.Draft:
    """Return the draft as it stands once what is known of its sending is taken in."""
    if draft.state != "sending":
        return draft
    record = await parts.requests.get(_request_id(draft))
    outcome = await parts.door.find(record) if record else None
    if outcome is None or outcome.event is None:
        return draft
    return await after(parts, draft, outcome)


async def after(parts: Parts, draft: d.Draft, outcome: Outcome) -> d.Draft:
    """Return what becomes of a draft by the outcome of its sending: nothing of it is left, or all of it."""
    refused = outcome.event.data(RequestRefused) if outcome.event and outcome.refused else None
    drafts = parts.writing.drafts
    if refused is None:
        await forget(parts, draft)
        return await drafts.read(seat_of(draft))
    why = d.Refused(
        reason=refused.reason,
        changed=refused.changed,
        router_sequence=refused.router_sequence,
        at=parts.clock.now(),
    )

    def give_back(now: d.Draft) -> d.Draft:
        return d.given_back(now, why) if (now.id, now.state) == (draft.id, "sending") else now

    return await drafts.change(seat_of(draft), give_back)


Made = Callable[[], Awaitable[tuple[str, Data, Mapping[str, Any]]]]


async def submit(ask: Asking, draft: d.Draft, made: Made) -> Outcome:
    """Send a draft that is marked as being sent. `made` gives conversation, command, and content; what it raises, too."""
    try:
        conversation_id, command, content = await made()
        asked = Submission(
            ask.cause_id, conversation_id, command, f"draft {draft.id}", [content], ask.asker.principal.key
        )
        outcome = await ask.parts.door.submit(asked)
    except KeyReusedError as error:  # cannot be: the draft's id is nobody else's
        raise Problem(422, "key-reused", "Sent already", "this draft was sent before") from error
    except Problem:
        await ask.parts.writing.drafts.change(seat_of(draft), d.not_sent)
        raise
    if outcome.event is not None:
        await after(ask.parts, draft, outcome)
    return outcome


def valid(model: type[ModelT], fields: Mapping[str, Any]) -> ModelT:
    """Raises Problem 422 for a draft that cannot be sent as it is, such as a forward to nobody."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        detail = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise Problem(422, "invalid", "The draft cannot be sent yet", detail) from error


async def let_go(
    ask: Asking, place: Place, seat: Seat, sender_id: str, ready: Callable[[d.Draft], d.Draft]
) -> tuple[d.Draft, Response | None, str | None]:
    """Mark a draft as being sent, or as waiting for approval; an answer is given for the latter. Then who approved it.

    `ready` raises Problem for one that cannot go. Raises Problem 409.
    """
    parts, now = ask.parts, ask.parts.clock.now()
    approvers = parts.reader.configuration.approvers(place.inbox_id)
    if approvers is None or sender_id in approvers:
        draft = await change(ask, seat, lambda x: d.sending(ready(x), sender_id, now))
        return draft, None, sender_id if approvers is not None else None
    draft = await change(ask, seat, lambda x: d.asked(ready(x), sender_id, now, sorted(approvers)))
    await ring(parts, place, draft, "draft_waits", sorted(approvers), sender_id)
    waits = m.AwaitsApproval(approvers=sorted(approvers))
    return draft, JSONResponse(waits.model_dump(mode="json"), 202), None
