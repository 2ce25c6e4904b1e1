"""`postroom migrate`: collections and indexes of every installed service, made before the services of a release start."""

import asyncio
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from pymongo.errors import PyMongoError

from postroom_runtime import mongo
from postroom_runtime.cli import fail
from postroom_runtime.cli_run import installed
from postroom_runtime.clock import SystemClock
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.mongo import Database
from postroom_runtime.service import ServiceDefinition
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.stores import open_stores


def register(app: typer.Typer) -> None:
    app.command("migrate")(migrate)


def migrate(
    services: Annotated[list[str] | None, typer.Argument(help="Service names; all that are installed if none.")] = None,
    timeout_seconds: Annotated[
        float, typer.Option(min=1, max=86_400, help="For one call: an index over much data takes its time.")
    ] = 600,
) -> None:
    """Make the indexes that this release needs. Safe to repeat, and while services run; drops nothing."""
    known = installed()
    names = services or sorted(known)
    if unknown := [name for name in names if name not in known]:
        raise fail(f"no service {', '.join(unknown)}; installed: {', '.join(sorted(known))}", 2)
    # A service gives MongoDB seconds for a call, and the server then gives up the index; here it may take long.
    settings = RuntimeSettings().model_copy(update={"mongo_timeout_seconds": timeout_seconds})
    for name in names:
        definition: ServiceDefinition = known[name]()()  # type: ignore[operator]
        try:
            made = asyncio.run(prepared(definition, settings))
        except (InfrastructureError, PyMongoError) as error:
            raise fail(f"{name}: {error} (POSTROOM_MONGO_URI); run it again when that is mended") from error
        for index in made or ["nothing to do"]:
            typer.echo(f"{name:10} {index}")


async def prepared(definition: ServiceDefinition, settings: RuntimeSettings) -> list[str]:
    """Prepare one service's stores; return what is new: `index COLLECTION.NAME`, sorted."""
    client = mongo.connect(settings)
    try:
        stores = open_stores(client, settings, definition.name, SystemClock())
        databases = [stores.database, mongo.database(client, settings, "content")]
        before = await _indexes(databases)
        await definition.prepare(stores)
        return sorted(f"index {name}" for name in await _indexes(databases) - before)
    finally:
        await mongo.close(client)


async def _indexes(databases: Iterable[Database]) -> set[str]:
    found: set[str] = set()
    for database in databases:
        for collection in await database.list_collection_names():
            listed: Any = await mongo.resolved(database[collection].list_indexes())
            found |= {f"{collection}.{index['name']}" async for index in listed if index["name"] != "_id_"}
    return found
