"""Saved replies of single people, in MongoDB."""

from postroom_runtime.errors import translated
from postroom_runtime.mongo import Collection, Database, IndexModel

from postroom_desk.domain.saved_replies import Saved

MAX_OWN = 200


class MongoSavedReplies:
    """Port SavedReplyStore."""

    def __init__(self, database: Database) -> None:
        self._replies: Collection = database["saved_replies"]

    async def prepare(self) -> None:
        async with translated("index saved replies"):
            await self._replies.create_indexes([IndexModel([("owner", 1)])])

    async def of(self, owner: str) -> list[Saved]:
        async with translated("read saved replies"):
            found = await self._replies.find({"owner": owner}).to_list(length=MAX_OWN)
        return [Saved(d["_id"], d["name"], d["text"], d.get("html"), (), d["owner"]) for d in found]

    async def put(self, saved: Saved) -> None:
        stored = {"_id": saved.id, "owner": saved.owner, "name": saved.name, "text": saved.text, "html": saved.html}
        async with translated("store saved reply"):
            await self._replies.replace_one({"_id": saved.id, "owner": saved.owner}, stored, upsert=True)

    async def remove(self, owner: str, saved_id: str) -> bool:
        async with translated("remove saved reply"):
            result = await self._replies.delete_one({"_id": saved_id, "owner": owner})
        return bool(result.deleted_count)
