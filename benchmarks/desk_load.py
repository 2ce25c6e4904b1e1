"""Writes a DeskWorld into MongoDB: the desk's documents, entries and people, and the content store. Two processes."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any

from postroom_desk.adapters.drafts import MongoDrafts
from postroom_desk.adapters.event_log import MongoEventLog
from postroom_desk.adapters.filters import MongoFilters
from postroom_desk.adapters.folder_rows import MongoFolderCounts
from postroom_desk.adapters.read_model import MongoConversations
from postroom_desk.adapters.search_index import MongoSearchIndex, entry_to_mongo
from postroom_desk.domain.positions import Positions
from postroom_desk.domain.view import SHAPE
from postroom_desk.indexing import IndexMark
from postroom_runtime import mongo
from postroom_runtime.clock import SystemClock
from postroom_runtime.settings import RuntimeSettings
from pymongo import MongoClient, WriteConcern
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

from benchmarks.desk_world import DeskWorld, Made

CHUNK = 1000
PROCESSES = 2
DUPLICATE_KEY = 11000


def load(settings: RuntimeSettings, topic_id: str, count: int, progress: Callable[[str], None]) -> None:
    """Write `count` conversations, then build the indexes: in this order it is quicker by far."""
    uri = settings.mongo_uri.get_secret_value()
    started = time.monotonic()
    with ProcessPoolExecutor(PROCESSES) as pool:
        jobs = [
            pool.submit(_write, uri, settings.database_prefix, topic_id, count, first, min(first + CHUNK, count))
            for first in range(0, count, CHUNK)
        ]
        for n, job in enumerate(as_completed(jobs), 1):
            job.result()
            if n % 10 == 0:
                progress(f"{n * CHUNK:,} of {count:,} conversations after {time.monotonic() - started:.0f} s")
    progress("building indexes")
    asyncio.run(_index(settings, topic_id))
    progress(f"loaded in {time.monotonic() - started:.0f} s")


_worlds: dict[int, DeskWorld] = {}


def _write(uri: str, prefix: str, topic_id: str, count: int, first: int, last: int) -> None:
    world = _worlds.setdefault(count, DeskWorld(count))
    made = [world.make(number) for number in range(first, last)]
    client: MongoClient[dict[str, Any]] = MongoClient(uri)
    try:
        desk, content = client[f"{prefix}desk"], client[f"{prefix}content"]
        _insert(desk["conversations"], [m.document for m in made])
        _insert(content["documents"], [c for m in made for c in m.content])
        _insert(desk["search"], [entry_to_mongo(e) for m in made for e in m.entries])
        _insert(desk["search_people"], _people(made))
        _insert(desk["events"], _events(made, topic_id))
    finally:
        client.close()


def _insert(collection: Collection[dict[str, Any]], documents: list[dict[str, Any]]) -> None:
    try:
        collection.with_options(write_concern=WriteConcern(1, j=False)).insert_many(documents, ordered=False)
    except BulkWriteError as error:
        if {e["code"] for e in error.details["writeErrors"]} != {DUPLICATE_KEY}:  # people who wrote in several
            raise


def _people(made: list[Made]) -> list[dict[str, Any]]:
    return [
        {"_id": f"{p.inbox_id} {p.address}", "i": p.inbox_id, "a": p.address, "n": p.name, "k": p.contact_id, "at": p.at,
         "t": p.words}
        for m in made for p in m.people
    ]  # fmt: skip


def _events(made: list[Made], topic_id: str) -> list[dict[str, Any]]:
    """Return the facts that reading a conversation reads: who it was assigned to, and why."""
    log = MongoEventLog({"events": None, "progress": None}, topic_id)
    assigned = "org.postroom.conversation-assigned.v1"
    return [log._to_mongo(fact) for m in made for fact in m.facts if fact.type == assigned]  # noqa: SLF001


async def _index(settings: RuntimeSettings, topic_id: str) -> None:
    patient = settings.model_copy(update={"mongo_timeout_seconds": 1800.0})
    client = mongo.connect(patient)
    try:
        desk = mongo.database(client, settings, "desk")
        conversations = desk["conversations"]
        for store in (
            MongoConversations(conversations),
            MongoFolderCounts(conversations, SystemClock(0), desk["drafts"]),
            MongoDrafts(desk),
            MongoEventLog(desk, topic_id),
            MongoFilters(desk),
            MongoSearchIndex(desk),
        ):
            await store.prepare()
        await desk["meta"].update_one({"_id": "read-model"}, {"$set": {"shape": SHAPE}}, upsert=True)
        await IndexMark(desk["meta"], topic_id).write(Positions())
    finally:
        await mongo.close(client)
