"""The page: overview, lists, conversations. Rendered on the server; a little JavaScript of our own keeps it moving.

It uses the same reads as the API and, from the browser, the API itself for every action.
"""

import contextlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Form, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from postroom_contracts.values import Status
from pydantic import BaseModel
from starlette.staticfiles import StaticFiles

from postroom_desk.api import models as m
from postroom_desk.api import shown
from postroom_desk.api.auth import COOKIE, PartsOf, identify
from postroom_desk.api.guard import Asker, checked
from postroom_desk.api.problems import Problem, not_found
from postroom_desk.api.reads import positions_of, read_message
from postroom_desk.console import figures
from postroom_desk.console.rendering import SECURITY_HEADERS, page
from postroom_desk.domain.permissions import Operation
from postroom_desk.domain.queries import CursorError, ListQuery, Sort, decode_cursor
from postroom_desk.parts import Parts
from postroom_desk.reading import NotYetError, UnknownConversationError
from postroom_desk.tokens import authenticate

STATIC = Path(__file__).parent / "static"
AGENT_COOKIE = "postroom_agent"
PAGE_WAIT_SECONDS = 1.0
FEED = 14
FEED_LOOKED_AT = 100
"""Facts among which those that one may read are looked for."""
MAX_ORIGINAL = 500_000
_COOKIE_SECONDS = 12 * 3600
router = APIRouter(include_in_schema=False)


class NotSignedInError(Exception):
    """The browser has no valid token: it is sent to the form."""


