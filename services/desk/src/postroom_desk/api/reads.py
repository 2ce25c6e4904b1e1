"""Reading: lists, conversations, their events, attachments and original mail, contacts, requests, numbers."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from postroom_contracts.values import Status
from pydantic import Field

from postroom_desk.api import models as m
from postroom_desk.api import shown
from postroom_desk.api.auth import PartsOf
from postroom_desk.api.downloads import HEADERS, download
from postroom_desk.api.figures import bounded
from postroom_desk.api.guard import Asker, needs
from postroom_desk.api.problems import Problem, not_found
from postroom_desk.domain.filters import ListParameters
from postroom_desk.domain.logged import LoggedEvent
from postroom_desk.domain.permissions import Operation
from postroom_desk.domain.positions import LogPosition, Positions, parse_position, parse_positions
from postroom_desk.domain.queries import MAX_PAGE, Cursor, CursorError, ListQuery, Sort, decode_cursor
from postroom_desk.domain.window import MOST, Window
from postroom_desk.html import HTML_POLICY, mail_document
from postroom_desk.parts import Parts
from postroom_desk.ports import RequestRecord
from postroom_desk.reading import ThreadMessage
from postroom_desk.submit import Outcome

router = APIRouter()
Lists = Annotated[Asker, Depends(needs(Operation.LIST_CONVERSATIONS))]
Reads = Annotated[Asker, Depends(needs(Operation.READ_CONVERSATION))]
SeesCompany = Annotated[Asker, Depends(needs(Operation.SEE_COMPANY))]
SeesReports = Annotated[Asker, Depends(needs(Operation.SEE_REPORTS))]
MESSAGES = 100
"""Messages of a thread in one answer, unless more or fewer are asked for."""
POSITIONS = {"pattern": "^[0-9:, ]*$"}
"""Said in the document; what does not fit is answered with 400 and what is wrong with it."""
MinPosition = Annotated[
    str | None,
    Query(
        max_length=20_000,
        description="Wait (at most 2 s) until this position is shown, else 503.",
        json_schema_extra={**POSITIONS},
    ),
]


class PageParameters(ListParameters):
    """A filter, and which page of its list."""

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 50
    cursor: Annotated[str | None, Field(max_length=500)] = None
    min_position: MinPosition = None
    agent: Annotated[str | None, Field(max_length=63, description="Who `me` is, unless the token names one")] = None


def positions_of(text: str | None) -> Positions:
    """Return the position that a client gave, or the `id` of a live event, which names several. Raises Problem 400."""
    try:
        return parse_positions(text or "")
    except ValueError as error:
        raise Problem(400, "bad-position", "Bad position", str(error)) from error


def _after(cursor: str | None) -> LogPosition | None:
    try:
        return parse_position(cursor) if cursor else None
    except ValueError as error:
        raise Problem(400, "bad-cursor", "Bad cursor", str(error)) from error


@router.get("/conversations", summary="List conversations")
async def list_conversations(
    parts: PartsOf,
    asker: Lists,
    asked: Annotated[PageParameters, Query()],
) -> m.ConversationPage:
    """`sort=waiting` (default): who has waited longest first; behind them those in which nobody waits.

    `sort=deadline`: those first whose reply is due soonest by their policy, what was missed before all; behind them those
    without a deadline. `newest`: by the last activity; `oldest`: by when they were opened.
    """
    await parts.reader.wait_for(positions_of(asked.min_position))
    agent_id = asker.principal.agent_id or asked.agent
    query = asked.query(asker.readable, agent_id, asked.limit, _cursor(asked.cursor, asked.sort))
    page = await _page(parts, query)
    return await with_unread(parts, page, agent_id) if agent_id else page


async def with_unread(parts: Parts, page: m.ConversationPage, agent_id: str) -> m.ConversationPage:
    """Return the page with what this agent has not read marked."""
    read_at = await parts.marks.read_at([row.id for row in page.items], agent_id)
    items = [
        row.model_copy(update={"unread": shown.is_unread(row, read_at.get(row.id), agent_id)}) for row in page.items
    ]
    return page.model_copy(update={"items": items})


def _cursor(text: str | None, sort: Sort) -> Cursor | None:
    try:
        return decode_cursor(text, sort) if text else None
    except CursorError as error:
        raise Problem(400, "bad-cursor", "Bad cursor", str(error)) from error


async def _page(parts: PartsOf, query: ListQuery) -> m.ConversationPage:
    page = await parts.reader.page(query)
    items = [m.ConversationRow(**shown.row_fields(row)) for row in page.rows]
    return m.ConversationPage(items=items, next_cursor=page.next_cursor)


@router.get("/conversations/{conversation_id}", summary="Read a conversation")
async def read_conversation(
    conversation_id: str,
    parts: PartsOf,
    asker: Reads,
    response: Response,
    min_position: MinPosition = None,
    messages: Annotated[int, Query(ge=1, le=MOST, description="How many of its newest messages")] = MESSAGES,
) -> m.Conversation:
    """The thread with its texts, who owns it and why. `ETag` is what a request gives as `If-Match`.

    Of a long thread the newest messages; `earlier_cursor` leads to those before them.
    """
    await parts.reader.wait_for(positions_of(min_position))
    thread = await asker.thread(parts, conversation_id, Window(limit=messages))
    response.headers["ETag"] = f'"{thread.view.etag}"'
    response.headers["Cache-Control"] = "private, no-store"
    return shown.conversation(thread, parts.reader.configuration)


@router.get("/conversations/{conversation_id}/messages", summary="Messages of a conversation")
async def read_messages(
    conversation_id: str,
    parts: PartsOf,
    asker: Reads,
    limit: Annotated[int, Query(ge=1, le=MOST)] = MESSAGES,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    min_position: MinPosition = None,
) -> m.MessagePage:
    """Without `cursor` the newest messages, in the order of time; `next_cursor` leads to those before them."""
    await parts.reader.wait_for(positions_of(min_position))
    thread = await asker.thread(parts, conversation_id, Window(limit=limit, before=cursor))
    if cursor is not None and cursor not in {x.message_id for x in thread.every}:
        raise Problem(
            400, "bad-cursor", "Bad cursor", "the cursor is not one that an answer for this conversation held"
        )
    items = [shown.message(conversation_id, item, parts.reader.configuration) for item in thread.messages]
    return m.MessagePage(items=items, next_cursor=shown.earlier_cursor(thread))


@router.get("/conversations/{conversation_id}/events", summary="Events of a conversation")
async def read_events(
    conversation_id: str,
    parts: PartsOf,
    asker: Reads,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    cursor: Annotated[str | None, Query(max_length=50)] = None,
    min_position: MinPosition = None,
) -> m.EventPage:
    """The facts of this conversation as they stand on Kafka, in order; repeats that a producer sent again included."""
    await parts.reader.wait_for(positions_of(min_position))
    await asker.conversation(parts, conversation_id)
    found: list[LoggedEvent] = await parts.events.of_conversation(conversation_id, _after(cursor), limit + 1)
    more = len(found) > limit
    return m.EventPage(
        items=[shown.logged(e) for e in found[:limit]], next_cursor=str(found[limit - 1].position) if more else None
    )


async def read_message(parts: Parts, asker: Asker, conversation_id: str, message_id: str) -> ThreadMessage:
    """Return a message that this person may read. Raises UnknownConversationError, or Problem 404."""
    thread = await asker.thread(parts, conversation_id, Window(first=message_id, last=message_id))
    found = thread.message(message_id)
    if found is None or found.view.erased:
        raise not_found("this conversation has no such message")
    return found


@router.get("/conversations/{conversation_id}/messages/{message_id}", summary="Read one message")
async def read_one_message(
    conversation_id: str, message_id: str, parts: PartsOf, asker: Reads, min_position: MinPosition = None
) -> m.MessageShown:
    """What the `href` of a fact about a message leads to."""
    await parts.reader.wait_for(positions_of(min_position))
    item = await read_message(parts, asker, conversation_id, message_id)
    return shown.message(conversation_id, item, parts.reader.configuration)


_BINARY: dict[int | str, dict[str, Any]] = {200: {"content": {"application/octet-stream": {}}}}


@router.get(
    "/conversations/{conversation_id}/messages/{message_id}/attachments/{number}",
    summary="Download an attachment",
    response_class=Response,
    responses=_BINARY,
)
async def read_attachment(conversation_id: str, message_id: str, number: int, parts: PartsOf, asker: Reads) -> Response:
    """Always as a download of unknown type: a stranger made it."""
    content = (await read_message(parts, asker, conversation_id, message_id)).content
    attachments = content.get("attachments") or []
    if not 0 <= number < len(attachments):
        raise not_found("this message has no such attachment")
    attachment = attachments[number]
    body = await parts.content.get_blob(attachment["blob_id"])
    if body is None:
        raise not_found("the attachment was erased")
    return download(body, "application/octet-stream", str(attachment.get("filename") or "attachment"))


@router.get(
    "/conversations/{conversation_id}/messages/{message_id}/original",
    summary="Download the original mail",
    response_class=Response,
    responses={200: {"content": {"message/rfc822": {}}}},
)
async def read_original(conversation_id: str, message_id: str, parts: PartsOf, asker: Reads) -> Response:
    """The bytes as they came in."""
    content = (await read_message(parts, asker, conversation_id, message_id)).content
    body = await parts.content.get_blob(content["raw_blob_id"]) if content.get("raw_blob_id") else None
    if body is None:
        raise not_found("there is no original mail of this message")
    return download(body, "message/rfc822", f"{message_id}.eml")


@router.get(
    "/conversations/{conversation_id}/messages/{message_id}/html",
    summary="A message's HTML, made harmless",
    response_class=Response,
    responses={200: {"content": {"text/html": {}}}},
)
async def read_html(
    conversation_id: str,
    message_id: str,
    parts: PartsOf,
    asker: Reads,
    pictures: Annotated[bool, Query(description="With those that lie on other servers; the desk fetches them")] = False,
) -> Response:
    """A document of its own that may run nothing and load nothing from outside; embed it in a sandboxed frame."""
    item = await read_message(parts, asker, conversation_id, message_id)
    if not item.content.get("html"):
        raise not_found("this message has no HTML")
    body = await mail_document(item.content, parts.content, parts.pictures if pictures else None)
    headers = HEADERS | {"Content-Security-Policy": HTML_POLICY}
    return Response(body, media_type="text/html; charset=utf-8", headers=headers)


@router.get("/contacts/{contact_id}/conversations", summary="History of a contact")
async def read_contact(
    contact_id: str,
    parts: PartsOf,
    asker: Lists,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
) -> m.ConversationPage:
    """Every conversation of this contact that you may read, the newest first, archived and deleted ones included."""
    every = tuple(s for s in Status if s != Status.MERGED)
    query = ListQuery(
        readable=asker.readable,
        statuses=every,
        contact_id=contact_id,
        archived=None,
        sort="newest",
        limit=limit,
        cursor=_cursor(cursor, "newest"),
    )
    return await _page(parts, query)


@router.get("/requests/{request_id}", summary="What became of a request")
async def read_request(request_id: str, parts: PartsOf, asker: Lists) -> m.RequestState:
    """Of a conversation that you may read; before it exists, of a request of your own."""
    record = await parts.requests.get(request_id)
    if record is None:
        raise _no_request()
    outcome = await parts.door.find(record)
    await _their_own(parts, asker, record, outcome)
    event = outcome.event
    return m.RequestState(
        request_id=record.id,
        conversation_id=outcome.conversation_id,
        command=record.command,
        status="pending" if event is None else "refused" if outcome.refused else "done",
        position=str(event.position) if event else None,
        outcome=shown.short(event) if event else None,
        event=event.cloud_event() if event else None,
    )


async def _their_own(parts: Parts, asker: Asker, record: RequestRecord, outcome: Outcome) -> None:
    """Raises Problem 404, as for an unknown request, unless this person may know of it."""
    inbox_ids = [await parts.inboxes.of(i) for i in dict.fromkeys((record.conversation_id, outcome.conversation_id))]
    if any(i is not None and i not in asker.readable for i in inbox_ids):
        raise _no_request()
    if None in inbox_ids and record.by != asker.principal.key:
        raise _no_request()


def _no_request() -> Problem:
    return not_found("no request of this id in the last seven days")


@router.get("/overview", summary="Numbers of the moment")
async def read_overview(parts: PartsOf, asker: Lists, min_position: MinPosition = None) -> m.Overview:
    """Counted over the inboxes that you may read."""
    await parts.reader.wait_for(positions_of(min_position))
    counts = await parts.reader.counts(asker.readable, fresh=min_position is not None)
    return shown.overview(counts, parts.reader.configuration, asker.readable)


@router.get("/company", summary="Inboxes, teams, agents and tags")
async def read_company(parts: PartsOf, asker: SeesCompany) -> m.Company:
    """Nothing secret, and no private inbox of others; the configuration itself is written with `postroom config apply`."""
    return shown.company(parts.reader.configuration, parts.configurations.latest_version, asker.access.agent_id)


@router.get("/metrics/{path:path}", summary="Figures of analytics", response_model=None)
async def read_metrics(path: str, request: Request, parts: PartsOf, asker: SeesReports) -> Response:
    """Passed on to the REST API of analytics, bounded to the inboxes that you may read; 503 when it does not answer in time."""
    if not re.fullmatch(r"[a-z0-9-]+(/[a-z0-9-]+)*", path):
        raise not_found("analytics has no such figures")
    question = await bounded(path, request.query_params, parts, asker)
    answer = await parts.figures.get(f"/api/v1/metrics/{path}", question)
    if answer is None:
        raise Problem(
            503, "unavailable", "Not available at the moment", "analytics does not answer", headers={"Retry-After": "5"}
        )
    status, body = answer
    return JSONResponse(body, status)
