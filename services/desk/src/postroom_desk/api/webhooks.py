"""Webhooks out: their state, their deliveries, what operators do about them. The notifier keeps them, the desk guards.

Subscriptions themselves are part of the configuration.
"""

from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from postroom_desk.api.auth import PartsOf
from postroom_desk.api.guard import Asker, needs
from postroom_desk.api.problems import Problem, not_found
from postroom_desk.domain.permissions import Operation
from postroom_desk.parts import Parts

router = APIRouter()
Reads = Annotated[Asker, Depends(needs(Operation.READ_SETTINGS))]
Changes = Annotated[Asker, Depends(needs(Operation.CHANGE_SETTINGS))]
Identifier = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
DeliveryId = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")]
DISABLED: dict[int | str, dict[str, Any]] = {409: {"description": "It is disabled: nothing is sent to it"}}
Place = Annotated[str, Field(max_length=2000, description="`beginning`, `end`, a time, or `partition:offset,...`")]


class ReplayAsked(BaseModel):
    """Which part of the log is sent again, with the same webhook ids."""

    model_config = ConfigDict(extra="forbid", strict=True)

    start: Place
    until: Place = "end"


@router.get("/webhooks", summary="Webhook subscriptions and how their receivers are")
async def list_webhooks(parts: PartsOf, _asker: Reads) -> list[dict[str, Any]]:
    """`state`: `ok`, `failing`, or `disabled` (after five days without one success)."""
    _, body = await _ask(parts, "GET", "")
    found: list[dict[str, Any]] = body
    return found


@router.get("/webhooks/{identifier}/deliveries", summary="What was sent to a receiver, and what it answered")
async def list_deliveries(
    identifier: Identifier,
    parts: PartsOf,
    _asker: Reads,
    state: Literal["due", "delivered", "dead"] | None = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> dict[str, Any]:
    """The newest first, of the last 30 days; `dead` are those that were given up after eight attempts."""
    query = {name: value for name, value in {"state": state, "cursor": cursor}.items() if value}
    _, body = await _ask(parts, "GET", f"/{identifier}/deliveries", query=query)
    found: dict[str, Any] = body
    return found


@router.post(
    "/webhooks/{identifier}/test", summary="Send an event that says nothing", status_code=202, responses=DISABLED
)
async def try_webhook(identifier: Identifier, parts: PartsOf, _asker: Changes) -> Response:
    return JSONResponse((await _ask(parts, "POST", f"/{identifier}/test"))[1], HTTPStatus.ACCEPTED)


@router.post("/webhooks/{identifier}/enable", summary="Send to it again")
async def enable_webhook(identifier: Identifier, parts: PartsOf, _asker: Changes) -> dict[str, Any]:
    """What it missed meanwhile is given by a replay."""
    _, body = await _ask(parts, "POST", f"/{identifier}/enable")
    found: dict[str, Any] = body
    return found


@router.post(
    "/webhooks/{identifier}/replay", summary="Send a range of the log again", status_code=202, responses=DISABLED
)
async def replay_webhook(identifier: Identifier, asked: ReplayAsked, parts: PartsOf, _asker: Changes) -> Response:
    status, body = await _ask(parts, "POST", f"/{identifier}/replay", body=asked.model_dump())
    return JSONResponse(body, status)


@router.post(
    "/webhooks/{identifier}/deliveries/{delivery_id}/retry", summary="Try one anew", status_code=202, responses=DISABLED
)
async def retry_delivery(identifier: Identifier, delivery_id: DeliveryId, parts: PartsOf, _asker: Changes) -> Response:
    path = f"/{identifier}/deliveries/{delivery_id}/retry"
    return JSONResponse((await _ask(parts, "POST", path))[1], HTTPStatus.ACCEPTED)


async def _ask(
    parts: Parts, method: str, path: str, query: dict[str, str] | None = None, body: dict[str, Any] | None = None
) -> tuple[int, Any]:
    """Return the notifier's answer. Raises Problem for what it refuses, and 503 when it does not answer."""
    answer = (
        None if parts.webhooks is None else await parts.webhooks.ask(method, f"/api/v1/webhooks{path}", query, body)
    )
    if answer is None or answer[0] in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.UNAUTHORIZED):
        detail = "the notifier does not answer" if parts.webhooks else "POSTROOM_NOTIFIER_URL is not set"
        raise Problem(503, "unavailable", "Not available at the moment", detail, headers={"Retry-After": "5"})
    status, found = answer
    if status == HTTPStatus.NOT_FOUND:
        raise not_found(str((found or {}).get("detail", "the notifier knows no such webhook")))
    if status == HTTPStatus.CONFLICT:
        raise Problem(409, "webhook-disabled", "Disabled", str((found or {}).get("detail", "")))
    if status >= HTTPStatus.BAD_REQUEST:
        raise Problem(422, "invalid", "The request does not fit", str((found or {}).get("detail", "")))
    return status, found
