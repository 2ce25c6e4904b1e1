"""REST API of the figures: summaries per cut and time, the rows behind them, the figures of one conversation."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from postroom_contracts.business_time import from_epoch_ms
from postroom_contracts.fields import format_time
from postroom_contracts.response_times.model import marked_private, plain_inbox
from postroom_runtime.errors import InfrastructureError

from postroom_analytics.domain.cells import PRIVATE
from postroom_analytics.domain.figures import figures
from postroom_analytics.domain.model import Row
from postroom_analytics.domain.now import MARKS
from postroom_analytics.domain.rollup import summarise
from postroom_analytics.reads import MetricsReads, Place, Totals

KINDS = (
    "first_response",
    "first_response_handoff",
    "next_response",
    "resolution",
    "net_resolution",
    "first_resolution",
    "full_resolution",
    "net_full_resolution",
    "conversation",
)
Cut = Literal["all", "inbox", "channel", "tag", "team", "agent"]
Inboxes = Annotated[
    str | None,
    Query(max_length=20_000, description="Bound to these, separated by commas; only so are private ones among them"),
]
_INSTANTS = ("started_at", "closed_at", "deadline_at", "breached_at")
_FIELD = {"inbox": "inbox", "channel": "channel", "tag": "tags", "team": "team", "agent": "agent"}


def application(reads: MetricsReads) -> FastAPI:
    """Return the API over `reads`."""
    app = FastAPI(title="Postroom analytics", version="0.1.0", docs_url=None, redoc_url=None)
    app.add_exception_handler(InfrastructureError, _unavailable)
    app.add_exception_handler(HTTPException, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    _register(app, reads)
    return app


def _register(app: FastAPI, reads: MetricsReads) -> None:
    @app.get("/api/v1/metrics/summary")
    async def summary(
        cut: Cut = "all",
        value: Annotated[str, Query(max_length=200)] = "",
        inboxes: Inboxes = None,
        first: Annotated[date | None, Query(alias="from")] = None,
        last: Annotated[date | None, Query(alias="to")] = None,
    ) -> dict[str, Any]:
        """Count, mean, p50, p90, p95 in seconds by both clocks, per kind; of all time, or of UTC days `from` to `to`."""
        if (cut == "all") != (not value):
            raise HTTPException(422, "give `value` with every cut but `all`")
        places = _places(cut, value, inboxes)
        if first is None and last is None:
            documents = [await reads.total(places)] if places else []
        else:
            low, high = (first or date.min).isoformat(), (last or date.max).isoformat()
            documents = await reads.days(places, low, high) if places else []
        return {kind: _summary(documents, kind) for kind in KINDS}

    @app.get("/api/v1/metrics/now")
    async def now(cut: Cut = "all", inboxes: Inboxes = None) -> list[dict[str, Any]]:
        """Conversations that are open, unassigned, unattended now, per value of the cut."""
        if inboxes is None:
            totals = await reads.totals([cut])
            counts = {value: total.get("now", {}) for (_, value), total in totals.items()}
        else:
            counts = now_of_inboxes(await reads.totals(["inbox", PRIVATE]), cut, _listed(inboxes))
        return [
            {"cut": cut, "value": value, **{mark: int(found.get(mark, 0)) for mark in MARKS}}
            for value, found in sorted(counts.items())
        ]

    @app.get("/api/v1/metrics/rows")
    async def rows(
        kind: Annotated[str, Query(max_length=60)],
        cut: Cut = "all",
        value: Annotated[str, Query(max_length=200)] = "",
        inboxes: Inboxes = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: Annotated[str | None, Query(max_length=400)] = None,
    ) -> dict[str, Any]:
        """The rows behind a number, the newest first."""
        found = await reads.find_rows(_row_query(kind, cut, value, inboxes), limit + 1, _read_cursor(cursor))
        page = found[:limit]
        following = _cursor(page[-1]) if len(found) > limit else None
        return {"rows": [_shown(row) for row in page], "next": following}

    @app.get("/api/v1/metrics/conversations/{conversation_id}")
    async def conversation(conversation_id: str) -> dict[str, Any]:
        """Every figure of one conversation by name."""
        found = await reads.conversation(conversation_id)
        if found is None:
            raise HTTPException(404, "no such conversation")
        return figures(*found)


def _row_query(kind: str, cut: Cut, value: str, inboxes: str | None) -> dict[str, Any]:
    """Return which rows are wanted. Raises HTTPException."""
    query: dict[str, Any] = {"kind": kind, "counted": True}
    if (cut == "all") != (not value):
        raise HTTPException(422, "give `value` with every cut but `all`")
    if cut != "all":
        query[_FIELD[cut]] = value
    if inboxes is not None:
        named = [i for i in _listed(inboxes) if cut != "inbox" or i == value]
        query["inbox"] = {"$in": [name for i in named for name in (i, marked_private(i))]}
    return query


def _listed(inboxes: str) -> list[str]:
    return [i for i in inboxes.split(",") if i]


def _places(cut: Cut, value: str, inboxes: str | None) -> list[Place]:
    """Return the documents that a summary is made from. Raises HTTPException for a cut that cannot be bounded to inboxes."""
    if inboxes is None:
        return [(cut, value)]
    if cut not in ("all", "inbox"):
        raise HTTPException(422, "only the cuts `all` and `inbox` can be bounded to `inboxes`")
    return [(c, i) for i in _listed(inboxes) if cut == "all" or i == value for c in ("inbox", PRIVATE)]


def now_of_inboxes(totals: Totals, cut: Cut, inboxes: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return the present counts of these inboxes, by inbox or all together. Raises HTTPException for another cut."""
    if cut not in ("all", "inbox"):
        raise HTTPException(422, "only the cuts `all` and `inbox` can be bounded to `inboxes`")
    counts: dict[str, dict[str, int]] = {} if cut == "inbox" else {"": {}}
    for (_, inbox), total in totals.items():
        if inbox in inboxes:
            found = counts.setdefault(inbox if cut == "inbox" else "", {})
            for mark, n in total.get("now", {}).items():
                found[mark] = found.get(mark, 0) + int(n)
    return counts


