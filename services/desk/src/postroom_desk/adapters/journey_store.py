"""Sign-ins that are under way at the provider, in MongoDB: `journeys`, `_id` is the digest of the state."""

from dataclasses import asdict
from datetime import datetime

from postroom_runtime.errors import translated
from postroom_runtime.mongo import Database, IndexModel

from postroom_desk.identity.sign_on import Journey


class MongoJourneys:
    """Port JourneyStore."""

    def __init__(self, database: Database) -> None:
        self._journeys = database["journeys"]

    async def prepare(self) -> None:
        async with translated("index journeys"):
            await self._journeys.create_indexes([IndexModel([("ends_at", 1)], expireAfterSeconds=86_400)])

    async def add(self, journey: Journey) -> None:
        fields = asdict(journey)
        async with translated("store journey"):
            await self._journeys.insert_one({"_id": fields.pop("id"), **fields})

    async def use(self, journey_id: str, now: datetime) -> Journey | None:
        async with translated("use journey"):
            found = await self._journeys.find_one_and_delete({"_id": journey_id, "ends_at": {"$gt": now}})
        return None if found is None else Journey(id=found.pop("_id"), **found)
