"""Writing: each endpoint puts one command into the conversation's queue and answers with the fact that follows."""

import json
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import JSONResponse
from postroom_contracts import commands as c
from postroom_contracts.events import Data
from postroom_contracts.facts import ClaimRefused, RequestRefused
from postroom_contracts.ids import conversation_id, derived_id
from postroom_contracts.rights import owner_of
from postroom_contracts.values import Actor

from postroom_desk.api import models as m
from postroom_desk.api import shown
from postroom_desk.api.auth import PartsOf
from postroom_desk.api.guard import Asker, needs
from postroom_desk.api.problems import Problem
from postroom_desk.domain.permissions import Operation
from postroom_desk.parts import Parts
from postroom_desk.submit import KeyReusedError, Outcome, Submission, cause_of

_ETAG = re.compile(r'(?:W/)?"?(\d{1,15})\.(\d{1,15})"?')
_KEY = re.compile(r"[\x21-\x7e]{1,200}")
OUTCOMES: dict[int | str, dict[str, Any]] = {
    200: {"model": m.Done, "description": "The fact that it led to"},
    202: {"model": m.Pending, "description": "Taken; the fact has not come within 2 s"},
    409: {"description": "Refused, with what changed since"},
    503: {"description": "Kafka or MongoDB is away; repeat with the same Idempotency-Key"},
}
router = APIRouter(responses=OUTCOMES)


@dataclass(frozen=True, slots=True)
class Place:
    """A conversation in which the operation is allowed. Only `Asking` makes one, so that no command goes unchecked."""

    conversation_id: str
    inbox_id: str


@dataclass(frozen=True, slots=True)
class Asking:
    """What all requests share."""

    parts: Parts
    asker: Asker
    cause_id: str
    path: str
    sequence: int | None
    epoch: int | None

    def actor(self, asked: m.Asked) -> Actor:
        """Return the agent who acts. Raises Problem when there is none, or the token acts as another."""
        bound_to = self.asker.principal.agent_id
        agent_id = asked.agent or bound_to
        if bound_to is not None and agent_id != bound_to:
            raise Problem(403, "other-agent", "Not allowed", f"you act as {bound_to} only")
        agent = self.parts.reader.configuration.agent(agent_id)
        if agent is None or not agent.enabled:
            detail = "`agent` must name an enabled agent of the configuration"
            raise Problem(422, "unknown-agent", "Unknown agent", detail)
        self.asker.trace.person = agent.id
        return Actor(kind="agent", id=agent.id)

    async def place(self, conversation: str) -> Place:
        """Return where the request goes. Raises Problem 403; UnknownConversationError if it does not exist for them."""
        return Place(conversation, await self.asker.inbox_of(self.parts, conversation))

    def new_place(self, inbox_id: str) -> Place:
        """Return a new conversation in an inbox. Raises Problem: 403, or 422 if the inbox does not exist for them."""
        if inbox_id not in self.asker.readable:
            raise Problem(422, "unknown-inbox", "Unknown inbox", "`inbox_id` must name an inbox of the configuration")
        self.asker.in_inbox(inbox_id)
        new = conversation_id(inbox_id, self.cause_id)
        self.asker.trace.touches(new, inbox_id)
        return Place(new, inbox_id)

    def message_id(self) -> str:
        return derived_id("message", self.cause_id)


def asking(operation: Operation) -> Callable[..., Awaitable[Asking]]:
    """Return the dependency of a request that does `operation`: it reads the headers. It raises Problem 400, 401, 403."""

    async def read(
        request: Request,
        parts: PartsOf,
        asker: Annotated[Asker, Depends(needs(operation))],
        idempotency_key: Annotated[
            str | None, Header(description="The same key gives the same answer and one effect, for seven days")
        ] = None,
        if_match: Annotated[str | None, Header(description="The ETag of the conversation as it was seen")] = None,
    ) -> Asking:
        key = idempotency_key or uuid.uuid4().hex
        if not _KEY.fullmatch(key):
            raise Problem(400, "bad-key", "Bad Idempotency-Key", "1 to 200 printable characters without spaces")
        seen = _ETAG.fullmatch(if_match.strip()) if if_match else None
        if if_match and seen is None:
            raise Problem(400, "bad-etag", "Bad If-Match", "give the ETag of the conversation as it was read")
        return Asking(
            parts=parts,
            asker=asker,
            cause_id=cause_of(asker.principal.key, key),
            path=request.url.path,
            sequence=int(seen[1]) if seen else None,
            epoch=int(seen[2]) if seen else None,
        )

    return read


