"""Which keys of a group are on hold: what is asked of one of them by itself, again and again, would only be parked behind it."""

from dataclasses import dataclass

from postroom_runtime.errors import translated
from postroom_runtime.mongo import Database

MOST = 100_000
"""As many as a consumer reads."""


@dataclass(frozen=True, slots=True)
class HeldKeys:
    """Reads the holds of one group, from whatever member. The collection is small: a hold is there until somebody mends it."""

    database: Database
    group: str

    async def __call__(self) -> frozenset[str]:
        """Return the keys. Raises InfrastructureError."""
        async with translated("read holds"):
            found = await self.database["holds"].find({"group": self.group}, {"key": 1}).to_list(length=MOST)
        return frozenset(hold["key"] for hold in found)


async def none_held() -> frozenset[str]:
    """Stand for a group without holds."""
    return frozenset()
