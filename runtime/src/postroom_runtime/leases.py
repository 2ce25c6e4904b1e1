"""Leases in MongoDB: one holder at a time, with a fencing number that a write can check."""

import os
import secrets
import socket
from dataclasses import dataclass
from datetime import timedelta

from postroom_runtime.clock import Clock
from postroom_runtime.errors import translated
from postroom_runtime.mongo import Collection, DuplicateKeyError, ReturnDocument


@dataclass(frozen=True, slots=True)
class Lease:
    """Held until renewed or lapsed. `fence` rises with each new holder."""

    name: str
    holder: str
    fence: int


def own_name() -> str:
    """Return a holder's name that no other process has: in containers all are number 1, and hosts may share a name."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


class LeaseStore:
    """Leases of one service. Time is the clock's: hosts must agree to within a fraction of `seconds`."""

    def __init__(self, collection: Collection, clock: Clock, holder: str) -> None:
        self._collection = collection
        self._clock = clock
        self.holder = holder

    async def acquire(self, name: str, seconds: float) -> Lease | None:
        """Take or renew the lease; None when somebody else holds it. The fence stays when we renew our own."""
        now = self._clock.now()
        until = now + timedelta(seconds=seconds)
        async with translated("acquire lease"):
            mine = await self._collection.find_one_and_update(
                {"_id": name, "holder": self.holder, "until": {"$gt": now}},
                {"$set": {"until": until}},
                return_document=ReturnDocument.AFTER,
            )
            if mine is not None:
                return Lease(name, self.holder, mine["fence"])
            try:
                taken = await self._collection.find_one_and_update(
                    {"_id": name, "until": {"$lte": now}},
                    {"$set": {"holder": self.holder, "until": until}, "$inc": {"fence": 1}},
                    upsert=True,
                    return_document=ReturnDocument.AFTER,
                )
            except DuplicateKeyError:
                return None
        return Lease(name, self.holder, taken["fence"])

    async def release(self, lease: Lease) -> None:
        """Let go early, so that the next holder need not wait."""
        async with translated("release lease"):
            await self._collection.update_one(
                {"_id": lease.name, "holder": lease.holder, "fence": lease.fence},
                {"$set": {"until": self._clock.now()}},
            )

    async def holders(self) -> dict[str, str]:
        """Return lease name to holder, of the leases that have not lapsed."""
        async with translated("list leases"):
            found = await self._collection.find({"until": {"$gt": self._clock.now()}}).to_list(length=10_000)
        return {lease["_id"]: lease["holder"] for lease in found}
