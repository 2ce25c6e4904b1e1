"""Generations of figures: `states_1`, `rows_1`, `rollups_1`, then `states_2` and so on.

A rebuild fills the next generation beside the one in use; one document (`meta`) says which that is.
"""

from typing import Any

from postroom_runtime.errors import translated
from postroom_runtime.mongo import Database, IndexModel, resolved
from postroom_runtime.mongo_steps import Steps, in_turn

PARTS = ("states", "rows", "rollups")


class Generations:
    """The collections of each generation, and which is in use."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def states(self, generation: int) -> Any:
        return self._database[f"states_{generation}"]

    def rows(self, generation: int) -> Any:
        return self._database[f"rows_{generation}"]

    def rollups(self, generation: int) -> Any:
        return self._database[f"rollups_{generation}"]

    async def active(self) -> int:
        """Return the number of the generation in use; 1 before the first rebuild."""
        async with translated("read generation"):
            return await in_turn(self._database, active_of)

    async def switch(self, generation: int) -> None:
        """Have everybody read and write `generation` from now on."""
        async with translated("switch generation"):
            await self._database["meta"].update_one(
                {"_id": "generation"}, {"$set": {"active": generation}}, upsert=True
            )

    async def drop(self, generation: int) -> None:
        async with translated("drop generation"):
            for name in PARTS:
                await self._database[f"{name}_{generation}"].drop()

    async def prepare(self, generation: int) -> None:
        """Create its collections and indexes; what is there already stays as it is."""
        async with translated("index metrics"):
            await resolved(
                self.rows(generation).create_indexes(
                    [
                        IndexModel([("conversation_id", 1)]),
                        IndexModel([("kind", 1), ("closed_at", -1), ("_id", 1)]),
                        *(_cut_index(name) for name in ("inbox", "team", "agent", "tags")),
                    ]
                )
            )
            await resolved(
                self.rollups(generation).create_indexes([IndexModel([("cut", 1), ("value", 1), ("scope", 1)])])
            )
            # A transaction cannot wait for a collection that is being made: make it now.
            await self.states(generation).update_one({"_id": "none"}, {"$set": {"revision": 0}}, upsert=True)
            await self.states(generation).delete_one({"_id": "none"})


def active_of(database: Database, session: Any = None) -> Steps[int]:
    """Steps of `Generations.active`, also within a transaction."""
    found = yield database["meta"].find_one({"_id": "generation"}, session=session)
    return int(found["active"]) if found else 1


def _cut_index(name: str) -> IndexModel:
    """Rows without that cut (no volume has an agent) take no room in it."""
    return IndexModel(
        [(name, 1), ("kind", 1), ("closed_at", -1), ("_id", 1)], partialFilterExpression={name: {"$exists": True}}
    )
