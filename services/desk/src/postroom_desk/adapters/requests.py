"""Requests that were taken, for a week, in MongoDB: how a repeated Idempotency-Key is told from a misused one."""

from dataclasses import asdict

from postroom_runtime.errors import translated
from postroom_runtime.mongo import Database, DuplicateKeyError, IndexModel

from postroom_desk.ports import RequestRecord

KEPT_SECONDS = 7 * 86_400
"""As long as a command stands on its topic: until then its repeat is recognised by the router, too."""


class MongoRequests:
    """Port RequestStore."""

    def __init__(self, database: Database) -> None:
        self._requests = database["requests"]

    async def prepare(self) -> None:
        async with translated("index requests"):
            await self._requests.create_indexes([IndexModel([("at", 1)], expireAfterSeconds=KEPT_SECONDS)])

    async def remember(self, request: RequestRecord) -> RequestRecord | None:
        fields = asdict(request)
        async with translated("remember request"):
            try:
                await self._requests.insert_one({"_id": fields.pop("id"), **fields})
            except DuplicateKeyError:
                return await self.get(request.id)
        return None

    async def get(self, request_id: str) -> RequestRecord | None:
        async with translated("read request"):
            found = await self._requests.find_one({"_id": request_id})
        return None if found is None else RequestRecord(id=found.pop("_id"), **found)
