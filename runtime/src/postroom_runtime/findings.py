"""What `postroom doctor` finds, and how packages add checks of their own.

An entry point of the group `postroom.checks` names an `async` function of (settings, configuration or None) which returns
findings within a few seconds and does not raise for what it looks at.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from postroom_contracts.configuration import Configuration

from postroom_runtime import mongo
from postroom_runtime.index_names import expected_indexes
from postroom_runtime.service import ServiceDefinition
from postroom_runtime.settings import RuntimeSettings

CHECKS = "postroom.checks"
ANSWER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. `remedy` says what to do when it is not well. Neither holds a secret or a person's address."""

    name: str
    well: bool
    detail: str
    remedy: str = ""


Check = Callable[[RuntimeSettings, Configuration | None], Awaitable[Sequence[Finding]]]


async def indexes(settings: RuntimeSettings, definition: ServiceDefinition) -> Finding:
    """Say whether a service's database has the indexes that it prepares. One that was never used has none to miss."""
    service, expected = definition.name, await expected_indexes(definition)
    name = f"indexes of {service}"
    client = mongo.connect(settings.model_copy(update={"mongo_timeout_seconds": ANSWER_SECONDS}))
    try:
        database = mongo.database(client, settings, service)
        there = set(await database.list_collection_names())
        missing = [f"{c}.{i}" for c in sorted(expected) if c in there for i in await _missing(database[c], expected[c])]
    except Exception as error:  # noqa: BLE001 - whatever the driver says, it is shown
        return Finding(name, False, f"not read: {type(error).__name__}", "see mongodb")
    finally:
        await mongo.close(client)
    if not there:
        return Finding(name, True, f"{service} has not run here yet")
    remedy = "run `postroom migrate`: it makes them, and says why if it cannot"
    return Finding(name, not missing, f"missing: {', '.join(missing)}" if missing else "all there", remedy)


async def _missing(collection: mongo.Collection, wanted: Sequence[str]) -> list[str]:
    there = await collection.index_information()
    return [name for name in wanted if name not in there]
