"""What one message leaves behind in the real services: taken from a real round, replayed by the floor.

The floor makes the same hops, the same number of records of the same bytes and the same number of documents of the same
size, with nothing else in between.
"""

import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka import ConsumerRecord
from postroom_contracts.topics import CONVERSATION_COMMANDS, CONVERSATION_EVENTS, Topic
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.tail import read_to_end
from pymongo import MongoClient


@dataclass
class RecordTemplate:
    body: bytes
    headers: list[tuple[str, bytes]]
    conversation: bytes
    """The conversation id inside body, to be replaced by another of the same length."""


@dataclass
class Recipe:
    """Templates and counts per message."""

    records: dict[str, RecordTemplate] = field(default_factory=dict)
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    counts: dict[str, float] = field(default_factory=dict)
    """Documents per message, by database.collection."""

    def save(self, path: Path) -> None:
        path.write_bytes(pickle.dumps(self))

    @staticmethod
    def load(path: Path) -> "Recipe":
        loaded = pickle.loads(path.read_bytes())  # noqa: S301 - written by this run a moment ago
        assert isinstance(loaded, Recipe)
        return loaded


TYPES = {
    "accept": (CONVERSATION_COMMANDS, "org.postroom.accept-message.v1"),
    "received": (CONVERSATION_EVENTS, "org.postroom.message-received.v1"),
    "assigned": (CONVERSATION_EVENTS, "org.postroom.conversation-assigned.v1"),
}
COLLECTIONS = {
    "claims": ("router", "thread_claims"),
    "contacts": ("router", "contacts"),
    "conversations": ("router", "conversations"),
    "assignments": ("assigner", "assignments"),
    "loads": ("assigner", "agent_load"),
    "states": ("analytics", "states_1"),
    "rows": ("analytics", "rows_1"),
    "rollups": ("analytics", "rollups_1"),
}


async def capture(settings: RuntimeSettings, messages: int) -> Recipe:
    """Return the recipe of a finished real round of `messages` messages: of each kind the one of median size."""
    recipe = Recipe()
    for name, (topic, type_name) in TYPES.items():
        found = await _records(settings, topic, type_name.encode())
        recipe.counts[name] = len(found) / messages
        found.sort(key=lambda r: len(r.value or b""))
        record = found[len(found) // 2]
        recipe.records[name] = RecordTemplate(record.value or b"", list(record.headers), record.key or b"")
    client: MongoClient[dict[str, Any]] = MongoClient(settings.mongo_uri.get_secret_value())
    try:
        for name, (database, collection) in COLLECTIONS.items():
            _capture_collection(recipe, client[settings.database(database)][collection], name, messages)
    finally:
        client.close()
    return recipe


def _capture_collection(recipe: Recipe, collection: Any, name: str, messages: int) -> None:
    sized = list(collection.aggregate([{"$project": {"size": {"$bsonSize": "$$ROOT"}}}, {"$sort": {"size": 1}}]))
    if not sized:
        raise LookupError(f"nothing in {collection.full_name}: the services changed, see benchmarks/recipe.py")
    recipe.counts[name] = len(sized) / messages
    middle = collection.find_one({"_id": sized[len(sized) // 2]["_id"]})
    recipe.documents[name] = middle


async def _records(settings: RuntimeSettings, topic: Topic, type_name: bytes) -> list[ConsumerRecord]:
    return [
        record
        async for record in read_to_end(settings, settings.topic(topic.name))
        if dict(record.headers).get("ce_type") == type_name
    ]
