"""Saved filters in the desk's database."""

from collections.abc import Iterable

from postroom_runtime.errors import translated
from postroom_runtime.mongo import Database, IndexModel

from postroom_desk.domain.filters import SavedFilter

MOST = 500
"""Filters that one person can see."""


class MongoFilters:
    """Port Filters: `filters`, one document each."""

    def __init__(self, database: Database) -> None:
        self._filters = database["filters"]

    async def prepare(self) -> None:
        async with translated("index filters"):
            await self._filters.create_indexes([IndexModel([("owner_id", 1)]), IndexModel([("team_id", 1)])])

    async def of(self, agent_id: str, teams: Iterable[str]) -> list[SavedFilter]:
        mine = {"$or": [{"owner_id": agent_id}, {"team_id": {"$in": sorted(teams)}}]}
        async with translated("list filters"):
            found = await self._filters.find(mine).sort([("name", 1), ("_id", 1)]).limit(MOST).to_list(length=MOST)
        return [SavedFilter(id=d.pop("_id"), **d) for d in found]

    async def get(self, filter_id: str) -> SavedFilter | None:
        async with translated("read filter"):
            found = await self._filters.find_one({"_id": filter_id})
        return None if found is None else SavedFilter(id=found.pop("_id"), **found)

    async def put(self, saved: SavedFilter) -> None:
        fields = saved.model_dump(mode="json", exclude_defaults=True, exclude={"id"})
        async with translated("save filter"):
            await self._filters.replace_one({"_id": saved.id}, fields, upsert=True)

    async def delete(self, filter_id: str) -> None:
        async with translated("delete filter"):
            await self._filters.delete_one({"_id": filter_id})
