"""The one place that picks the MongoDB driver; nothing else imports motor or pymongo's client.

Motor is past its end of life, so PyMongo's asynchronous client can take its place by one setting. Their collections
differ only in what must be awaited: `aggregate`, `watch` and `list_indexes` return coroutines in PyMongo.
"""

import inspect
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

from bson.codec_options import CodecOptions
from pymongo import DeleteOne, IndexModel, InsertOne, ReplaceOne, ReturnDocument, UpdateMany, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from postroom_runtime import mongo_metrics, motor_threads
from postroom_runtime.settings import RuntimeSettings

__all__ = [
    "DUPLICATE_KEY",
    "BulkWriteError",
    "Collection",
    "Database",
    "DeleteOne",
    "DuplicateKeyError",
    "IndexModel",
    "InsertOne",
    "MongoClient",
    "ReplaceOne",
    "ReturnDocument",
    "UpdateMany",
    "UpdateOne",
    "aggregate",
    "connect",
    "transaction",
]

MongoClient = Any
Database = Any
Collection = Any
DUPLICATE_KEY = 11000
_CODEC: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True, tzinfo=UTC)


def connect(settings: RuntimeSettings, service: str = "") -> MongoClient:
    """Return a client of the driver that the settings name. It connects at first use; close it at the end.

    With `service` its health is shown as series under that name.

    Writes are acknowledged by a majority with their journal; every call, with its repeats by the driver, ends within
    `mongo_timeout_seconds`, against a server that hangs too.
    """
    timeout_ms = int(settings.mongo_timeout_seconds * 1000)
    options: dict[str, Any] = {
        "serverSelectionTimeoutMS": timeout_ms,
        "connectTimeoutMS": timeout_ms,
        "timeoutMS": timeout_ms,
        "waitQueueTimeoutMS": timeout_ms,
        "maxPoolSize": 32,
        "appname": "postroom",
        "tz_aware": True,
        "tzinfo": UTC,
        "w": "majority",
        "journal": True,
        "retryWrites": True,
        "retryReads": True,
        "event_listeners": mongo_metrics.listeners(service) if service else [],
    }
    files = {"tlsCAFile": settings.mongo_ca_file, "tlsCertificateKeyFile": settings.mongo_certificate_file}
    if given := {name: str(path) for name, path in files.items() if path is not None}:
        options |= {"tls": True, **given}
    uri = settings.mongo_uri.get_secret_value()
    if settings.mongo_driver == "pymongo":
        from pymongo import AsyncMongoClient  # noqa: PLC0415 - only the driver in use is loaded

        return AsyncMongoClient(uri, **options)
    from motor.motor_asyncio import AsyncIOMotorClient  # noqa: PLC0415

    motor_threads.use()
    return AsyncIOMotorClient(uri, **options)


def database(client: MongoClient, settings: RuntimeSettings, name: str) -> Database:
    """Return the service's own database, named with the deployment's prefix; reads see majority-committed writes."""
    return client.get_database(
        settings.database(name),
        codec_options=_CODEC,
        write_concern=WriteConcern("majority", j=True),
        read_concern=ReadConcern("local"),
    )


async def resolved(value: Any) -> Any:
    """Await what one driver returns as a coroutine and the other at once."""
    return await value if inspect.isawaitable(value) else value


async def aggregate(
    collection: Collection, pipeline: Sequence[Mapping[str, Any]], **options: Any
) -> list[dict[str, Any]]:
    """Return all documents of an aggregation (bounded by the pipeline's own $limit)."""
    cursor = await resolved(collection.aggregate(list(pipeline), **options))
    return [document async for document in cursor]


async def close(client: MongoClient) -> None:
    await resolved(client.close())


async def ping(client: MongoClient) -> None:
    await client.admin.command("ping")


class transaction:  # noqa: N801 - used as `async with transaction(client) as session`
    """A transaction over several collections; commits at the end of the block, aborts on an error."""

    def __init__(self, client: MongoClient) -> None:
        self._client = client

    async def __aenter__(self) -> Any:
        self._session = await resolved(self._client.start_session())
        await resolved(
            self._session.start_transaction(
                write_concern=WriteConcern("majority", j=True), read_concern=ReadConcern("snapshot")
            )
        )
        return self._session

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                await self._session.commit_transaction()
            elif self._session.in_transaction:
                await self._session.abort_transaction()
        finally:
            await self._session.end_session()