Handles = Annotated[Asking, Depends(asking(Operation.HANDLE))]


async def carry_out(
    ask: Asking, place: Place, command: Data, asked: m.Asked, content: Mapping[str, Any] | None = None
) -> Response:
    everything = json.dumps(
        [ask.path, ask.sequence, ask.epoch, asked.model_dump(mode="json"), command.model_dump(mode="json")["actor"]],
        sort_keys=True,
    )
    by = ask.asker.principal.key
    submission = Submission(ask.cause_id, place.conversation_id, command, everything, [content] if content else [], by)
    try:
        outcome = await ask.parts.door.submit(submission)
    except KeyReusedError as error:
        detail = "this Idempotency-Key was used for another request"
        raise Problem(422, "key-reused", "Idempotency-Key used twice", detail) from error
    trace = ask.asker.trace
    trace.about, trace.details = outcome.request_id, {"command": type(command).__name__}
    return answer_of(outcome)


def answer_of(outcome: Outcome) -> Response:
    """Return what a request is answered with. Raises Problem for a refusal."""
    event = outcome.event
    if event is None:
        status_url = f"{shown.BASE}/requests/{outcome.request_id}"
        pending = m.Pending(
            request_id=outcome.request_id, conversation_id=outcome.conversation_id, status_url=status_url
        )
        return JSONResponse(pending.model_dump(mode="json"), 202, headers={"Location": status_url})
    if outcome.refused:
        raise _refusal(outcome)
    done = m.Done(
        request_id=outcome.request_id,
        conversation_id=outcome.conversation_id,
        position=str(event.position),
        outcome=shown.short(event),
        event=event.cloud_event(),
    )
    return JSONResponse(done.model_dump(mode="json"))


_REASONS = {
    "stale": "something happened in this conversation since it was read",
    "stale_epoch": "somebody else took it since it was read",
    "not_found": "there is no such conversation",
    "no_right": "this agent has no right to do that in this inbox",
    "watcher_cannot_read": "a watcher must be somebody who may read this inbox",
    "private": "it belongs to a private inbox, into which its owner lets nobody else",
    "already_yours": "it belongs to this agent already",
    "full": "this agent has as many open conversations as they may have",
    "too_late": "it is not waiting to be sent any more",
    "needs_approval": "this inbox wants replies approved: save it as a draft and ask for approval",
    "no_reply_channel": "this conversation did not come by mail: there is no way yet to answer on its channel",
    "no_recipient": "name who gets it in `to`",
    "nothing_left": "no message would stay: the first one cannot be split off",
    "scheduled_reply": "a reply among them is still to be sent; cancel it first",
    "other_channel": "the inbox is of another channel",
    "unknown_agent": "there is no such agent",
    "wrong_status": "the conversation is in a state in which this cannot be done",
}


_STATUS = {"not_found": (404, "not-found"), "no_right": (403, "forbidden")}


def _refusal(outcome: Outcome) -> Problem:
    assert outcome.event is not None
    event = outcome.event
    common: dict[str, Any] = {
        "request_id": outcome.request_id,
        "conversation_id": outcome.conversation_id,
        "position": str(event.position),
    }
    if claim := event.data(ClaimRefused):
        common |= {"reason": claim.reason, "owner_id": claim.owner_id, "epoch": claim.epoch}
        return Problem(409, "refused", "Refused", _REASONS.get(claim.reason, claim.reason), **common)
    refused = event.data(RequestRefused)
    assert refused is not None
    common |= {"reason": refused.reason, "changed": refused.changed, "router_sequence": refused.router_sequence}
    status, kind = _STATUS.get(refused.reason, (409, "refused"))
    return Problem(status, kind, "Refused", _REASONS.get(refused.reason, refused.reason), **common)


@router.post("/conversations/{conversation}/claim", summary="Take it")
async def claim(conversation: str, asked: m.Asked, ask: Handles) -> Response:
    """The first claim at an epoch wins; without If-Match it is taken from whoever has it."""
    actor = ask.actor(asked)
    command = c.ClaimConversation(actor=actor, agent_id=actor.id, epoch=ask.epoch, expected_sequence=ask.sequence)
    return await carry_out(ask, await ask.place(conversation), command, asked)