def install(app: FastAPI) -> None:
    app.include_router(router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_exception_handler(NotSignedInError, _to_login)


async def _to_login(_request: Request, _error: Exception) -> Response:
    return RedirectResponse("/login", 303)


def page_needs(operation: Operation) -> Callable[[Request], Awaitable[Asker]]:
    """Return the dependency of a page that does `operation`: as `guard.needs`, but who is not signed in goes to the form."""

    async def check(request: Request) -> Asker:
        who = await identify(request)
        if who is None:
            raise NotSignedInError
        return checked(request, who, operation)

    check.operation = operation  # type: ignore[attr-defined]  # the test of all routes reads it
    return check


Lists = Annotated[Asker, Depends(page_needs(Operation.LIST_CONVERSATIONS))]
Reads = Annotated[Asker, Depends(page_needs(Operation.READ_CONVERSATION))]
SeesCompany = Annotated[Asker, Depends(page_needs(Operation.SEE_COMPANY))]
SeesReports = Annotated[Asker, Depends(page_needs(Operation.SEE_REPORTS))]
RunsDemo = Annotated[Asker, Depends(page_needs(Operation.RUN_DEMO))]


async def _reached(request: Request, parts: Parts) -> None:
    """Wait for what the browser has heard of by live updates, but show what there is in any case."""
    with contextlib.suppress(NotYetError):
        await parts.reader.wait_for(positions_of(request.headers.get("x-after")), PAGE_WAIT_SECONDS)


def _acting(request: Request, parts: Parts, asker: Asker) -> str | None:
    agent_id = asker.principal.agent_id or request.cookies.get(AGENT_COOKIE)
    return agent_id if parts.reader.configuration.agent(agent_id) else None


async def _page(
    request: Request, parts: Parts, asker: Asker, template: str, status: int = 200, **context: Any
) -> HTMLResponse:
    """Render a page inside the frame that all share: navigation with counts, acting agent, live state."""
    configuration = parts.reader.configuration
    counts = await parts.reader.counts(asker.readable)
    context.setdefault("overview", shown.overview(counts, configuration, asker.readable))
    company = shown.company(configuration, parts.configurations.latest_version, asker.access.agent_id)
    body = page(
        template,
        company=company,
        agents={a.id: a.name for a in company.agents},
        acting=_acting(request, parts, asker),
        bound=asker.principal.agent_id,
        demo=parts.demo is not None,
        path=request.url.path,
        query_text=request.url.query,
        open_desk=parts.settings.desk_open,
        now=parts.clock.now(),
        **context,
    )
    return HTMLResponse(body, status, headers=SECURITY_HEADERS)


@router.get("/")
async def overview(request: Request, parts: PartsOf, asker: Lists) -> Response:
    await _reached(request, parts)
    return await _page(
        request,
        parts,
        asker,
        "overview.html",
        title="Overview",
        feed=await _feed(parts, asker),
        reports=asker.may(Operation.SEE_REPORTS),
        figures=await figures.response_figures(parts, asker) if asker.may(Operation.SEE_REPORTS) else None,
    )


async def _feed(parts: Parts, asker: Asker) -> list[figures.FeedItem]:
    """Return the newest facts of readable conversations as lines, with subjects and customers' names, in three queries."""
    newest = await parts.events.newest(FEED_LOOKED_AT)
    views = await parts.reader.conversations.get((e.conversation_id for e in newest), asker.readable)
    events = [e for e in newest if e.conversation_id in views][:FEED]
    views = {e.conversation_id: views[e.conversation_id] for e in events}
    rows = await parts.reader.rows(views)
    nothing = ("", "")
    names = {row.id: (row.subject, row.contact["name"] or row.contact["address"]) for row in rows}
    return [figures.feed_item(e, *names.get(e.conversation_id, nothing), parts.reader.configuration) for e in events]


@router.get("/figures/{kind}")
async def figure(
    kind: str, request: Request, parts: PartsOf, asker: SeesReports, cursor: str | None = None
) -> Response:
    """The conversations behind a figure."""
    if kind not in figures.FIGURES:
        raise not_found("there is no such figure")
    found = await figures.cases(parts, asker, kind, cursor)
    cases, following = found or ([], None)
    views = await parts.reader.conversations.get((c.conversation_id for c in cases), asker.readable)
    cases = [case for case in cases if case.conversation_id in views]
    next_url = str(request.url.include_query_params(cursor=following)) if following else None
    return await _page(
        request,
        parts,
        asker,
        "figure.html",
        title=figures.FIGURES[kind],
        away=found is None,
        cases=cases,
        rows={row.id: row for row in await parts.reader.rows(views)},
        next_url=next_url,
    )


@router.get("/conversations")
async def conversations(
    request: Request,
    parts: PartsOf,
    asker: Lists,
    status: Annotated[list[Status] | None, Query()] = None,
    inbox: str | None = None,
    team: str | None = None,
    tag: str | None = None,
    owner: str | None = None,
    unassigned: bool = False,
    archived: bool = False,
    sort: Sort = "waiting",
    cursor: str | None = None,
) -> Response:
    await _reached(request, parts)
    try:
        after = decode_cursor(cursor, sort) if cursor else None
    except CursorError as error:
        raise Problem(400, "bad-cursor", "Bad cursor", str(error)) from error
    query = ListQuery(
        readable=asker.readable,
        statuses=tuple(status or ()),
        inbox_id=inbox,
        team_id=team,
        tag=tag,
        owner_id=owner,
        unassigned=unassigned,
        archived=archived,
        sort=sort,
        cursor=after,
    )
    found = await parts.reader.page(query)
    rows = [m.ConversationRow(**shown.row_fields(row)) for row in found.rows]
    title = figures.list_title(query, parts.reader.configuration)
    next_url = str(request.url.include_query_params(cursor=found.next_cursor)) if found.next_cursor else None
    return await _page(
        request, parts, asker, "list.html", title=title, rows=rows, next_url=next_url, sort=sort, filters=query
    )


@router.get("/conversations/{conversation_id}")
async def conversation(conversation_id: str, request: Request, parts: PartsOf, asker: Reads) -> Response:
    await _reached(request, parts)
    try:
        thread = await asker.thread(parts, conversation_id)
    except UnknownConversationError:
        return await _page(request, parts, asker, "unknown.html", 404, title="No such conversation")
    shown_thread = shown.conversation(thread, parts.reader.configuration)
    events = [shown.logged(e) for e in await parts.events.of_conversation(conversation_id, None, 200)]
    history = await parts.reader.page(
        ListQuery(
            readable=asker.readable,
            statuses=tuple(s for s in Status if s != Status.MERGED),
            contact_id=next(iter(thread.view.contact_ids), "-"),
            archived=None,
            sort="newest",
            limit=6,
        )
    )
    others = [m.ConversationRow(**shown.row_fields(r)) for r in history.rows if r.id != conversation_id][:5]
    return await _page(
        request,
        parts,
        asker,
        "conversation.html",
        title=thread.subject or "(no subject)",
        c=shown_thread,
        events=[(e, json.dumps(e.event, indent=2, ensure_ascii=False)) for e in events],
        history=others,
    )


@router.get("/conversations/{conversation_id}/messages/{message_id}/original")
async def original(conversation_id: str, message_id: str, request: Request, parts: PartsOf, asker: Reads) -> Response:
    """The original mail as text. Bytes that are no UTF-8 are shown as what they are not."""
    content = (await read_message(parts, asker, conversation_id, message_id)).content
    raw = await parts.content.get_blob(content["raw_blob_id"]) if content.get("raw_blob_id") else None
    if raw is None:
        raise not_found("there is no original mail of this message")
    text = raw[:MAX_ORIGINAL].decode("utf-8", "replace")
    return await _page(
        request,
        parts,
        asker,
        "original.html",
        title="Original mail",
        text=text,
        size=len(raw),
        cut=len(raw) > MAX_ORIGINAL,
        back=f"/conversations/{conversation_id}",
        download=f"{shown.href(conversation_id)}/messages/{message_id}/original",
    )


@router.get("/tags.css")
async def tag_colours(parts: PartsOf, _asker: SeesCompany) -> Response:
    """Colours of tags: a style sheet, because the page allows no inline style."""
    rules = [f".tag-{t.id}{{--tag:{t.color}}}" for t in parts.reader.configuration.tags]
    return Response("\n".join(rules), media_type="text/css", headers={"Cache-Control": "no-cache"})


# --- signing in -------------------------------------------------------------------------------------------------


@router.get("/login")
async def login_form(request: Request, parts: PartsOf, token: str | None = None) -> Response:
    """A token in the address is put into the cookie, and left behind by a page that goes on by itself."""
    return _login(request, parts, token) if token else _form()


@router.post("/login")
async def login(request: Request, parts: PartsOf, token: Annotated[str, Form(max_length=500)]) -> Response:
    return _login(request, parts, token)


def _form(*, wrong: bool = False) -> Response:
    body = page("login.html", title="Sign in", wrong=wrong)
    return HTMLResponse(body, 401 if wrong else 200, headers=SECURITY_HEADERS)


def _login(request: Request, parts: Parts, token: str) -> Response:
    if authenticate(token.strip(), parts.settings.tokens()) is None:
        return _form(wrong=True)
    # Not a redirect: after a link from elsewhere a browser would keep a SameSite=Strict cookie back on the next step.
    response = HTMLResponse(page("welcome.html", title="Signed in"), headers=SECURITY_HEADERS)
    secure = request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"
    response.set_cookie(COOKIE, token.strip(), max_age=_COOKIE_SECONDS, httponly=True, samesite="strict", secure=secure)
    return response


@router.post("/logout")
async def logout() -> Response:
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


# --- the demo's controls ----------------------------------------------------------------------------------------


async def _demo(parts: Parts, method: str, path: str, body: dict[str, Any] | None = None) -> Response:
    if parts.demo is None:
        raise not_found("this is no demo")
    answer = await parts.demo.call(method, path, body)
    if answer is None:
        raise Problem(503, "unavailable", "The demo does not answer", headers={"Retry-After": "2"})
    return JSONResponse(answer[1], answer[0])


@router.get("/demo/status")
async def demo_status(parts: PartsOf, _asker: RunsDemo) -> Response:
    return await _demo(parts, "GET", "/status")


class DemoMail(BaseModel):
    """A test mail: who it seems to come from, subject, text, inbox (an address of the company)."""

    sender: str = ""
    subject: str = ""
    text: str
    to: str = ""


@router.post("/demo/send")
async def demo_send(mail: DemoMail, parts: PartsOf, _asker: RunsDemo) -> Response:
    return await _demo(parts, "POST", "/send", mail.model_dump())


@router.post("/demo/kill/router")
async def demo_kill(parts: PartsOf, _asker: RunsDemo) -> Response:
    return await _demo(parts, "POST", "/kill/router")
