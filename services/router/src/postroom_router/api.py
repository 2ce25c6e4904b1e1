"""How far an erasure is, on the router's own door: the desk shows it to those who may erase.

Every request carries a digest made with a signing key of the deployment, so that nobody else in the network can ask. What
is told holds nothing of the person.
"""

import hmac
from collections.abc import Sequence
from typing import Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from postroom_contracts.fields import format_time
from postroom_contracts.signed_ids import service_key
from postroom_runtime.errors import InfrastructureError

from postroom_router.adapters.erasures import Erasure, Erasures

KEY_HEADER = "x-postroom-key"
BASE = "/api/v1/erasures"


def application(erasures: Erasures, keys: Sequence[bytes]) -> FastAPI:
    """Return the API: `GET /api/v1/erasures/{contact_id}`; 404 for a contact whose erasure nobody asked for."""

    def known(request: Request) -> None:
        given = request.headers.get(KEY_HEADER, "").encode()
        if not any(hmac.compare_digest(given, service_key(key).encode()) for key in keys):
            raise HTTPException(401, "ask the desk")

    app = FastAPI(title="Postroom erasures", version="1", docs_url=None, redoc_url=None, dependencies=[Depends(known)])

    @app.exception_handler(InfrastructureError)
    async def unavailable(_request: Request, _error: InfrastructureError) -> JSONResponse:
        return JSONResponse({"detail": "MongoDB does not answer"}, 503, headers={"Retry-After": "5"})

    @app.get(f"{BASE}/{{contact_id}}")
    async def erasure(contact_id: str) -> dict[str, Any]:
        found = await erasures.of(contact_id)
        if found is None:
            raise HTTPException(404, "nobody asked for the erasure of this contact")
        return _shown(found)

    return app


def _shown(erasure: Erasure) -> dict[str, Any]:
    times = {"asked_at": erasure.asked_at, "begun_at": erasure.buried_at, "done_at": erasure.done_at}
    return {
        "contact_id": erasure.contact_id,
        "request_id": erasure.request,
        "asked_by": str(erasure.actor.get("id") or ""),
        "whole": erasure.whole,
        "conversations": erasure.conversations,
        **{name: None if moment is None else format_time(moment) for name, moment in times.items()},
    }
