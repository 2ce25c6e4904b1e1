"""What a service keeps in MongoDB, before it runs: given to `prepare`, which makes collections and indexes."""

from dataclasses import dataclass

from postroom_runtime import mongo
from postroom_runtime.clock import Clock
from postroom_runtime.content_store import MongoContentStore
from postroom_runtime.mongo import Database, MongoClient
from postroom_runtime.settings import RuntimeSettings


@dataclass(frozen=True, slots=True)
class Stores:
    """A service's own database and the content store, on one client."""

    clock: Clock
    client: MongoClient
    database: Database
    content: MongoContentStore


def open_stores(client: MongoClient, settings: RuntimeSettings, service: str, clock: Clock) -> Stores:
    """Return the stores of `service`. Nothing is asked of the server yet."""
    content = MongoContentStore(mongo.database(client, settings, "content"))
    return Stores(clock, client, mongo.database(client, settings, service), content)
