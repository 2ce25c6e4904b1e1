"""Letters in MongoDB: `letters`, `_id` is the agent's id. No link ever lies here."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from postroom_runtime.errors import translated
from postroom_runtime.mongo import Database, IndexModel, ReturnDocument

from postroom_desk.identity.letters import Letter


class MongoLetters:
    """Port LetterStore."""

    def __init__(self, database: Database) -> None:
        self._letters = database["letters"]

    async def prepare(self) -> None:
        async with translated("index letters"):
            await self._letters.create_indexes([IndexModel([("state", 1), ("due_at", 1)])])

    async def want(self, letter: Letter) -> None:
        async with translated("store letter"):
            await self._letters.replace_one({"_id": letter.agent_id}, _document(letter), upsert=True)

    async def claim(self, now: datetime, until: datetime) -> Letter | None:
        change = {"$set": {"due_at": until}, "$inc": {"tries": 1}}
        async with translated("claim letter"):
            found = await self._letters.find_one_and_update(
                {"state": "waiting", "due_at": {"$lte": now}}, change, return_document=ReturnDocument.AFTER
            )
        return None if found is None else _letter(found)

    async def mark(self, letter: Letter) -> None:
        where = {"_id": letter.agent_id, "wanted_at": letter.wanted_at, "tries": letter.tries}
        async with translated("store letter"):
            await self._letters.replace_one(where, _document(letter))

    async def all(self) -> dict[str, Letter]:
        async with translated("read letters"):
            return {d["_id"]: _letter(d) for d in await self._letters.find({}).to_list(length=10_000)}


def _document(letter: Letter) -> dict[str, Any]:
    fields = asdict(letter)
    return {"_id": fields.pop("agent_id"), **fields}


def _letter(d: Mapping[str, Any]) -> Letter:
    fields = dict(d)
    return Letter(agent_id=fields.pop("_id"), **fields)
