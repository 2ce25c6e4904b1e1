"""How far an erasure is, as the router tells the desk: with a key of the deployment alone, and nothing of the person."""

from datetime import UTC, datetime

import httpx
from postroom_contracts.signed_ids import service_key
from postroom_router.adapters.erasures import Erasure, InMemoryErasures
from postroom_router.api import application

KEY = b"a-signing-key-of-the-tests-0001"
AT = datetime(2026, 3, 6, 15, 30, tzinfo=UTC)


async def test_the_router_tells_who_has_the_key_how_far_it_is() -> None:
    erasures = InMemoryErasures()
    actor = {"kind": "agent", "id": "ann"}
    await erasures.ask(Erasure("contact-1", "request-1", actor, True, AT, key="email:zoe@example.test"))
    transport = httpx.ASGITransport(application(erasures, [b"a-newer-key-of-the-tests-000001", KEY]))
    async with httpx.AsyncClient(transport=transport, base_url="http://router") as client:
        assert (await client.get("/api/v1/erasures/contact-1")).status_code == 401
        client.headers["x-postroom-key"] = "guessed"
        assert (await client.get("/api/v1/erasures/contact-1")).status_code == 401
        client.headers["x-postroom-key"] = service_key(KEY)
        assert (await client.get("/api/v1/erasures/contact-2")).status_code == 404
        told = (await client.get("/api/v1/erasures/contact-1")).json()
    assert told == {
        "contact_id": "contact-1",
        "request_id": "request-1",
        "asked_by": "ann",
        "whole": True,
        "conversations": None,
        "asked_at": "2026-03-06T15:30:00.000Z",
        "begun_at": None,
        "done_at": None,
    }
