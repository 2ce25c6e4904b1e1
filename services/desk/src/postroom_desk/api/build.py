"""Puts the API and the page together."""

from fastapi import FastAPI

from postroom_desk import unsubscribe
from postroom_desk.api import (
    answering,
    audit,
    bulk,
    document,
    drafts,
    erasing,
    first_drafts,
    folders,
    limits,
    notifications,
    people,
    pictures,
    presence,
    problems,
    published,
    reads,
    saved_replies,
    scheduled,
    search,
    streams,
    uploads,
    webhooks,
    writes,
)
from postroom_desk.api.audited import Audited
from postroom_desk.api.doorway import Doorway
from postroom_desk.api.shown import BASE
from postroom_desk.console import routes as console
from postroom_desk.console import trouble
from postroom_desk.parts import Parts

DESCRIPTION = (
    "Read and answer conversations. Requests become facts on Kafka; each answer says where its fact stands. "
    "What somebody may not read does not exist for them: it is answered with 404, as what is unknown."
)


def build(parts: Parts) -> FastAPI:
    """Return the application. Its OpenAPI document is at /api/v1/openapi.json."""
    app = FastAPI(
        title="Postroom desk",
        version="1",
        description=DESCRIPTION,
        openapi_url=f"{BASE}/openapi.json",
        docs_url=None,  # these two would load scripts from a foreign host
        redoc_url=None,
    )
    app.state.parts = parts
    for module in (
        reads,
        writes,
        answering,
        drafts,
        first_drafts,
        uploads,
        saved_replies,
        streams,
        presence,
        pictures,
        folders,
        notifications,
        bulk,
        erasing,
        search,
        audit,
        people,
        scheduled,
        published,
        webhooks,
    ):
        app.include_router(module.router, prefix=BASE, tags=[module.__name__.rpartition(".")[2]])
    app.include_router(unsubscribe.router)
    console.install(app)
    problems.install(app)
    trouble.install(app)
    document.install(app)
    app.add_middleware(Audited)
    app.add_middleware(limits.RateLimit, per_minute=parts.settings.requests_per_minute)
    app.add_middleware(Doorway)
    app.add_middleware(problems.RequestId)
    return app
