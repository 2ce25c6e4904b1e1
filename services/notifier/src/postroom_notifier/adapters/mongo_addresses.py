"""Addresses that cannot be reached, and how much went to each lately: kept by keyed hash, so that no address lies here."""

import hashlib
import hmac
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from postroom_runtime.clock import Clock, monotonic
from postroom_runtime.errors import translated
from postroom_runtime.mongo import Collection, IndexModel, UpdateOne

REST = timedelta(hours=24)
"""How long nothing leaves by itself for a marked address after each failure; then one mail tries whether it is back."""
KEPT_DAYS = 180
WINDOW = timedelta(hours=1)
_REFRESH_SECONDS = 1.0


def hashed(address: str, key: bytes) -> str:
    return hmac.new(key, f"address\n{address.lower()}".encode(), hashlib.sha256).hexdigest()[:40]


class MongoAddressBook:
    """Port AddressBook: the collection `addresses`, one document per marked address; it is empty in good times."""

    def __init__(self, collection: Collection, clock: Clock, key: bytes) -> None:
        self._collection = collection
        self._clock = clock
        self._key = key

    async def prepare(self) -> None:
        async with translated("index addresses"):
            await self._collection.create_indexes(
                [IndexModel([("marked_at", 1)], expireAfterSeconds=KEPT_DAYS * 86_400)]
            )

    def _ids(self, addresses: Iterable[str]) -> list[str]:
        return [hashed(a, self._key) for a in addresses]

    async def mark(self, addresses: Sequence[str], code: str | None) -> None:
        now = self._clock.now()
        writes = [
            UpdateOne({"_id": i}, {"$set": {"marked_at": now, "status_code": code or ""}}, upsert=True)
            for i in self._ids(addresses)
        ]
        if writes:
            async with translated("mark addresses"):
                await self._collection.bulk_write(writes, ordered=False)

    async def clear(self, addresses: Sequence[str]) -> None:
        if addresses:
            async with translated("clear addresses"):
                await self._collection.delete_many({"_id": {"$in": self._ids(addresses)}})

    async def any(self) -> bool:
        async with translated("read addresses"):
            return await self._collection.find_one({}, {"_id": 1}) is not None

    async def resting(self, addresses: Sequence[str]) -> bool:
        wanted = {"_id": {"$in": self._ids(addresses)}, "marked_at": {"$gt": self._clock.now() - REST}}
        async with translated("read addresses"):
            return await self._collection.find_one(wanted, {"_id": 1}) is not None


class MongoReceiverLimit:
    """Port ReceiverLimit: counts per hour and address, gathered here and added up in MongoDB about once a second.

    So replicas see each other's counts a second late, and a mail costs no round trip.
    """

    def __init__(self, collection: Collection, clock: Clock, key: bytes, mails_per_hour: int) -> None:
        self._collection = collection
        self._clock = clock
        self._key = key
        self._most = mails_per_hour
        self._hour: datetime | None = None
        self._mine: Counter[str] = Counter()
        self._unwritten: Counter[str] = Counter()
        self._full: set[str] = set()
        self._refresh_at = 0.0

    async def prepare(self) -> None:
        async with translated("index receivers"):
            await self._collection.create_indexes(
                [IndexModel([("hour", 1), ("n", 1)]), IndexModel([("hour", 1)], expireAfterSeconds=7200, name="forget")]
            )

    async def allows(self, addresses: Sequence[str]) -> bool:
        now = self._clock.now()
        hour = now.replace(minute=0, second=0, microsecond=0)
        if hour != self._hour or monotonic() >= self._refresh_at:
            await self._refresh(hour)
        ids = [hashed(a, self._key) for a in addresses]
        return not any(i in self._full or self._mine[i] >= self._most for i in ids)

    def count(self, addresses: Sequence[str]) -> None:
        for i in (hashed(a, self._key) for a in addresses):
            self._mine[i] += 1
            self._unwritten[i] += 1

    async def _refresh(self, hour: datetime) -> None:
        """Add what was counted here, and learn who is full. At a new hour all begin at nothing."""
        counted, self._unwritten = self._unwritten, Counter()
        if hour != self._hour:
            counted, self._mine, self._hour = Counter(), Counter(), hour
        writes = [
            UpdateOne({"_id": f"{hour:%Y%m%d%H}/{i}"}, {"$inc": {"n": n}, "$set": {"hour": hour}}, upsert=True)
            for i, n in counted.items()
        ]
        self._refresh_at = monotonic() + _REFRESH_SECONDS
        async with translated("count receivers"):
            if writes:
                await self._collection.bulk_write(writes, ordered=False)
            found = await self._collection.find({"hour": hour, "n": {"$gte": self._most}}, {"_id": 1}).to_list(
                length=10_000
            )
        self._full = {d["_id"].partition("/")[2] for d in found}
