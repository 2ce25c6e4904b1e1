"""From whom a person always wants pictures: `picture_senders`, one document a person."""

from postroom_runtime.errors import translated
from postroom_runtime.mongo import Database

MOST_SENDERS = 500
"""Of one person; the oldest goes when another comes."""


class MongoPictureSenders:
    """Port PictureSenders."""

    def __init__(self, database: Database) -> None:
        self._senders = database["picture_senders"]

    async def of(self, agent_id: str) -> list[str]:
        async with translated("read senders of pictures"):
            found = await self._senders.find_one({"_id": agent_id})
        return list(found["addresses"]) if found else []

    async def add(self, agent_id: str, address: str) -> None:
        async with translated("keep sender of pictures"):
            await self._senders.update_one({"_id": agent_id}, {"$pull": {"addresses": address}})
            change = {"$push": {"addresses": {"$each": [address], "$slice": -MOST_SENDERS}}}
            await self._senders.update_one({"_id": agent_id}, change, upsert=True)

    async def remove(self, agent_id: str, address: str) -> None:
        async with translated("forget sender of pictures"):
            await self._senders.update_one({"_id": agent_id}, {"$pull": {"addresses": address}})
