"""Which indexes a service needs, as its own `prepare` says: asked of it without a database, so that no second list differs."""

from collections.abc import AsyncIterator
from typing import Any, cast

from postroom_runtime.clock import SystemClock
from postroom_runtime.content_store import MongoContentStore
from postroom_runtime.service import ServiceDefinition
from postroom_runtime.stores import Stores


class _Collection:
    """Takes the names of the indexes that are made; whatever else is asked of it does nothing and finds nothing."""

    def __init__(self, names: list[str]) -> None:
        self._names = names

    async def create_indexes(self, indexes: list[Any], **_: Any) -> None:
        self._names += [index.document["name"] for index in indexes]

    async def create_index(self, field: str, **options: Any) -> None:
        self._names.append(options.get("name", f"{field}_1"))

    def with_options(self, **_: Any) -> "_Collection":
        return self

    def find(self, *_: Any, **__: Any) -> "_NothingFound":
        return _NothingFound()

    def __getattr__(self, _: str) -> Any:
        async def nothing(*_: Any, **__: Any) -> None:
            """Stand for a call of the driver."""

        return nothing


class _NothingFound:
    """A cursor over nothing."""

    def sort(self, *_: Any, **__: Any) -> "_NothingFound":
        return self

    limit = sort

    async def to_list(self, *_: Any, **__: Any) -> list[Any]:
        return []

    async def __aiter__(self) -> AsyncIterator[Any]:
        for found in await self.to_list():
            yield found


class _Database(dict[str, list[str]]):
    """Collection to names of indexes."""

    def __getitem__(self, collection: str) -> Any:
        return _Collection(self.setdefault(collection, []))


async def expected_indexes(definition: ServiceDefinition) -> dict[str, list[str]]:
    """Return collection -> names of the indexes that a service's own database needs."""
    database, content = _Database(), _Database()
    stores = Stores(SystemClock(), cast("Any", None), cast("Any", database), MongoContentStore(cast("Any", content)))
    await definition.prepare(stores)
    return {collection: names for collection, names in database.items() if names}
