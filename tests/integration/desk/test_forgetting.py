"""The desk's own copies of what somebody wrote go with `ContentErased`; those of others, and what came later, stay."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from postroom_contracts.facts import ContentErased, RequestRefused
from postroom_contracts.values import Actor, ContentReference
from postroom_desk.adapters.copies import MongoCopies
from postroom_desk.adapters.drafts import MongoDrafts
from postroom_desk.adapters.event_log import MongoEventLog
from postroom_desk.adapters.filters import MongoFilters
from postroom_desk.adapters.search_index import MongoSearchIndex
from postroom_desk.adapters.uploads import MongoUploads
from postroom_desk.answering.drafts import key_of
from postroom_desk.answering.uploads import Upload
from postroom_desk.domain.draft import Draft, Version, Written, saved
from postroom_desk.domain.filters import SavedFilter
from postroom_desk.domain.logged import LoggedEvent
from postroom_desk.domain.positions import LogPosition
from postroom_desk.domain.search.entries import Person
from postroom_desk.forgetting import Forgetting
from postroom_runtime import mongo
from postroom_runtime.content_store import InMemoryContentStore
from postroom_runtime.settings import RuntimeSettings

pytestmark = pytest.mark.connected
NOW = datetime(2026, 3, 6, 14, tzinfo=UTC)
BEFORE, AFTER = NOW - timedelta(minutes=1), NOW + timedelta(minutes=1)
ANA = Actor(kind="agent", id="ana")


@pytest.fixture
async def database(mongo_uri: str, database_prefix: str) -> AsyncIterator[Any]:
    settings = RuntimeSettings(mongo_uri=mongo_uri, database_prefix=database_prefix)
    client = mongo.connect(settings)
    yield mongo.database(client, settings, "desk")
    await mongo.close(client)


def fact(data: Any, conversation_id: str, offset: int) -> LoggedEvent:
    headers = {"ce_type": type(data).type_name(), "ce_subject": conversation_id, "ce_id": f"e{offset}"}
    headers |= {"ce_time": NOW.isoformat(), "ce_causationid": "cause"}
    return LoggedEvent(LogPosition(0, offset), headers, json.dumps(data.model_dump(mode="json")).encode(), 0)


def refused(content: str, conversation_id: str, offset: int) -> LoggedEvent:
    reference = ContentReference(content_id=content, sha256="0" * 64)
    data = RequestRefused(request_id="r", request_type="t", actor=ANA, reason="stale", content=reference)
    return fact(data, conversation_id, offset)


def draft(conversation_id: str, *written: datetime) -> Draft:
    versions = [Version(number=n, by="ana", at=at, text="Dear Zebedee") for n, at in enumerate(written, 1)]
    text = Written(text="Dear Zebedee", attachments=[f"file-{conversation_id}"])
    return Draft(
        id=f"draft-{conversation_id}",
        conversation_id=conversation_id,
        kind="reply",
        number=1,
        revision=1,
        written=text,
        saved_at=written[-1],
        versions=versions,
    )


def begun(name: str, at: datetime, address: str) -> Draft:
    """Return the draft of a conversation that never was; it went to `address` at first, to somebody else since."""
    draft = Draft(id=f"draft-{name}", conversation_id=name, kind="start", people=["ana"], revision=1)
    for to in (address, "dora@example.test"):
        written = Written(text="Dear Zebedee", inbox_id="support", to=[{"address": to, "name": ""}])
        draft = saved(draft, written, "ana", at)
    return draft


async def file(
    store: MongoUploads, content: InMemoryContentStore, name: str, draft_id: str | None, *, used: bool
) -> None:
    await store.add(
        Upload(f"file-{name}", "ana", f"{name}.pdf", "text/plain", f"blob-{name}", NOW, ready=True, used=used)
    )
    await content.put_blob(f"blob-{name}", b"x")
    if draft_id:
        await store.hold(draft_id, [f"file-{name}"])


async def test_what_was_written_of_the_person_goes_and_nothing_else(database: Any) -> None:
    content, drafts, uploads = InMemoryContentStore(), MongoDrafts(database), MongoUploads(database)
    for conversation_id, times in {
        "gone": [BEFORE],
        "begun-before": [BEFORE, AFTER],
        "begun-after": [AFTER],
        "others": [BEFORE],
    }.items():
        assert await drafts.put(key_of(conversation_id, "reply"), draft(conversation_id, *times), 0)
        await file(uploads, content, conversation_id, f"draft-{conversation_id}", used=False)
    for name, at in {"to-them": BEFORE, "to-them-later": AFTER, "to-others": BEFORE}.items():
        address = "ann@example.test" if name == "to-others" else "Zeb@example.test"
        await drafts.put(key_of(name, "start"), begun(name, at, address), 0)
        await file(uploads, content, name, f"draft-{name}", used=False)
    await drafts.put(key_of("gone", "note", "ana"), draft("gone", BEFORE), 0)
    await file(uploads, content, "sent", None, used=True)
    await file(uploads, content, "sent-to-others", None, used=True)
    log = MongoEventLog(database, "topic-1")
    events = [refused("text-1", "gone", 1), refused("text-2", "others", 2), refused("text-3", "gone", 9)]
    await log.record(events, [])
    await content.put([{"_id": f"text-{n}", "text": "Dear Zebedee"} for n in (1, 2, 3)])
    search, filters = MongoSearchIndex(database), MongoFilters(database)
    await search.put([], [Person("support", "zeb@example.test", "Zebedee", "contact-1", NOW)])
    await filters.put(SavedFilter(id="f1", name="Zeb", owner_id="ana", search="from:ZEB@example.test is:open"))
    await filters.put(SavedFilter(id="f2", name="Orders", owner_id="ana", search="from:zeb@example.testing"))
    await filters.put(SavedFilter(id="f3", name="Orders", owner_id="ana", search="from:ann@example.test"))
    forgetting = Forgetting(MongoCopies(database), content)
    for conversation_id in ("gone", "begun-before", "begun-after"):
        erased = ContentErased(contact_id="contact-1", blob_ids=["blob-sent"] if conversation_id == "gone" else [])
        for _ in range(2):
            await forgetting.forget(fact(erased, conversation_id, 5), erased)
    left = {d["conversation_id"] async for d in database["drafts"].find()}
    assert left == {"begun-after", "others", "to-them-later", "to-others"}
    stays = {"begun-after", "others", "sent-to-others", "to-them-later", "to-others"}
    assert {d["_id"] async for d in database["uploads"].find()} == {f"file-{n}" for n in stays}
    assert set(content.blobs) == {f"blob-{n}" for n in stays}
    assert set(content.documents) == {"text-2", "text-3"}
    assert {d["_id"] async for d in database["filters"].find()} == {"f2", "f3"}