@router.post("/conversations/{conversation}/assign", summary="Give it to somebody")
async def assign(conversation: str, asked: m.AssignAsked, ask: Handles) -> Response:
    command = c.AssignConversation(
        actor=ask.actor(asked),
        expected_sequence=ask.sequence,
        epoch=ask.epoch,
        agent_id=asked.agent_id,
        team_id=asked.team_id,
    )
    return await carry_out(ask, await ask.place(conversation), command, asked)


@router.post("/conversations/{conversation}/tag", summary="Add and remove tags")
async def tag(conversation: str, asked: m.TagAsked, ask: Handles) -> Response:
    if not asked.add and not asked.remove:
        raise Problem(422, "invalid", "Nothing to do", "name tags in `add` or `remove`")
    actor = ask.actor(asked)
    command = c.TagConversation(actor=actor, expected_sequence=ask.sequence, add=asked.add, remove=asked.remove)
    return await carry_out(ask, await ask.place(conversation), command, asked)


@router.post("/conversations/{conversation}/route", summary="Move it, change team, priority or watchers")
async def route(conversation: str, asked: m.RouteAsked, ask: Handles) -> Response:
    fields = asked.model_dump(exclude={"agent"})
    if all(value is None for value in fields.values()):
        raise Problem(422, "invalid", "Nothing to do", "name `inbox_id`, `team_id`, `priority` or `watchers`")
    if asked.inbox_id is not None:
        ask.new_place(asked.inbox_id)
    command = c.RouteConversation(actor=ask.actor(asked), expected_sequence=ask.sequence, **fields)
    return await carry_out(ask, await ask.place(conversation), command, asked)


@router.post("/conversations/{conversation}/snooze", summary="Out of sight until a time or the customer writes")
async def snooze(conversation: str, asked: m.SnoozeAsked, ask: Handles) -> Response:
    until = in_zone(asked.until)
    if until is None or until <= ask.parts.clock.now():
        raise Problem(422, "invalid", "Not in the future", "`until` must lie in the future")
    command = c.SnoozeConversation(actor=ask.actor(asked), expected_sequence=ask.sequence, until=until)
    return await carry_out(ask, await ask.place(conversation), command, asked)


@router.post("/conversations/{conversation}/merge", summary="Merge into another conversation")
async def merge(conversation: str, asked: m.MergeAsked, ask: Handles) -> Response:
    if asked.target_id == conversation:
        raise Problem(422, "invalid", "The same conversation", "`target_id` must be another conversation")
    place, target = await ask.place(conversation), await ask.place(asked.target_id)
    configuration = ask.parts.reader.configuration
    if owner_of(configuration, place.inbox_id) != owner_of(configuration, target.inbox_id):
        detail = "a conversation of a private inbox is merged into one of the same owner's only"
        raise Problem(422, "private", "A private inbox", detail)
    actor = ask.actor(asked)
    command = c.MergeConversations(actor=actor, expected_sequence=ask.sequence, target_id=asked.target_id)
    return await carry_out(ask, place, command, asked)


def in_zone(moment: Any) -> Any:
    if moment is not None and moment.tzinfo is None:
        raise Problem(422, "invalid", "A time without zone", "times are RFC 3339 with a zone, such as ...T09:00:00Z")
    return moment


_PLAIN: dict[str, tuple[type[c.Request], str]] = {
    "resolve": (c.ResolveConversation, "Done: nothing is owed to the customer"),
    "reopen": (c.ReopenConversation, "Back to open"),
    "wait": (c.SetWaiting, "We wait for the customer"),
    "archive": (c.ArchiveConversation, "Hide from folders; an open one is resolved by it"),
    "delete": (c.DeleteConversation, "To the bin"),
    "restore": (c.RestoreConversation, "Back from the bin"),
    "spam": (c.MarkSpam, "Mark as spam"),
    "unspam": (c.UnmarkSpam, "Take the spam mark away"),
}


def _add_plain(name: str, model: type[c.Request], summary: str) -> None:
    """Add an endpoint whose request says nothing but who acts and what they saw."""

    async def endpoint(conversation: str, asked: m.Asked, ask: Handles) -> Response:
        command = model(actor=ask.actor(asked), expected_sequence=ask.sequence)
        return await carry_out(ask, await ask.place(conversation), command, asked)

    router.add_api_route(
        f"/conversations/{{conversation}}/{name}",
        endpoint,
        methods=["POST"],
        name=name,
        summary=summary,
        operation_id=f"{name}_conversation",
    )


for _name, (_model, _summary) in _PLAIN.items():
    _add_plain(_name, _model, _summary)
