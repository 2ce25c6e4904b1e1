"""REST API of the figures: summaries per cut and time, the rows behind them, the figures of one conversation."""

import base64
import binascii
from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from postroom_contracts.business_time import from_epoch_ms
from postroom_contracts.fields import format_time
from postroom_runtime.errors import InfrastructureError

from postroom_analytics.domain.figures import figures
from postroom_analytics.domain.model import Row
from postroom_analytics.domain.now import MARKS
from postroom_analytics.domain.rollup import summarise
from postroom_analytics.reads import MetricsReads

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
        first: Annotated[date | None, Query(alias="from")] = None,
        last: Annotated[date | None, Query(alias="to")] = None,
    ) -> dict[str, Any]:
        """Count, mean, p50, p90, p95 in seconds by both clocks, per kind; of all time, or of UTC days `from` to `to`."""
        if (cut == "all") != (not value):
            raise HTTPException(422, "give `value` with every cut but `all`")
        if first is None and last is None:
            documents = [await reads.total(cut, value)]
        else:
            low, high = (first or date.min).isoformat(), (last or date.max).isoformat()
            documents = await reads.days(cut, value, low, high)
        return {kind: _summary(documents, kind) for kind in KINDS}

    @app.get("/api/v1/metrics/now")
    async def now(cut: Cut = "all") -> list[dict[str, Any]]:
        """Conversations that are open, unassigned, unattended now, per value of the cut."""
        totals = await reads.totals([cut])
        return [
            {"cut": cut, "value": value, **{mark: int(total.get("now", {}).get(mark, 0)) for mark in MARKS}}
            for (_, value), total in sorted(totals.items())
        ]

    @app.get("/api/v1/metrics/rows")
    async def rows(
        kind: Annotated[str, Query(max_length=60)],
        cut: Cut = "all",
        value: Annotated[str, Query(max_length=200)] = "",
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: Annotated[str | None, Query(max_length=400)] = None,
    ) -> dict[str, Any]:
        """The rows behind a number, the newest first."""
        query: dict[str, Any] = {"kind": kind, "counted": True}
        if (cut == "all") != (not value):
            raise HTTPException(422, "give `value` with every cut but `all`")
        if cut != "all":
            query[_FIELD[cut]] = value
        found = await reads.find_rows(query, limit + 1, _read_cursor(cursor))
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
    return {**shown, **times, **credit}


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
