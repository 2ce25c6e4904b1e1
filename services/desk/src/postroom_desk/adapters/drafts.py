"""Drafts in MongoDB: one document for each conversation and kind."""

from postroom_runtime.errors import translated
from postroom_runtime.mongo import Collection, Database, DuplicateKeyError

from postroom_desk.domain.draft import Draft


class MongoDrafts:
    """Port DraftStore."""

    def __init__(self, database: Database) -> None:
        self._drafts: Collection = database["drafts"]

    async def get(self, key: str) -> Draft | None:
        async with translated("read draft"):
            found = await self._drafts.find_one({"_id": key})
        return Draft.model_validate(found) if found else None

    async def put(self, key: str, draft: Draft, over: int) -> bool:
        stored = {**draft.model_dump(), "_id": key}
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
