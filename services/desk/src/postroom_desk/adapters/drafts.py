"""Drafts in MongoDB: one document for each seat. `listed_for` stands beside a draft's own fields: whose drafts it is among."""

from postroom_runtime.errors import translated
from postroom_runtime.mongo import Collection, Database, DuplicateKeyError, IndexModel

from postroom_desk.answering.drafts import seat_of
from postroom_desk.domain.draft import Draft


class MongoDrafts:
    """Port DraftStore."""

    def __init__(self, database: Database) -> None:
        self._drafts: Collection = database["drafts"]

    async def prepare(self) -> None:
        """Create the indexes, and let each note that was shared be that of who wrote it last; again: no change."""
        async with translated("index drafts"):
            await self._drafts.create_indexes(
                [
                    IndexModel([("conversation_id", 1)]),
                    IndexModel([("listed_for", 1), ("saved_at", -1)]),
                    IndexModel([("addressed", 1)]),
                ]
            )
            shared = await self._drafts.find({"kind": "note", "people": {"$exists": False}}).to_list(length=None)
            for stored in shared:
                await self._own(stored["_id"], Draft.model_validate(stored))
            unlisted = await self._drafts.find({"listed_for": {"$exists": False}}).to_list(length=None)
            for stored in unlisted:
                listed = {"listed_for": Draft.model_validate(stored).listed_for}
                await self._drafts.update_one({"_id": stored["_id"], "revision": stored["revision"]}, {"$set": listed})

    async def _own(self, key: str, note: Draft) -> None:
        own = note.model_copy(update={"people": [note.saved_by]})
        if not (note.written.is_empty or await self.put(seat_of(own).key, own, 0)):
            there = await self.get(seat_of(own).key)
            if there is not None and there.id != note.id:
                return  # they have begun another one: nothing is written over
        await self._drafts.delete_one({"_id": key, "revision": note.revision})

    async def get(self, key: str) -> Draft | None:
        async with translated("read draft"):
            found = await self._drafts.find_one({"_id": key})
        return Draft.model_validate(found) if found else None

    async def put(self, key: str, draft: Draft, over: int) -> bool:
        stored = {**draft.model_dump(), "_id": key, "listed_for": draft.listed_for}
        async with translated("save draft"):
            if over:
                result = await self._drafts.replace_one({"_id": key, "revision": over}, stored)
                return bool(result.matched_count)
            try:
                await self._drafts.insert_one(stored)
            except DuplicateKeyError:
                return False
        return True

    async def remove(self, key: str, draft_id: str) -> None:
        async with translated("remove draft"):
            await self._drafts.delete_one({"_id": key, "id": draft_id})

    async def of(self, agent_id: str, limit: int) -> list[Draft]:
        async with translated("list drafts"):
            found = (
                await self._drafts.find({"listed_for": agent_id})
                .sort([("saved_at", -1)])
                .limit(limit)
                .to_list(length=limit)
            )
        return [Draft.model_validate(d) for d in found]
