"""One action on up to 200 conversations, and how it is taken back: a command for each, a result for each."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from postroom_contracts.commands import Request as Command
from postroom_contracts.fields import Slug
from postroom_contracts.ids import derived_id, event_id
from postroom_runtime.errors import InfrastructureError
from pydantic import BaseModel, ConfigDict, Field

from postroom_desk.api.models import Answer, Asked, LaterTime
from postroom_desk.api.problems import Problem, not_found
from postroom_desk.api.writes import _ETAG, Asking, asking, carry_out, in_zone
from postroom_desk.bulk import BulkItem, BulkRecord
from postroom_desk.domain.bulk import Action, CannotUndoError, Change, before_of, command_of, undo_of
from postroom_desk.domain.permissions import Operation
from postroom_desk.reading import UnknownConversationError

router = APIRouter()
MOST = 200
AT_ONCE = 20
"""Commands that wait for their facts together."""


class BulkItemAsked(BaseModel):
    """One conversation, with its ETag as it was seen; without one it is changed whatever stands there."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: Annotated[str, Field(min_length=1, max_length=200)]
    etag: Annotated[str, Field(max_length=40)] | None = None


class BulkAsked(Asked):
    """`add` and `remove` are tags; `agent_id` and `team_id` say whom it is given to; `until` ends a snooze."""

    action: Action
    items: Annotated[list[BulkItemAsked], Field(min_length=1, max_length=MOST)]
    add: Annotated[list[Slug], Field(max_length=50, default_factory=list)]
    remove: Annotated[list[Slug], Field(max_length=50, default_factory=list)]
    agent_id: Slug | None = None
    team_id: Slug | None = None
    until: LaterTime | None = None


class BulkResult(Answer):
    """`done`, `pending` (no fact within 2 s), `refused`, `unknown`, `failed`; undoing also `unchanged` and `impossible`."""

    id: str
    result: Literal["done", "pending", "refused", "unknown", "failed", "unchanged", "impossible"]
    reason: str = ""
    position: str | None = None


class BulkAnswer(Answer):
    undo_id: str
    """Give it to `POST /bulk/{id}/undo` within seven days."""
    items: list[BulkResult]
    """In the order in which they were named."""


Handles = Annotated[Asking, Depends(asking(Operation.HANDLE))]


@router.post("/bulk", summary="One action on many conversations")
async def bulk(asked: BulkAsked, ask: Handles) -> BulkAnswer:
    """Each conversation is decided by itself: some may be refused while others are done."""
    actor = ask.actor(asked)
    change = _change(asked, ask)
    seen = {item.id: _seen(item) for item in asked.items}
    views = await ask.parts.reader.conversations.get(seen, ask.asker.readable)
    bulk_id = derived_id("bulk", ask.cause_id)
    items = tuple(
        BulkItem(i, event_id(_cause(bulk_id, i), command_of(change, actor, *seen[i]).type_name()), before_of(v))
        for i, v in views.items()
    )
    await ask.parts.bulks.remember(BulkRecord(bulk_id, actor.id, ask.parts.clock.now(), change, items))

    async def one(identifier: str) -> BulkResult:
        return await _carried_out(
            ask, identifier, _cause(bulk_id, identifier), [command_of(change, actor, *seen[identifier])]
        )

    return BulkAnswer(undo_id=bulk_id, items=await _each(list(seen), one))


def _change(asked: BulkAsked, ask: Asking) -> Change:
    if asked.action == "tag" and not (asked.add or asked.remove):
        raise Problem(422, "invalid", "Nothing to do", "name tags in `add` or `remove`")
    until = in_zone(asked.until)
    if asked.action == "snooze" and (until is None or until <= ask.parts.clock.now()):
        raise Problem(422, "invalid", "Not in the future", "`until` must lie in the future")
    return Change(asked.action, tuple(asked.add), tuple(asked.remove), asked.agent_id, asked.team_id, until)


def _seen(item: BulkItemAsked) -> tuple[int | None, int | None]:
    found = _ETAG.fullmatch(item.etag.strip()) if item.etag else None
    if item.etag and found is None:
        raise Problem(400, "bad-etag", "Bad ETag", f"give {item.id} with the ETag of the conversation as it was read")
    return (int(found[1]), int(found[2])) if found else (None, None)


def _cause(bulk_id: str, conversation_id: str, step: str = "do") -> str:
    return derived_id("bulk-item", bulk_id, conversation_id, step)


async def _each(ids: Sequence[str], one: Callable[[str], Awaitable[BulkResult]]) -> list[BulkResult]:
    places = asyncio.Semaphore(AT_ONCE)

    async def bounded(identifier: str) -> BulkResult:
        async with places:
            return await one(identifier)

    return list(await asyncio.gather(*map(bounded, ids)))


async def _carried_out(ask: Asking, identifier: str, cause_id: str, commands: Sequence[Command]) -> BulkResult:
    """Carry out the commands of one conversation one after another, up to the first that is not done."""
    result = BulkResult(id=identifier, result="unchanged")
    for n, command in enumerate(commands):
        result = await _one(replace(ask, cause_id=cause_id if n == 0 else f"{cause_id}-{n}"), identifier, command)
        if result.result != "done":
            break
    return result


async def _one(ask: Asking, identifier: str, command: Command) -> BulkResult:
    try:
        answer = await carry_out(ask, await ask.place(identifier), command, Asked(agent=command.actor.id))
    except UnknownConversationError:
        return BulkResult(id=identifier, result="unknown")
    except Problem as problem:
        reason = str(problem.extra.get("reason") or problem.kind)
        unknown = problem.status == 404  # noqa: PLR2004 - HTTP
        return BulkResult(id=identifier, result="unknown" if unknown else "refused", reason=reason)
    except InfrastructureError:
        return BulkResult(id=identifier, result="failed", reason="unavailable")
    body = json.loads(bytes(answer.body)) if isinstance(answer, JSONResponse) else {}
    position = body.get("position")
    return BulkResult(id=identifier, result="done" if position else "pending", position=position)


@router.post("/bulk/{bulk_id}/undo", summary="Take a bulk action back")
async def undo(bulk_id: str, asked: Asked, ask: Handles) -> BulkAnswer:
    """Whoever did it may take it back, conversation by conversation, where nothing has happened since.

    `impossible` says why there is no way back; `unchanged` that nothing was done, or nothing has to be.
    """
    actor = ask.actor(asked)
    record = await ask.parts.bulks.get(bulk_id)
    if record is None or record.agent_id != actor.id:
        raise not_found("there is no such bulk action of yours in the last seven days")
    items = {item.conversation_id: item for item in record.items}

    async def one(identifier: str) -> BulkResult:
        item = items[identifier]
        request = await ask.parts.requests.get(item.request_id)
        outcome = await ask.parts.door.find(request) if request else None
        if outcome is None or outcome.event is None or outcome.refused:
            return BulkResult(id=identifier, result="unchanged", reason="it was not done")
        fact = outcome.event.cloud_event()
        router = fact.get("source") == "/postroom/router"
        sequence = fact.get("sequence") if router else None
        epoch = fact["data"].get("epoch")
        try:
            commands = undo_of(record.change, item.before, actor, sequence, epoch, ask.parts.clock.now())
        except CannotUndoError as error:
            return BulkResult(id=identifier, result="impossible", reason=str(error))
        return await _carried_out(ask, identifier, _cause(bulk_id, identifier, "undo"), commands)

    return BulkAnswer(undo_id=bulk_id, items=await _each(list(items), one))