def _summary(documents: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    found = summarise(documents, kind)
    clocks = {"wall": found.wall, "business": found.business}
    shown = {n: {"count": c.count, "mean": c.mean, "p50": c.p50, "p90": c.p90, "p95": c.p95} for n, c in clocks.items()}
    return {**shown, "outcomes": found.outcomes}


def _shown(row: Row) -> dict[str, Any]:
    """Return the row with its credit's parts beside the rest; what is undefined is null."""
    shown = asdict(row)
    credit = shown.pop("credit")
    times = {name: None if shown[name] is None else format_time(from_epoch_ms(shown[name])) for name in _INSTANTS}
    return {**shown, **times, **credit, "inbox": plain_inbox(row.inbox)}


def _cursor(row: Row) -> str:
    return base64.urlsafe_b64encode(f"{row.closed_at} {row.id}".encode()).decode()


def _read_cursor(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    try:
        at, space, row_id = base64.urlsafe_b64decode(cursor.encode()).decode().partition(" ")
        if not space:
            raise ValueError("no space")
        return from_epoch_ms(int(at)), row_id
    except (ValueError, binascii.Error, OverflowError) as error:
        raise HTTPException(422, "this cursor was not made here") from error


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    detail = "; ".join(f"{'.'.join(map(str, e['loc'][1:]))}: {e['msg']}" for e in error.errors())
    return _answer(422, "Request refused", detail)


async def _problem(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return _answer(error.status_code, "Request refused", error.detail)


async def _unavailable(_request: Request, _error: Exception) -> JSONResponse:
    return _answer(503, "Unavailable", "the database does not answer", {"Retry-After": "5"})


def _answer(status: int, title: str, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return problem details (RFC 9457)."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(body, status, headers, media_type="application/problem+json")
