"""The numbers of the house, what happens now, the conversations behind a figure, and the demo's controls."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from postroom_desk.api import shown
from postroom_desk.api.auth import PartsOf
from postroom_desk.api.problems import Problem, not_found
from postroom_desk.console import figures
from postroom_desk.console.activity import Line, line
from postroom_desk.console.pages import reached, render
from postroom_desk.console.viewer import Viewer, page_needs
from postroom_desk.domain.permissions import Operation
from postroom_desk.parts import Parts

FEED = 14
FEED_LOOKED_AT = 100
"""Facts among which those that one may read are looked for."""
router = APIRouter(include_in_schema=False)
SeesCompany = Annotated[Viewer, Depends(page_needs(Operation.SEE_COMPANY))]
SeesReports = Annotated[Viewer, Depends(page_needs(Operation.SEE_REPORTS))]
RunsDemo = Annotated[Viewer, Depends(page_needs(Operation.RUN_DEMO))]


@router.get("/overview")
async def overview(request: Request, parts: PartsOf, viewer: SeesCompany) -> Response:
    await reached(request, parts)
    reports = viewer.sees(Operation.SEE_REPORTS)
    return render(
        request,
        parts,
        viewer,
        "overview.html",
        title=viewer.texts("frame.nav.overview"),
        overview=shown.overview(
            await parts.reader.counts(viewer.readable), parts.reader.configuration, viewer.readable
        ),
        feed=await _feed(parts, viewer),
        reports=reports,
        figures=await figures.response_figures(parts, viewer.signed_in) if reports else None,
    )


async def _feed(parts: Parts, viewer: Viewer) -> list[Line]:
    """Return the newest facts of readable conversations as lines, with subjects and customers' names, in three queries."""
    newest = await parts.events.newest(FEED_LOOKED_AT)
    views = await parts.reader.conversations.get((e.conversation_id for e in newest), viewer.readable)
    events = [e for e in newest if e.conversation_id in views]
    rows = await parts.reader.rows({e.conversation_id: views[e.conversation_id] for e in events[:FEED]})
    names = {row.id: (row.subject, row.contact["name"] or row.contact["address"]) for row in rows}
    return [
        line(
            e,
            parts.reader.configuration,
            viewer.texts,
            readable=viewer.readable,
            subject=names[e.conversation_id][0],
            customer=names[e.conversation_id][1],
        )
        for e in events[:FEED]
    ]


@router.get("/figures/{kind}")
async def figure(
    kind: str, request: Request, parts: PartsOf, viewer: SeesReports, cursor: str | None = None
) -> Response:
    """The conversations behind a figure."""
    if kind not in figures.FIGURES:
        raise not_found("there is no such figure")
    found = await figures.cases(parts, viewer.signed_in, kind, cursor)
    cases, following = found or ([], None)
    views = await parts.reader.conversations.get((c.conversation_id for c in cases), viewer.readable)
    next_url = str(request.url.include_query_params(cursor=following)) if following else None
    return render(
        request,
        parts,
        viewer,
        "figure.html",
        title=viewer.texts(f"overview.figure.{kind}"),
        away=found is None,
        cases=[c for c in cases if c.conversation_id in views],
        rows={row.id: row for row in await parts.reader.rows(views)},
        next_url=next_url,
    )


async def _demo(parts: Parts, method: str, path: str, body: dict[str, Any] | None = None) -> Response:
    if parts.demo is None:
        raise not_found("this is no demo")
    answer = await parts.demo.call(method, path, body)
    if answer is None:
        raise Problem(503, "unavailable", "The demo does not answer", headers={"Retry-After": "2"})
    return JSONResponse(answer[1], answer[0])


@router.get("/demo/status")
async def demo_status(parts: PartsOf, _viewer: RunsDemo) -> Response:
    return await _demo(parts, "GET", "/status")


class DemoMail(BaseModel):
    """A test mail: who it seems to come from, subject, text, inbox (an address of the company)."""

    sender: str = ""
    subject: str = ""
    text: str
    to: str = ""


@router.post("/demo/send")
async def demo_send(mail: DemoMail, parts: PartsOf, _viewer: RunsDemo) -> Response:
    return await _demo(parts, "POST", "/send", mail.model_dump())


@router.post("/demo/kill/router")
async def demo_kill(parts: PartsOf, _viewer: RunsDemo) -> Response:
    return await _demo(parts, "POST", "/kill/router")
